"""The closing lines of a run, as a terminal of some width shows them."""

from pathlib import Path

import pytest
from rich.cells import cell_len

from logreg.log.summary import aligned, summary

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
