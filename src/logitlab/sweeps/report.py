"""The result of a sweep: a ranked table on the console, sweep.csv, and every failure with its reason."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logitlab.log.summary import count, decimal, in_columns
from logitlab.monitor import Monitor, monitor_of_sweep
from logitlab.runs import files
from logitlab.runs.small_files import or_note, read_numbers
from logitlab.spreadsheet import as_csv
from logitlab.sweeps import member
from logitlab.sweeps.member import FAILED, PRUNED, Status
from logitlab.sweeps.replicates import write_replicates

SHOWN = 10
METRICS_SHOWN = ("loss", "accuracy", "auroc")
"""Of the val rows where there are such, otherwise of the training rows."""


@dataclass(frozen=True)
class Ranked:
    """A run of the sweep with what it was given and what came out.

    Attributes:
        directory: of the run, relative to the sweep's.
        status: how it stands.
        settings: override key -> value, as text.
        metrics: final metrics by name.
    """

    directory: str
    status: Status
    settings: Mapping[str, str]
    metrics: Mapping[str, Any]


def report(sweep: Path, config: Mapping[str, Any], again: bool = True) -> int:
    """Write sweep.csv (and sweep_replicates.csv where runs differ only in seed or fold), print the table; return the exit code.

    `again`: the sweep, started again, repeats what failed; a search does so only where nothing was found at all.
    """
    found = [_run(sweep, directory, status) for directory, status in member.statuses(sweep)]
    monitor = monitor_of_sweep(config, {name for run in found for name in run.metrics})
    runs = ranked(found, monitor)
    if not runs:
        print("\nSweep of 0 runs: its values are none.")
        return 0
    keys = varied([run.settings for run in runs])
    _write_csv(sweep / "sweep.csv", runs, keys)
    _print_table(sweep, runs, keys, config.get("monitor"))
    replicates = write_replicates(sweep, runs, keys, monitor)
    if replicates:
        print(replicates)
    print(f"  tensorboard --logdir {sweep}")
    failed = [run for run in runs if run.status.status == FAILED]
    if not failed:
        return 0
    print(f"\n{count(len(failed), 'run')} failed:")
    for run in failed:
        print(f"  {sweep / run.directory}\n      {run.status.reason}")
    is_users = len(failed) == len(runs) and all(run.status.mistake for run in failed)
    if again or is_users:
        print("Start the sweep again with sweep.resume to run these once more; what is finished stays.")
    else:
        print("The search counts them as failed: these values are not tried again.")
    return 2 if is_users else 1


def ranked(runs: Sequence[Ranked], monitor: Monitor) -> list[Ranked]:
    """Return the runs, the best first, then those that a search has ended early, those without a value last."""
    return sorted(runs, key=lambda run: (*place(run.status, run.status.value, monitor), run.directory))


def place(status: Status | None, value: float | None, monitor: Monitor) -> tuple[bool, bool, float]:
    """Return a key that sorts runs as `ranked` does, console and report.html alike, by the `value` of the monitored metric.

    A status of None is a finished run that belongs to no sweep.
    """
    is_missing, key = monitor.rank(value if status is None or status.done else None)
    return is_missing, not (status is None or status.finished), key


def varied(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the keys in which the runs differ, in the order of the command line."""
    keys = list(dict.fromkeys(key for each in settings for key in each))
    return [key for key in keys if len({each.get(key) for each in settings}) > 1]


def _run(sweep: Path, directory: Path, status: Status) -> Ranked:
    settings = dict(override.lstrip("+~").partition("=")[::2] for override in status.overrides)
    settings = {key: value for key, value in settings.items() if not key.startswith("sweep.")}
    metrics = or_note(lambda: read_numbers(directory / "metrics.json"), _print_note) if status.done else {}
    return Ranked(str(directory.relative_to(sweep)), status, settings, metrics or {})


def _print_note(words: str) -> None:
    print(f"Note: {words} The table shows the run without its metrics.", file=sys.stderr)


def _write_csv(path: Path, runs: Sequence[Ranked], keys: Sequence[str]) -> None:
    metrics = list(dict.fromkeys(name for run in runs for name in run.metrics))
    rows: list[list[Any]] = [["rank", "status", *keys, "value", *metrics, "seconds", "directory", "reason"]]
    for rank, run in enumerate(runs, 1):
        rows.append(
            [
                rank if run.status.finished else "",
                run.status.status,
                *(run.settings.get(key, "") for key in keys),
                run.status.value,
                *(run.metrics.get(name) for name in metrics),
                run.status.seconds,
                run.directory,
                run.status.reason or "",
            ]
        )
    files.write(path, as_csv(rows))


def _print_table(sweep: Path, runs: Sequence[Ranked], keys: Sequence[str], given: str | None) -> None:
    finished = [run for run in runs if run.status.finished]
    pruned = sum(run.status.status == PRUNED for run in runs)
    print(f"\nSweep of {count(len(runs), 'run')}: {len(finished):,} finished" + (f", {pruned:,} pruned" if pruned else ""))
    if not finished:
        return
    known = {name for run in finished for name in run.metrics}
    split = "val" if "val/loss" in known else "train"
    metrics = [name for metric in METRICS_SHOWN if (name := f"{split}/{metric}") in known]
    metrics = [given, *(name for name in metrics if name != given)] if given in known else metrics
    rows = [["", *keys, *metrics]]
    for rank, run in enumerate(finished[:SHOWN], 1):
        values = (run.metrics.get(name) for name in metrics)
        rows.append([str(rank), *(short(run.settings.get(key, "")) for key in keys), *(number(value) for value in values)])
    print(in_columns(rows))
    if len(finished) > SHOWN:
        print(f"  ... {len(finished) - SHOWN:,} more in {sweep / 'sweep.csv'}")


def short(setting: str) -> str:
    """Return a setting for the console: of a long number six digits."""
    try:
        return min(f"{float(setting):.6g}", setting, key=len)
    except ValueError:
        return setting


def number(value: Any) -> str:
    """Return a metric as text of six digits behind the point."""
    return decimal(value, ".6f") if isinstance(value, int | float) else "-"
