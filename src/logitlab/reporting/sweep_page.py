"""report.html of a sweep: which setting is best, by how much, and whether that is more than chance."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from logitlab.monitor import Monitor
from logitlab.reporting.page import points, render
from logitlab.reporting.record import FINISHED, Record, hparams_of, ranked_by, with_curves
from logitlab.sweeps import member
from logitlab.sweeps.bands import band
from logitlab.sweeps.member import Status
from logitlab.sweeps.replicates import Comparison, Setting, compared
from logitlab.sweeps.report import Ranked, short, varied
from logitlab.sweeps.student import summary

MOST_NOTES = 20
MOST_RUNS = 1_000
MOST_LINES = 4
"""Settings whose curves are shown: more cannot be told apart."""

MOST_CURVES = 10
"""Runs of a setting that its curve is drawn from."""

METRICS = ("loss", "log_loss", "accuracy", "auroc", "f1", "brier", "calibration_error")
SIGNIFICANT = 0.05
NO_TEST = "One run each does not tell how far chance moves it; data.folds=5 'data.fold=range(5)' does."
SEEDS = "Seeds are no new rows, so they do not tell whether it is more than chance; data.folds=5 'data.fold=range(5)' does."


def sweep_page(path: Path, records: Sequence[Record]) -> str:
    """Return the page that compares the runs of a sweep.

    Args:
        path: the sweep's directory.
        records: its runs, in the order of the table.
    """
    notes = [note for record in records for note in record.notes]
    monitor = ranked_by(path, records, notes.append)
    runs = [_ranked(record, path, monitor) for record in records]
    keys = varied([run.settings for run in runs])
    found = compared(runs, keys, monitor)
    by_name = {str(record.path.relative_to(path)): record for record in records}
    names = _metrics(monitor, records)
    shown, lines = runs[:MOST_RUNS], _lines(found, by_name)
    return render(
        "sweep.html.j2",
        ("charts.js", "sweep.js"),
        title=path.resolve().name,
        path=path,
        sentences=sentences(found, monitor, runs),
        keys=keys,
        names=names,
        rows=[
            (run, [short(run.settings.get(key, "")) for key in keys], [run.metrics.get(name) for name in names])
            for run in shown
        ],
        more=len(runs) - len(shown),
        by=monitor,
        settings=_table(found) if found.replicated else [],
        others=found.others,
        replicated=found.replicated,
        notes=notes[:MOST_NOTES],
        unfinished=[record for record in records if record.status != FINISHED],
        total=len(runs),
        has_lines=bool(lines),
        data={
            "metric": monitor.name,
            "mode": monitor.mode,
            "keys": keys,
            "others": found.others,
            "runs": [[[run.settings.get(key, "") for key in keys], monitor.value(run.metrics)] for run in shown],
            "lines": lines,
        },
    )


def _ranked(record: Record, sweep: Path, monitor: Monitor) -> Ranked:
    """Return a run as the sweep's own table has it; one that belongs to no sweep as finished, if it is."""
    status = member.read(record.path) or Status(record.status, "", value=monitor.value(record.metrics))
    settings = {key: value for key, value in hparams_of(record.overrides) if not key.startswith("sweep.")}
    return Ranked(str(record.path.relative_to(sweep)), status, settings, record.metrics)


def _metrics(monitor: Monitor, records: Sequence[Record]) -> list[str]:
    """Return the metrics of the table: the one that ranks, and of the same rows what is read first; all are in sweep.csv."""
    split = monitor.name.partition("/")[0]
    known = {name for record in records for name in record.metrics}
    names = dict.fromkeys([monitor.name, *(f"{split}/{name}" for name in METRICS)])
    return [name for name in names if name in known]


