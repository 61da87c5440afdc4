"""How a file is written: whole or not at all, and never through a symbolic link that came with a run's directory.

A run directory may be a stranger's. A link in it, followed, would let a run write wherever its user may: so nothing is written
below a folder that is one, a file takes the place of a link instead of going through it, and the temporary file beside it is
new (O_EXCL), under a name that nobody can have guessed. What a person names as `output` is the person's own: a link there leads
where it led, unless it lies in a run's directory, and a device or a pipe is written into.
"""

import contextlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from logitlab.errors import UserError
from logitlab.runs import storage

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.tmp", re.DOTALL)
"""The names of temporary files: a killed process leaves them behind."""

MARKS = (".hydra", "checkpoints/last.ckpt", "multirun.yaml", "status.json")
"""What the directory of a run or a sweep holds, one at least."""


def prepared(path: Path, content: str | bytes, synced: bool = False) -> Path:
    """Write a temporary file beside `path` and return it, to be put in place by `replace`.

    Raises:
        UserError: the way to it leads through a link in a run's directory.
        OSError: it cannot be written; nothing is left of it.
    """
    temporary = _new(path)
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if synced:
                file.flush()
                storage.sync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def write(path: Path, content: str | bytes, synced: bool = False) -> None:
    """Write a file whole or not at all; a link that has its name is replaced.

    Raises:
        UserError, OSError: as by `prepared`; what was there before is as it was.
    """
    temporary = prepared(path, content, synced)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def in_place(path: Path) -> Iterator[Path]:
    """Give an empty file beside `path`, and put what was written there in place; where it fails, take it away.

    The file is on the disk before it takes the name.
    """
    temporary = _new(path)
    try:
        yield temporary
        with temporary.open("rb") as file:
            storage.sync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def as_output(path: Path) -> Iterator[Path]:
    """Give a file to be written, as `in_place` does, for an output that a person named.

    A device or a pipe (/dev/stdout, a FIFO) is written into, once everything is there.
    """
    if not is_stream(path):
        with in_place(path if _is_a_run(path.parent) else Path(os.path.realpath(path))) as temporary:
            yield temporary
        return
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "output")
        yield whole
        with whole.open("rb") as source, path.open("wb", buffering=0) as target:
            shutil.copyfileobj(source, target)


def is_stream(path: Path) -> bool:
    """Return whether a path names a device, a pipe or a socket: what is written into, and has no end and no place."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def open_lock(path: Path) -> IO[str]:
    """Open a lock file, made if it is not there; its content, if any, stays.

    Raises:
        OSError: it cannot be opened, or is a link.
    """
    check_way(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o666)
    return os.fdopen(descriptor, "r+")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless they are there.

    Raises:
        UserError: the way to it leads through a link in a run's directory.
    """
    check_way(folder)
    folder.mkdir(parents=True, exist_ok=True)


def check_way(folder: Path) -> None:
    """Raise UserError for a folder that is, or lies below, a symbolic link in the directory of a run or a sweep."""
    folder = folder.absolute()
    for each in (folder, *folder.parents):
        if each.is_symlink() and _is_a_run(each.parent):
            raise _followed(each)


def refuse_links(directory: Path) -> None:
    """Raise UserError for a symbolic link anywhere in the directory of a run or a sweep that is to be written into.

    What libraries write there (TensorBoard's events, logs, a study's journal) would follow it.
    """
    check_way(directory)
    for folder, inner, names in os.walk(directory):
        for name in (*inner, *names):
            if (path := Path(folder, name)).is_symlink():
                raise _followed(path)


def _followed(path: Path) -> UserError:
    return UserError(
        f"{path} is a symbolic link to {path.readlink()}, and in the directory of a run nothing is written through a link."
        " Remove it, or put what it leads to in its place."
    )


def _is_a_run(folder: Path) -> bool:
    return any(os.path.lexists(folder / mark) for mark in MARKS)


def _new(path: Path) -> Path:
    """Return a new, empty file beside `path`."""
    check_way(path.parent)
    short = path.name.encode()[:80].decode(errors="ignore")  # a name has 255 bytes
    temporary = path.with_name(f".{short}.{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    os.close(os.open(temporary, flags, 0o666))
    return temporary
