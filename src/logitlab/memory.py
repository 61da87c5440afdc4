"""How much memory there is: of the machine, of the control groups and of the process."""

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from logitlab.errors import UserError

GIB = 2**30

SQUARES = 8
"""Matrices of columns x columns that Newton's method and the choice of coordinates hold at a time, as float64."""

WORTH_A_LOOK = 2**28
"""Bytes: what takes less is not looked at."""


@dataclass(frozen=True)
class Limit:
    """Bytes that this process may still take, and who says so."""

    free: int
    who: str


def available(root: Path = Path("/")) -> Limit:
    """Return the tightest of the machine's free memory, the limits of the control groups (v1 and v2) and of the process.

    Args:
        root: where /proc and /sys are.
    """
    return min([*_machine(root), *_control_groups(root), *_process(root)], key=lambda limit: limit.free)


def check_squares(columns: int, limit: Limit | None = None) -> None:
    """Refuse what works on matrices of columns x columns where these would not fit.

    Args:
        columns: of the features.
        limit: None: what `available` says.

    Raises:
        UserError: they take more than there is.
    """
    need = SQUARES * 8 * columns**2
    if need < WORTH_A_LOOK:
        return
    limit = limit or available()
    if need <= limit.free:
        return
    raise UserError(
        f"{columns:,} features make matrices of {columns:,} x {columns:,}, which take {need / GIB:.3g} GiB, and {limit.who}"
        f" leaves {limit.free / GIB:.3g} GiB. Type optimizer=lbfgs penalty=weak or optimizer=adam, which need none, or leave"
        " columns out with data.drop."
    )


def check_matrix(rows: int, columns: int) -> None:
    """Refuse what holds all values as float64 at once where they would not fit.

    Raises:
        UserError: they take more than there is.
    """
    need = 2 * 8 * rows * columns  # the matrix, and what is made of it
    if need < WORTH_A_LOOK or need <= (limit := available()).free:
        return
    raise UserError(
        f"A path of penalties holds {rows:,} rows x {columns:,} features in float64, which takes {need / GIB:.3g} GiB,"
        f" and {limit.who} leaves {limit.free / GIB:.3g} GiB. Leave columns out with data.drop, or choose the penalty on fewer"
        " rows, in a file of their own."
    )


def _machine(root: Path) -> Iterator[Limit]:
    free = _fields(root / "proc/meminfo").get("MemAvailable:")
    if free is None:
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    yield Limit(free * 1024, "this machine")


def _process(root: Path) -> Iterator[Limit]:
    used = _fields(root / "proc/self/status")
    for kind, field in ((resource.RLIMIT_AS, "VmSize:"), (resource.RLIMIT_DATA, "VmData:")):
        limit = resource.getrlimit(kind)[0]
        if limit != resource.RLIM_INFINITY and field in used:
            yield Limit(max(limit - used[field] * 1024, 0), "the limit of this process (ulimit)")


def _control_groups(root: Path) -> Iterator[Limit]:
    """Yield what each control group above this process leaves; the file cache that it would give back counts as free."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = base / path.lstrip("/")
        for folder in (group, *group.parents):
            limit, used = (next(iter(_lines(folder / name)), "") for name in names[:2])
            if limit.isdigit() and used.isdigit():
                cache = _fields(folder / "memory.stat").get(names[2], 0)
                yield Limit(max(int(limit) - int(used) + cache, 0), f"the control group {folder} (its {names[0]})")
            if folder == base:
                break


def _fields(path: Path) -> dict[str, int]:
    """Return the first number behind each name in a file of lines such as "MemAvailable:  12 kB"."""
    words = [line.split() for line in _lines(path)]
    return {line[0]: int(line[1]) for line in words if len(line) > 1 and line[1].isdigit()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