def sentences(found: Comparison, monitor: Monitor, runs: Sequence[Ranked]) -> list[tuple[str, str]]:
    """Return which setting is best, by how much, and whether that is more than chance."""
    if not found.settings:
        return []
    best, mean = found.settings[0], _mean(found.settings[0])
    count = len(best.by_replicate)
    low, high = found.tests[0][:2]
    times = f", the mean of {count} runs over {', '.join(found.replicated)}" if count > 1 else ""
    text = f"{_name(best, found.others)}: {monitor.name} {mean:.4g}{times}"
    if not math.isnan(low):
        text += f" (95 % interval on new rows {low:.4g} to {high:.4g})"
    lines = [("best" if len(found.settings) > 1 else "result", text)]
    if len(found.settings) > 1:
        lines += [("next", _difference(found)), ("of all", _worse(found, monitor))]
    return lines


def _difference(found: Comparison) -> str:
    second, test = found.settings[1], found.tests[1]
    by = abs(_mean(second) - _mean(found.settings[0]))
    text = f"{_name(second, found.others)} is worse by {by:.4g}"
    if math.isnan(test[5]):
        return f"{text}. {SEEDS if found.replicated else NO_TEST}"
    words = "more than chance explains" if test[5] < SIGNIFICANT else "no more than chance explains"
    return f"{text} (95 % interval {_ends(test)}, p {test[5]:.2g}): {words}"


def _worse(found: Comparison, monitor: Monitor) -> str:
    others = list(zip(found.settings, found.tests, strict=True))[1:]
    worst = found.settings[-1]
    text = f"{_name(worst, found.others)} is the worst of {len(found.settings):,}, {monitor.name} {_mean(worst):.4g}"
    if not found.over_folds:
        return text
    worse = sum(test[5] < SIGNIFICANT for _, test in others)
    verb = "is" if worse == 1 else "are"
    words = f"{verb} worse than the best by more than chance explains (p < {SIGNIFICANT})"
    return f"{worse:,} of the {len(others):,} others {words}; {text}"


def _ends(test: Sequence[float]) -> str:
    low, high = sorted(abs(each) if test[3] * test[4] > 0 else each for each in test[3:5])
    return f"{low:.4g} to {high:.4g}"


def _mean(setting: Setting) -> float:
    return summary(list(setting.by_replicate.values()))[1]


def _name(setting: Setting, others: Sequence[str]) -> str:
    return " ".join(f"{key}={short(value)}" for key, value in zip(others, setting.values, strict=True)) or "all runs"


def _table(found: Comparison) -> list[list[str]]:
    """Return the table of settings: values, runs, mean, deviation, range, and over folds interval, difference and p."""
    rows = []
    for setting, test in zip(found.settings, found.tests, strict=True):
        count, *numbers = summary(list(setting.by_replicate.values()))
        cells = [*numbers, *test] if found.over_folds else numbers
        rows.append([*map(short, setting.values), str(count), *("" if each != each else f"{each:.4g}" for each in cells)])
    return rows


def _lines(found: Comparison, records: Mapping[str, Record]) -> dict[str, list[dict[str, Any]]]:
    """Return the curves of the best settings: steps and values, of several runs their mean, the least and the greatest."""
    lines: dict[str, list[dict[str, Any]]] = {"val/loss": [], "train/loss": []}
    for setting in found.settings[:MOST_LINES]:
        runs = [with_curves(records[name]) for name in setting.directories[:MOST_CURVES]]
        for tag, drawn in lines.items():
            curves = [points(run, tag) for run in runs if tag in run.curves]
            if not curves:
                continue
            whole = [dict(zip(*curve, strict=True)) for curve in curves]
            columns = curves[0] if len(curves) == 1 else _rounded(*band(whole))
            if columns[0]:
                drawn.append({"name": _name(setting, found.others), "points": columns})
    return {tag: drawn for tag, drawn in lines.items() if drawn}


def _rounded(steps: Sequence[int], *values: Any) -> list[Any]:
    return [list(steps), *([float(f"{each:.5g}") if math.isfinite(each) else None for each in column] for column in values)]
