"""What every benchmark here shares: alternate rounds, medians, ratios in one round, and a section of docs/benchmarks.md.

A benchmark is one file in this folder with a docstring (its first line is the section's title, the rest its explanation) and a
function `measure(rounds) -> str` that returns the section's tables in Markdown.
"""

import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "benchmarks.md"
RIVALS = Path(__file__).parent / "rivals"
LEAN = os.environ.get("LEAN_PYTHON", sys.executable)
"""A Python with the run-time dependencies alone: scipy, a development tool here, makes `import lightning` a second slower."""
PICTURES = os.environ.get("PICTURES_PYTHON", sys.executable)
"""The same with matplotlib, which draws pictures and which torchmetrics imports at every start where it is."""
TWO_CORES = ("taskset", "-c", "0,1")
"""What a command begins with that is to have no more."""

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's Python keeps what it has compiled: half a second at every start

Times = dict[str, list[float]]


class NotHereError(Exception):
    """This machine cannot take the measurement."""


def alternately(subjects: Mapping[str, Callable[[], float]], rounds: int) -> Times:
    """Call every subject once a round, after one round that does not count; return the seconds that each reports."""
    times: Times = {name: [] for name in subjects}
    for number in range(rounds + 1):
        for name, subject in subjects.items():
            seconds = subject()
            if number:
                times[name].append(seconds)
    return times


def ratio(times: Times, name: str, to: str) -> float:
    """Return the median over rounds of one subject's time over another's."""
    return statistics.median(a / b for a, b in zip(times[name], times[to], strict=True))


def seconds_of(command: Sequence[str], cwd: Path = ROOT, expect: int = 0) -> float:
    """Return the seconds that a whole process takes, its output thrown away.

    Raises:
        RuntimeError: it ends with another exit code than `expect`.
    """
    started = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - started
    if done.returncode != expect:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return seconds


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, its first column to the left and the others to the right, readable as plain text too."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_cells(head, widths), "| " + " | ".join(rule) + " |", *(_cells(row, widths) for row in rows)]
    return "\n".join(lines)


def comparison(times: Times, to: str, targets: Mapping[str, str] | None = None) -> str:
    """Return the usual table: median seconds of each subject and its ratio to one of them, with the targets set for it."""
    targets = targets or {}
    head = ["", "median", "fastest", f"x {to}", *(["target"] if targets else [])]
    rows = [
        [
            name,
            duration(statistics.median(values)),
            duration(min(values)),
            f"{ratio(times, name, to):.2f}",
            *([targets.get(name, "")] if targets else []),
        ]
        for name, values in times.items()
    ]
    return table(head, rows)


def duration(seconds: float) -> str:
    """Return "2.13 s", "75.1 ms" or "8.2 us"."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def write_section(name: str, title: str, explanation: str, body: str) -> None:
    """Put a benchmark's section into docs/benchmarks.md, in place of the one that was there."""
    start, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    stamp = f"`make bench BENCH={name}`, {datetime.now(UTC):%Y-%m-%d}, {machine()}"
    section = "\n\n".join([f"{start}\n## {title}", explanation, body, f"{stamp}\n{end}"])
    text = REPORT.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    text = pattern.sub(lambda _: section, text) if pattern.search(text) else f"{text.rstrip()}\n\n{section}\n"
    REPORT.write_text(text, encoding="utf-8")


def machine() -> str:
    """Return cores, system and versions, in a line."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "lightning"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}, {packages}"


def _cells(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if not at else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "| " + " | ".join([first, *rest]) + " |"
