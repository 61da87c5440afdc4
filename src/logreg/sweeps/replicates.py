"""Runs that differ only in their seed (or fold) as one result: mean, deviation, interval, and who is better than whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logreg.log.summary import decimal
from logreg.monitor import Monitor
from logreg.run import files
from logreg.spreadsheet import as_csv
from logreg.sweeps.columns import aligned
from logreg.sweeps.student import compare, summary

REPLICATE_KEYS = ("seed", "data.fold", "data.split_seed")
SHOWN = 10


@dataclass(frozen=True)
class Setting:
    """A configuration of the sweep, with all its seeds or folds.

    Attributes:
        values: of the keys in which configurations differ.
        by_replicate: what tells its runs apart (their seeds and folds) -> the monitored metric.
        directories: of its runs, relative to the sweep's.
    """

    values: tuple[str, ...]
    by_replicate: Mapping[tuple[str, ...], float]
    directories: Sequence[str]

    def name(self, keys: Sequence[str]) -> str:
        """Return the configuration as it is typed, with commas."""
        return ",".join(f"{key}={value}" for key, value in zip(keys, self.values, strict=True)) or "all"


def write_replicates(sweep: Path, runs: Sequence[Any], keys: Sequence[str], judged_by: Monitor) -> str | None:
    """Write sweep_replicates.csv and the mean curves; return the best lines as text; None where no two runs are replicates.

    Args:
        sweep: its directory.
        runs: those of the sweep, as `report.Ranked`.
        keys: in which they differ.
        judged_by: the metric that the runs are compared by.
    """
    replicated = [key for key in keys if key in REPLICATE_KEYS]
    others = [key for key in keys if key not in REPLICATE_KEYS]
    settings = _settings(runs, others, replicated)
    if not replicated or all(len(each.by_replicate) < 2 for each in settings):
        return None
    from logreg.sweeps.bands import write_bands

    settings.sort(key=lambda each: judged_by.rank(summary(list(each.by_replicate.values()))[1]))
    write_bands(sweep, {each.name(others): [sweep / path for path in each.directories] for each in settings})
    rows = [[*each.values, *summary(list(each.by_replicate.values())), *_against(settings[0], each)] for each in settings]
    head = ("runs", "mean", "deviation", "low", "high", "difference", "difference_low", "difference_high", "p")
    lines = [["" if value != value else value for value in row] for row in rows]
    files.write(sweep / "sweep_replicates.csv", as_csv([[*others, *head], *lines]))
    more = [f"  ... {len(rows) - SHOWN:,} more in {sweep / 'sweep_replicates.csv'}"] if len(rows) > SHOWN else []
    return "\n".join([f"\nOver {', '.join(replicated)}:", aligned(_table(others, rows[:SHOWN])), *more])


def _settings(runs: Sequence[Any], others: Sequence[str], replicated: Sequence[str]) -> list[Setting]:
    found: dict[tuple[str, ...], list[Any]] = {}
    for run in runs:
        if run.status.finished and run.status.value is not None:
            found.setdefault(tuple(run.settings.get(key, "") for key in others), []).append(run)
    return [
        Setting(
            values,
            {tuple(run.settings.get(key, "") for key in replicated): run.status.value for run in group},
            [run.directory for run in group],
        )
        for values, group in found.items()
    ]


def _against(best: Setting, other: Setting) -> tuple[float, float, float, float]:
    """Return how far another configuration lies from the best, paired by seed and fold: difference, its interval, and p."""
    common = [each for each in best.by_replicate if each in other.by_replicate]
    if other is best or len(common) < 2:
        return (float("nan"),) * 4
    return compare([other.by_replicate[each] for each in common], [best.by_replicate[each] for each in common])


def _table(others: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    at, compared = len(others), len(rows) > 1
    head = [*others, "runs", "mean", "deviation", "95% interval of the mean"]
    table = [[*head, "worse than the best by", "p"] if compared else head]
    for row in rows:
        count, mean, deviation, low, high, difference, from_, to, p = row[at:]
        cells = [*row[:at], str(count), *(decimal(value, ".6f") for value in (mean, deviation))]
        cells.append(f"{decimal(low, '.6f')} to {decimal(high, '.6f')}")
        if compared:
            known = difference == difference
            cells += [
                f"{decimal(abs(difference), '.6f')} ({decimal(abs(to - from_) / 2, '.6f')} either way)" if known else "",
                ("<0.0001" if p < 1e-4 else f"{p:.2g}") if known else "",
            ]
        table.append(cells)
    return table
