"""The doctor finds what silently ruins a fit, says it once, and is silent where nothing is wrong."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from runs import Run

from logitlab.errors import RunError
from logitlab.training.callbacks import doctor


def told(capsys: pytest.CaptureFixture) -> list[str]:
    """Return the doctor's paragraphs, each as one line."""
    lines = capsys.readouterr().err.replace("\n", " ").split("Doctor: ")
    return [line.strip() for line in lines[1:]]


@pytest.mark.parametrize(
    ("overrides", "why", "cure"),
    [
        (["data=scores", "data.scale=none"], "gradient is exactly 0.*'score' lies around 57.5", "data.scale=standard"),
        (["data=scores", "data.scale=none", "model=logits"], "'score' lies around 57.5", "data.scale=standard"),
        (["optimizer.lr=100"], "for 2 of 6 rows the sigmoid is exactly 0 or 1 and wrong", "optimizer.lr=10"),
        (["optimizer.lr=100", "model=logits", "trainer.max_epochs=60"], "the loss has grown from", "optimizer.lr=10"),
        (["model.weight=0", "model.bias=0", "optimizer.lr=1e-6"], "no better than the 0.6931", "optimizer.lr=1e-05"),
    ],
)
def test_it_finds(fit: Callable[..., Run], capsys: pytest.CaptureFixture, overrides: list[str], why: str, cure: str) -> None:
    fit(*overrides)
    findings = told(capsys)
    assert findings
    assert any(re.search(why, finding) for finding in findings), findings
    assert any(f"Type {cure}." in finding or f" {cure}." in finding for finding in findings)


@pytest.mark.parametrize("overrides", [[], ["data=hours"], ["data=scores"], ["experiment=toy_zeros"], ["model=logits"]])
def test_it_is_silent_where_nothing_is_wrong(
    fit: Callable[..., Run], capsys: pytest.CaptureFixture, overrides: list[str]
) -> None:
    fit(*overrides)
    assert told(capsys) == []


def table(path: Path, x: np.ndarray, y: np.ndarray) -> list[str]:
    pl.DataFrame({f"x{number}": column for number, column in enumerate(x.T)} | {"y": y}).write_csv(path)
    return ["data=table", f"data.path={path}", "data.target=y", "data.split=none"]


def test_features_that_say_nothing_about_the_target(
    fit: Callable[..., Run], capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    data = table(tmp_path / "noise.csv", generator.normal(size=(4000, 2)), generator.integers(0, 2, 4000))
    fit(*data, "trainer.max_epochs=40")
    (finding,) = told(capsys)
    assert "Either they say nothing about the target" in finding


def test_columns_of_different_size_are_named_once(
    fit: Callable[..., Run], capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(500, 2)) * [1, 50]  # 49 in these rows
    data = table(tmp_path / "sizes.csv", x, (x[:, 0] + x[:, 1] / 50 + generator.normal(size=500) > 0).astype(int))
    fit(*data, "data.scale=none", "optimizer.lr=0.01", "trainer.max_epochs=100")
    (finding,) = told(capsys)
    assert "'x1' varies 49 times as much as 'x0'" in finding
    fit(*data, "data.scale=standard", "trainer.max_epochs=100", directory=tmp_path / "scaled")
    assert told(capsys) == []


def test_it_looks_eight_times_in_the_tutorials_epochs(fit: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    findings = doctor.findings

    def counted(*arguments, **others):
        looks.append(1)
        return findings(*arguments, **others)

    monkeypatch.setattr(doctor, "findings", counted)
    fit()
    assert len(looks) == math.floor(math.log2(1001 / doctor.FIRST_LOOK)) + 2


def test_a_loss_that_is_no_number_stops_before_anything_is_saved_over(fit: Callable[..., Run], tmp_path: Path) -> None:
    run = fit("trainer.max_epochs=5", directory=tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (run.path / "checkpoints").iterdir()}
    poison = torch.load(run.path / "checkpoints" / "last.ckpt", weights_only=True)
    poison["state_dict"]["network.0.weight"][:] = torch.tensor([3e38, -3e38])  # finite, and their products with a row are not
    torch.save(poison, tmp_path / "poisoned.ckpt")
    with pytest.raises(RunError, match=r"A probability is no number in epoch 5"):
        fit("trainer.max_epochs=9", f"ckpt_path={tmp_path / 'poisoned.ckpt'}", directory=tmp_path / "run")
    assert {path.name: path.read_bytes() for path in (run.path / "checkpoints").iterdir()} == before


def test_weighted_classes_are_compared_with_their_own_base_rate(
    fit: Callable[..., Run], capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    """AUROC is .95 here; the log loss without weights is above that of the base rate, for the model speaks of equal classes."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(4000, 1))
    y = (2.5 * x[:, 0] - 6 + generator.logistic(size=4000) > 0).astype(int)
    data = table(tmp_path / "rare.csv", x, y)
    run = fit(*data, "loss.pos_weight=balanced", "trainer.max_epochs=400")
    assert run.json("metrics.json")["train/auroc"] > 0.9
    assert told(capsys) == []
