"""What the benchmarks of sweeps share: whole processes on two cores, and what many runs one after another would take."""

import functools
import itertools
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import harness

_numbers = itertools.count()


def command(launcher: str, directory: str | Path, *arguments: str) -> list[str]:
    """Return the command of a sweep."""
    train = [harness.LEAN, str(harness.ROOT / "train.py"), "-m", f"hydra/launcher={launcher}"]
    return [*harness.TWO_CORES, *train, *arguments, f"hydra.sweep.dir={directory}"]


def seconds(launcher: str, *arguments: str) -> float:
    """Return what a whole sweep takes, from the command to the prompt."""
    return harness.seconds_of(command(launcher, new_directory(), *arguments))


def new_directory() -> Path:
    """Return a directory that is thrown away when the benchmarks end: to remove 17,000 files keeps a disk busy in the next."""
    return Path(_scratch().name, f"sweep-{next(_numbers)}")


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def comparison(times: harness.Times, batched: str, few: tuple[str, int], more: tuple[str, int], runs: int) -> str:
    """Return the table of medians, with what all runs would take under the basic launcher, and the ratio of the two.

    Args:
        times: seconds of each subject.
        batched: the subject that is all runs under the batched launcher.
        few: a subject that is some runs under the basic launcher, and how many.
        more: another one, with more of them.
        runs: how many they all are.
    """
    middle = {name: statistics.median(values) for name, values in times.items()}
    all_of_them = alone(middle, few, more, runs)
    rows = [[name, harness.duration(value), *times.used(name)] for name, value in middle.items()]
    rows.append([f"basic, {runs:,} runs (extrapolated)", harness.duration(all_of_them), "", ""])
    count = min(map(len, times.values()))
    head = ["whole process", f"median of {count}", *harness.USED]
    return f"{harness.table(head, rows)}\n\nThe batched launcher is {all_of_them / middle[batched]:.3g} times as fast."


def alone(middle: Mapping[str, float], few: tuple[str, int], more: tuple[str, int], runs: int) -> float:
    """Return what so many runs of the basic launcher would take: some of them, and the difference of a run for the others."""
    each = (middle[more[0]] - middle[few[0]]) / (more[1] - few[1])
    return middle[few[0]] + (runs - few[1]) * each


def listed(values: Sequence[float]) -> str:
    """Return numbers as Hydra takes them for a sweep."""
    return ",".join(f"{value:g}" for value in values)
