"""What every benchmark here shares: alternate rounds, medians, ratios in one round, and a section of docs/benchmarks.md.

A benchmark is one file in this folder with a docstring (its first line is the section's title, the rest its explanation) and a
function `measure(rounds) -> str` that returns the section's tables in Markdown. With `headline` it puts a line into the first
table of the page. A rival that needs a package is a script in rivals/, and the package a line in rivals/requirements.txt.
"""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from usage import Usage, Watch

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "benchmarks.md"
RECORD = Path(__file__).parent / "headlines.json"
"""Benchmark -> its lines of the first table of the page, as they were measured last."""
RIVALS = Path(__file__).parent / "rivals"
LEAN = os.environ.get("LEAN_PYTHON", sys.executable)
"""A Python with the run-time dependencies alone: scipy, a development tool here, makes `import lightning` a second slower."""
PICTURES = os.environ.get("PICTURES_PYTHON", sys.executable)
"""The same with matplotlib, which draws pictures and which torchmetrics imports at every start where it is."""
RIVALS_PYTHON = os.environ.get("RIVALS_PYTHON", sys.executable)
"""A Python with the packages of rivals/requirements.txt."""
TWO_CORES = ("taskset", "-c", "0,1")
"""What a command begins with that is to have no more."""

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's Python keeps what it has compiled: half a second at every start


class Times(dict[str, list[float]]):
    """Subject -> its seconds in each round; `usage` has the CPU time and the memory of the same rounds."""

    def __init__(self, names: Iterable[str]) -> None:
        """Begin without a round."""
        super().__init__({name: [] for name in names})
        self.usage: dict[str, list[Usage]] = {name: [] for name in self}

    def used(self, name: str) -> list[str]:
        """Return the cells of USED for a subject: medians over rounds."""
        cpu = statistics.median(each.cpu for each in self.usage[name])
        return [duration(cpu), f"{statistics.median(each.peak for each in self.usage[name]) / 2**20:.0f} MiB"]


USED = ["CPU", "peak memory"]
"""The head of what `Times.used` returns."""

_headlines: list[dict[str, Any]] = []


class NotHereError(Exception):
    """This machine cannot take the measurement."""


def alternately(subjects: Mapping[str, Callable[[], float]], rounds: int) -> Times:
    """Call every subject once a round, after one round that does not count; return the seconds that each reports.

    CPU time and memory are of the whole call: a subject that reports a part of it (`Trainer.fit` alone) takes more.
    """
    times = Times(subjects)
    for number in range(rounds + 1):
        for name, subject in subjects.items():
            watch = Watch()
            seconds = subject()
            if number:
                times[name].append(seconds)
                times.usage[name].append(watch.usage())
    return times


def keeping(subjects: Mapping[str, Callable[[], Any]], ends: dict[str, Any]) -> dict[str, Callable[[], float]]:
    """Return the subjects for `alternately`: each reports its seconds, and what it returned last is put into `ends`."""

    def timed(name: str, subject: Callable[[], Any]) -> Callable[[], float]:
        def run() -> float:
            started = time.perf_counter()
            ends[name] = subject()
            return time.perf_counter() - started

        return run

    return {name: timed(name, subject) for name, subject in subjects.items()}


def headline(work: str, times: Mapping[str, list[float]], ours: str, rivals: Iterable[str]) -> None:
    """Put a line into the first table of the page: a piece of work, the fastest of the rivals, and ours."""
    middle = {name: statistics.median(times[name]) for name in rivals}
    rival = min(middle, key=lambda name: middle[name])
    line = {"work": work, "rival": rival, "rival_seconds": middle[rival], "our_seconds": statistics.median(times[ours])}
    _headlines.append({**line, "ratio": ratio(times, ours, rival), "date": f"{datetime.now(UTC):%Y-%m-%d}"})


def ratio(times: Mapping[str, list[float]], name: str, to: str) -> float:
    """Return the median over rounds of one subject's time over another's."""
    return statistics.median(a / b for a, b in zip(times[name], times[to], strict=True))


def seconds_of(command: Sequence[str], cwd: Path = ROOT, expect: int = 0) -> float:
    """Return the seconds that a whole process takes, its output thrown away.

    Raises:
        RuntimeError: it ends with another exit code than `expect`.
    """
    with tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        Watch.note(used)
        if process.returncode != expect:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {errors.read()}")
    return seconds


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, its first column to the left and the others to the right, readable as plain text too."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_cells(head, widths), "| " + " | ".join(rule) + " |", *(_cells(row, widths) for row in rows)]
    return "\n".join(lines)


def comparison(times: Times, to: str, targets: Mapping[str, str] | None = None) -> str:
    """Return the usual table: median seconds of each subject, its ratio to one of them, CPU time, memory, and the targets."""
    targets = targets or {}
    head = ["", "median", "fastest", f"x {to}", *USED, *(["target"] if targets else [])]
    rows = [
        [
            name,
            duration(statistics.median(values)),
            duration(min(values)),
            f"{ratio(times, name, to):.2f}",
            *times.used(name),
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


def write_section(name: str, title: str, explanation: str, body: str, others: float) -> None:
    """Put a benchmark's section into docs/benchmarks.md, in place of the one that was there; renew the first table.

    Args:
        name: the benchmark.
        title: its first line.
        explanation: the rest of its docstring.
        body: what it measured.
        others: the share of the machine that other programs took meanwhile.
    """
    stamp = f"`make bench BENCH={name}`, {datetime.now(UTC):%Y-%m-%d}, {machine()}, other programs took {others:.0%} of it"
    text = REPORT.read_text(encoding="utf-8")
    text = _replaced(text, name, "\n\n".join([f"## {title}", explanation, body, stamp]))
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    if _headlines:
        record[name] = list(_headlines)
        _headlines.clear()
        RECORD.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    REPORT.write_text(_replaced(text, "first", f"\n{first_table(record)}\n"), encoding="utf-8")


def first_table(record: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the table that the page begins with: what was measured last against the fastest rival of each piece of work."""
    rows = [
        [
            each["work"],
            each["rival"],
            duration(each["rival_seconds"]),
            duration(each["our_seconds"]),
            f"{each['ratio']:.2f}",
            f"{name}, {each['date']}",
        ]
        for name, lines in sorted(record.items())
        for each in lines
    ]
    return table(["work", "fastest rival", "its time", "ours", "ours / its", "benchmark, date"], rows)


def _replaced(text: str, name: str, content: str) -> str:
    """Return the page with what stands between the marks of a section replaced; a new section comes to its end."""
    start, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    section = f"{start}\n{content}\n{end}"
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: section, text) if pattern.search(text) else f"{text.rstrip()}\n\n{section}\n"


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
