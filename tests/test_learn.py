"""docs/learn.md and its Korean translation: their commands run, their pictures are there, and their numbers are right."""

import re
import shlex

import numpy as np
import pytest
import readme
from processes import ROOT

ENGLISH, KOREAN = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("learn.md", "learn.ko.md"))


def trainings(text):
    commands = [shlex.split(command) for command in readme.commands(text)]
    return [words[2:] for words in commands if words[:2] == ["python", "train.py"]]


@pytest.mark.slow
def test_every_command_runs(fork):
    for arguments in trainings(ENGLISH):
        process = fork(*arguments, "trainer.max_epochs=2")
        assert process.wait() == 0, f"python train.py {' '.join(arguments)}\n{process.output()}"


@pytest.mark.parametrize("text", [ENGLISH, KOREAN], ids=["en", "ko"])
def test_everything_linked_is_there(text):
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert links and [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_the_straight_line_promises_what_is_said():
    slope, start = np.polyfit([45, 50, 55, 60, 65, 70], [0, 0, 0, 1, 1, 1], 1)
    assert f"{100 * (80 * slope + start):.0f} %" == "166 %" and "166 %" in ENGLISH and "166 %" in KOREAN


def test_even_odds_lie_where_is_said(fit):
    table = fit("experiment=scores", "callbacks.print_epochs.every_n_epochs=0").path / "coefficients.csv"
    estimates = {line.split(",")[0]: float(line.split(",")[1]) for line in table.read_text().splitlines()[1:]}
    assert f"{-estimates['bias'] / estimates['score']:.1f}" == "57.5"


def test_the_threshold_makes_the_classes_that_are_shown(fit):
    table = fit("experiment=hours", "callbacks.print_epochs.every_n_epochs=0").path / "coefficients.csv"
    weight, bias = (float(line.split(",")[1]) for line in table.read_text().splitlines()[1:])
    shown = re.findall(r"^probability,class\n((?:[\d.]+,[01]\n)+)", ENGLISH, re.MULTILINE)
    assert len(shown) == 2
    for threshold, rows in zip((0.5, 0.8), shown, strict=True):
        told = [line.split(",") for line in rows.splitlines()]
        right = [1 / (1 + np.exp(-(weight * hours + bias))) for hours in (1, 3, 7)]
        assert [float(probability) for probability, _ in told] == pytest.approx(right, abs=1e-6)
        assert [bool(int(label)) for _, label in told] == [probability >= threshold for probability in right]


def test_the_loss_rises_and_falls_as_is_said(fit):
    losses = fit().curve()
    assert [f"{losses[epoch]:.4f}" for epoch in (0, 10, 1000)] == ["0.5397", "0.6149", "0.0198"]
