"""The files that a table is read from, without reading them."""

import contextlib
import functools
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from logitlab.errors import UserError

STDIN = "-"

PATHS = ("path", "val_path", "test_path")
"""The keys of `data` that say where a table lies: it may be moved."""


def table_files(data: Mapping[str, Any]) -> list[list[Any]]:
    """Return of each file that a config's part `data` names its path (a digest of it, for it is noted in the run's directory),
    its bytes and its time of change (ns); nothing for other sources.
    """
    found = []
    for key in PATHS:
        if isinstance(path := data.get(key), str) and path != STDIN:
            found += [_file(str(each)) for each in files_of(path) or [Path(path)]]
    return found


def files_of(path: str | Path) -> list[Path]:
    """Return the files that a path names, in the order of their names: one, all below a folder, or those that match a pattern.

    Left out of a folder is what begins with a dot or `_`: programs that write a table in parts put their notes there. There
    may be none. A database's log of what is not yet in it belongs to its files.
    """
    path = Path(path)
    if path.is_dir():
        below = (each for each in path.rglob("*") if each.is_file())
        return sorted(each for each in below if not any(part[0] in "._" for part in each.relative_to(path).parts))
    if path.exists():
        return [each for each in (path, path.with_name(f"{path.name}-wal")) if each.exists()]
    return sorted(_matching(path))


def _matching(pattern: Path) -> list[Path]:
    root = Path(pattern.anchor)
    with contextlib.suppress(ValueError, OSError):  # no pattern
        if set("*?[") & set(str(pattern)):
            return [each for each in root.glob(str(pattern.relative_to(root))) if each.is_file()]
    return []


@functools.cache
def standard_input() -> Path:
    """Return a file with what came through standard input, which can be read once, and a table is read more than once.

    Raises:
        UserError: it is closed, or a terminal.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise UserError(
            "data.path=- reads standard input, and nothing is piped into it: type `... | python train.py data.path=-`."
        )
    file = Path(_folder().name, "standard input")
    with file.open("wb") as target:
        shutil.copyfileobj(sys.stdin.buffer, target)
    return file


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()  # removed when the process ends


def _file(path: str) -> list[Any]:
    try:
        status = Path(path).stat()
    except OSError:
        return [path_digest(path), None, None]
    return [path_digest(path), status.st_size, status.st_mtime_ns]


def path_digest(path: str) -> str:
    """Return a digest of where a file lies."""
    return hashlib.sha256(str(Path(path).absolute()).encode()).hexdigest()[:16]
