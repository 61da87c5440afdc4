"""Intervals hold the truth as often as they say: 200 tables a simulation here, 1,000 in the table of docs/statistics.md."""

import math
import re

import interval_coverage
import pytest
from interval_coverage import COMMENT, PAGE, SIMULATIONS, coverage

TABLES = 200
FEWER = {"profile": 100, "firth_profile": 60}
"""Profiles take longer."""


def far(tables: int) -> float:
    """Four standard deviations of the share of so many tables: one right interval in 16,000 would be further from 95 %."""
    return 4 * math.sqrt(0.95 * 0.05 / tables)


@pytest.mark.parametrize("name", SIMULATIONS)
def test_a_95_percent_interval_holds_the_truth_in_95_of_100_tables(name: str) -> None:
    tables = FEWER.get(name, TABLES)
    for which, share in coverage(SIMULATIONS[name], tables, seed=1).items():
        assert abs(share - 0.95) < far(tables), f"{which}: {share}"


@pytest.mark.parametrize("errors", ["hc1", "cluster"])
def test_on_the_tables_for_robust_errors_classical_ones_hold_the_truth_too_seldom(errors: str) -> None:
    def classical(generator):
        if errors == "hc1":
            x, y, truth = *interval_coverage._bent(generator, 300), interval_coverage.NEAREST_LINE
        else:
            x, y, _, truth = interval_coverage._grouped(generator, 30, 10)
        return interval_coverage._held(interval_coverage._table(x, y), truth)

    assert min(coverage(classical, TABLES).values()) < 0.95 - far(TABLES) / 2


def test_the_table_in_the_documentation_has_every_simulation_between_93_and_97_percent() -> None:
    written = PAGE.read_text(encoding="utf-8").partition(COMMENT[0])[2].partition(COMMENT[1])[0]
    assert "1,000 tables of" in written
    assert re.findall(r"^\| `(\w+)`", written, re.MULTILINE) == list(SIMULATIONS)
    shares = [float(share) for share in re.findall(r"(\d+\.\d) %", written)]
    assert shares and all(93 <= share <= 97 for share in shares)
