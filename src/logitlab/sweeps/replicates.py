"""Runs that differ only in their seed or fold, summarised: mean, deviation, range; over folds also comparisons."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logitlab.log.summary import decimal, in_columns
from logitlab.monitor import Monitor
from logitlab.runs import files
from logitlab.spreadsheet import as_csv
from logitlab.sweeps.student import compare, holm, interval, summary

FOLD, SEED = "data.fold", "seed"
REPLICATE_KEYS = (SEED, FOLD, "data.split_seed")
SHOWN = 10
IN_TESTS = ("low", "high", "difference", "difference_low", "difference_high", "p")
"""Columns of sweep_replicates.csv that only folds fill."""

OVER_SEEDS = (
    "Seeds are no new rows: how their runs differ says what chance does to a fit, and nothing of other data, so there is no"
    " interval and no p. Folds have both: data.folds=5 'data.fold=range(5)'."
)


@dataclass(frozen=True)
class Setting:
    """A configuration of the sweep, with all its seeds or folds.

    Attributes:
        values: of the keys in which configurations differ.
        by_replicate: seed and fold of each run -> the monitored metric.
        directories: of its runs, relative to the sweep's.
        share: val rows per training row, on average.
    """

    values: tuple[str, ...]
    by_replicate: Mapping[tuple[str, ...], float]
    directories: Sequence[str]
    share: float = math.nan

    def name(self, keys: Sequence[str]) -> str:
        """Return the configuration as it is typed, with commas."""
        return ",".join(f"{key}={value}" for key, value in zip(keys, self.values, strict=True)) or "all"


@dataclass(frozen=True)
class Comparison:
    """The settings of a sweep, the best first.

    Attributes:
        others: the keys in which settings differ.
        replicated: the keys in which the runs of a setting differ.
        settings: each with its runs.
        tests: of each, in the order of `IN_TESTS`: the interval of its mean, its difference from the best, that one's interval,
            and p; NaN where it is not known.
    """

    others: Sequence[str]
    replicated: Sequence[str]
    settings: Sequence[Setting]
    tests: Sequence[Sequence[float]]

    @property
    def over_folds(self) -> bool:
        """Whether the runs of a setting had different val rows."""
        return FOLD in self.replicated


def compared(runs: Sequence[Any], keys: Sequence[str], monitor: Monitor) -> Comparison:
    """Return the settings of runs, `report.Ranked`, that differ in `keys` and are compared by `monitor`."""
    replicated = [key for key in keys if key in REPLICATE_KEYS]
    others = [key for key in keys if key not in REPLICATE_KEYS]
    settings = _settings(runs, others, replicated)
    settings.sort(key=lambda each: monitor.rank(summary(list(each.by_replicate.values()))[1]))
    over_folds = FOLD in replicated
    tests = _tests(settings, replicated) if over_folds else [(math.nan,) * len(IN_TESTS)] * len(settings)
    return Comparison(others, replicated, settings, tests)


def write_replicates(sweep: Path, runs: Sequence[Any], keys: Sequence[str], monitor: Monitor) -> str | None:
    """Write sweep_replicates.csv and the mean curves; return the best lines as text; None where no two runs are replicates.

    Arguments as for `compared`.
    """
    found = compared(runs, keys, monitor)
    others, settings = found.others, found.settings
    if not found.replicated or all(len(each.by_replicate) < 2 for each in settings):
        return None
    from logitlab.sweeps.bands import write_bands

    write_bands(sweep, {each.name(others): [sweep / path for path in each.directories] for each in settings})
    rows = [
        [*each.values, *summary(list(each.by_replicate.values())), *test]
        for each, test in zip(settings, found.tests, strict=True)
    ]
    head = ("runs", "mean", "deviation", "least", "greatest", *IN_TESTS)
    lines = [["" if value != value else value for value in row] for row in rows]
    files.write(sweep / "sweep_replicates.csv", as_csv([[*others, *head], *lines]))
    more = [f"  ... {len(rows) - SHOWN:,} more in {sweep / 'sweep_replicates.csv'}"] if len(rows) > SHOWN else []
    note = _over_folds(len(settings)) if found.over_folds else OVER_SEEDS
    return "\n".join([f"\nOver {', '.join(found.replicated)}:", in_columns(_table(others, rows[:SHOWN])), *more, f"  {note}"])


def _over_folds(settings: int) -> str:
    """Return what the interval and p of a table over folds mean."""
    of = "The interval is of the metric on new rows of a model trained on so many, corrected for rows that folds share."
    if settings == 1:
        return of
    times = f", with Holm's correction for {settings - 1} comparisons" if settings > 2 else ""
    return f"{of}\n  p is of the paired difference, by the corrected resampled t-test (Nadeau and Bengio 2003){times}."


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
            _share(group),
        )
        for values, group in found.items()
    ]


def _share(runs: Sequence[Any]) -> float:
    """Return how many val rows there are for each training row."""
    val, train = (sum(run.metrics.get(f"{split}/rows") or 0 for run in runs) for split in ("val", "train"))
    return val / train if train else 1 / max(len(runs) - 1, 1)


def _by_fold(setting: Setting, replicated: Sequence[str]) -> dict[tuple[str, ...], float]:
    """Return the metric of each fold (of each division into folds), the mean over its seeds."""
    values: dict[tuple[str, ...], list[float]] = {}
    for names, value in setting.by_replicate.items():
        fold = tuple(name for key, name in zip(replicated, names, strict=True) if key != SEED)
        values.setdefault(fold, []).append(value)
    return {fold: statistics.fmean(each) for fold, each in values.items()}


def _tests(settings: Sequence[Setting], replicated: Sequence[str]) -> list[tuple[float, ...]]:
    """Return for each configuration the interval of its mean, its difference from the best, that one's interval, and p."""
    folds = [_by_fold(each, replicated) for each in settings]
    found = []
    for setting, values in zip(settings, folds, strict=True):
        common = [fold for fold in folds[0] if fold in values]
        difference = (math.nan,) * 4
        if setting is not settings[0] and len(common) > 1:
            pairs = [values[fold] for fold in common], [folds[0][fold] for fold in common]
            difference = compare(*pairs, setting.share)
        found.append([*interval(list(values.values()), setting.share), *difference])
    tested = [each for each in found if each[-1] == each[-1]]
    for each, p in zip(tested, holm([each[-1] for each in tested]), strict=True):
        each[-1] = p
    return [tuple(each) for each in found]


def _table(others: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    """Return the table for the console; what is known of folds alone has columns where there are folds."""
    at = len(others)
    has_interval, is_compared = (any(row[at + place] == row[at + place] for row in rows) for place in (5, 7))
    head = [*others, "runs", "mean", "deviation", "least to greatest"]
    head += ["95% interval"] if has_interval else []
    table = [[*head, "worse than the best by", "p"] if is_compared else head]
    for row in rows:
        count, mean, deviation, least, greatest, low, high, difference, from_, to, p = row[at:]
        cells = [*row[:at], str(count), *(decimal(value, ".6f") if value == value else "" for value in (mean, deviation))]
        cells.append(_range(least, greatest))
        if has_interval:
            cells.append(_range(low, high))
        if is_compared:
            known = difference == difference
            cells += [
                f"{decimal(abs(difference), '.6f')} ({decimal(abs(to - from_) / 2, '.6f')} either way)" if known else "",
                ("<0.0001" if p < 1e-4 else f"{p:.2g}") if known else "",
            ]
        table.append(cells)
    return table


def _range(low: float, high: float) -> str:
    return f"{decimal(low, '.6f')} to {decimal(high, '.6f')}" if low == low else ""
