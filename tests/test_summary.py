"""The closing lines of a run, as a terminal of some width shows them."""

import re
import unicodedata
from pathlib import Path

import pytest
import torch
from rich.cells import cell_len

from logitlab.log.summary import aligned, decimal, in_columns, metrics_table, summary
from logitlab.results import coefficient_lines
from logitlab.statistics.likelihood import Likelihood
from logitlab.statistics.table import coefficient_table
from logitlab.sweeps.report import number

LONG = "none, the weights grow for ever: x1 + 0.929 x2 > 5.667 exactly where y = 1. For a finite answer type penalty=firth"


@pytest.mark.parametrize("columns", [70, 80, 120])
def test_a_long_text_goes_on_below_itself(columns):
    lines = aligned("Trained", [("loss", "0.019843"), ("optimum", LONG), ("bias", "-14.4839")], columns).splitlines()
    assert max(map(len, lines)) <= columns
    first = next(place for place, line in enumerate(lines) if line.startswith("  optimum  none"))
    rest = lines[first + 1 : -1]
    assert rest and all(line.startswith(" " * 11) and line[11] != " " for line in rest)
    assert " ".join([lines[first].removeprefix("  optimum  "), *(line.strip() for line in rest)]) == LONG


def test_without_a_terminal_a_row_is_a_line(capsys):
    rows = [("optimum", LONG)]
    assert aligned("Trained", rows) == f"Trained\n  optimum  {LONG}"
    assert LONG in summary("Trained", rows, Path("outputs/run"))


def test_what_is_one_word_is_not_broken():
    path = "outputs/" + "a" * 100
    assert aligned("Trained", [("run directory", path)], 80).splitlines()[1] == f"  run directory  {path}"


def test_korean_names_stand_in_columns():
    lines = aligned("Trained", [("weight of 공부 시간", "0.8746"), ("bias", "0.0906")]).splitlines()[1:]
    assert len({cell_len(line[: line.index("0.")]) for line in lines}) == 1


@pytest.mark.parametrize("value", [0.59081723654, 1.156e154, -4.2e13, 123456789012.25, 0.0, float("nan"), float("inf")])
def test_columns_of_metrics_are_apart_and_numbers_are_short(value):
    names = ("loss", "log_loss", "accuracy", "auroc", "true_positives")
    splits = {
        split: dict.fromkeys(names, value) | {"rows": 10.0**number} for split, number in (("train", 8), ("val", 3), ("test", 1))
    }
    lines = metrics_table(splits)
    assert next(text.split() for _, text in lines) == ["train", "val", "test"]
    assert {len(text) for _, text in lines} == {len(lines[0][1])}, "columns stand in line"
    for _, text in lines[2:]:
        cells = text.split()
        assert len(cells) == 3, text
        assert all(len(cell) <= 15 for cell in cells)
        assert cells[0] == "-" if value != value else float(cells[0].replace(",", "")) == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("value", [1.156e154, -3.3e-7, 2.0])
def test_no_number_takes_a_line_of_its_own(value):
    assert len(decimal(value, ".6f")) <= 15
    assert len(number(value)) <= 15
    assert len(coefficient_lines.number(value, ".2f")) <= 15


def test_korean_settings_stand_in_columns():
    lines = in_columns([["data.drop", "loss"], ["공부 시간", "0.5"], ["x", "0.25"]]).splitlines()
    assert len({cell_len(line[: line.rindex(" ")]) for line in lines}) == 1


@pytest.mark.parametrize(
    "name", ["공부 시간", unicodedata.normalize("NFD", "공부 시간"), "学習時間", "caf\u00e9", "cafe\u0301"]
)
def test_columns_of_wide_letters_align_in_every_table(name):
    for lines in (
        in_columns([[name, "first"], ["b", "second"]]).splitlines(),
        aligned("Trained", [(f"weight of {name}", "first"), ("bias", "second")]).splitlines()[1:],
    ):
        assert cell_len(lines[0].partition("first")[0]) == cell_len(lines[1].partition("second")[0])


@pytest.mark.parametrize("width", [30, 60, 79])
def test_the_coefficient_table_folds_and_loses_no_number(width, capsys, monkeypatch):
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(80, 2, generator=generator, dtype=torch.float64)
    y = (torch.rand(80, generator=generator) < torch.sigmoid(x[:, 0])).double()
    solution = torch.tensor([1.0, 0.1, 0.2], dtype=torch.float64)
    table = coefficient_table(Likelihood(x, y), solution, ["hours of sleep", "수면 시간"])
    coefficient_lines.print_table(table)
    whole = capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes any stream for a terminal
    monkeypatch.setenv("COLUMNS", str(width))
    coefficient_lines.print_table(table)
    *folded, caption, _ = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).split("\n")[:-1]
    assert caption in whole
    cells = [cell for row in coefficient_lines.cells(table) for cell in row]
    for cell in (*cells, *coefficient_lines.header(table.level)):
        assert cell in "\n".join(folded)
    assert max(map(cell_len, folded)) <= max(width, 16 + 22)  # a name and one interval beside it, however narrow


def test_where_there_is_room_the_coefficient_table_is_one(capsys):
    table = coefficient_table(Likelihood(torch.eye(2).double(), torch.tensor([0.0, 1.0]).double()), torch.zeros(3), ["a", "b"])
    coefficient_lines.print_table(table)
    assert capsys.readouterr().out.count("estimate") == 1
