"""The files that a table is read from, without reading them."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PATHS = ("path", "val_path", "test_path")
"""The keys of `data` that say where a table lies: it may be moved."""


def table_files(data: Mapping[str, Any]) -> list[list[Any]]:
    """Return of each file that a config's part `data` names its path (a digest of it, for it is noted in the run's directory),
    its bytes and its time of change (ns); nothing for other sources.
    """
    found = []
    for key in PATHS:
        if isinstance(path := data.get(key), str):
            found += [_file(each) for each in ([path] if not Path(path).is_dir() else sorted(_below(path)))]
    return found


def _file(path: str) -> list[Any]:
    try:
        status = Path(path).stat()
    except OSError:
        return [path_digest(path), None, None]
    return [path_digest(path), status.st_size, status.st_mtime_ns]


def path_digest(path: str) -> str:
    """Return a digest of where a file lies."""
    return hashlib.sha256(str(Path(path).absolute()).encode()).hexdigest()[:16]


def _below(folder: str) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        yield from (str(Path(place, name)) for name in names)
