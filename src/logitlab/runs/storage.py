"""What not every file system can: locks, hard links, syncing. Found out where it is asked for, and done without."""

import contextlib
import errno
import fcntl
import os
import re
import shutil
import sys
from pathlib import Path
from typing import IO

HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)

LEFT_OVER = re.compile(r"\.(?!report\.html\.).+\.tmp", re.DOTALL)
"""Temporary files of what is written under a lock; report.py takes none."""


def hold(lock: IO[str], folder: Path, wait: bool = False) -> bool:
    """Lock an open file in a folder for this process; return whether it could be, and was not another one's.

    A file system without locks gets a note instead. A lock file that is there or not would do there, but it would outlive a
    process that is killed, and a run that nobody holds could not be resumed: of the two that is the likelier.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in HELD:
            return False
        print(
            f"Note: {folder} lies on a file system without locks ({error.strerror}): take care that no two runs are given it.",
            file=sys.stderr,
        )
    return True


def sync(descriptor: int) -> None:
    """Have an open file, or folder, on the disk before this returns, where the file system can do that."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def second_name(path: Path, second: Path) -> None:
    """Give a file a second name too, whatever has that name now, so that at no moment neither is there.

    A link; a copy where the file system has none.
    """
    temporary = second.with_name(f".{second.name}.link.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(path, temporary)
    except OSError:
        with path.open("rb") as source, temporary.open("xb") as target:
            shutil.copyfileobj(source, target)
            target.flush()
            sync(target.fileno())
    temporary.replace(second)


def remove_left_overs(*folders: Path) -> None:
    """Remove the temporary files and folders that killed processes have left in folders, which this process holds."""
    for folder in folders:
        with contextlib.suppress(OSError):
            for path in [path for path in folder.iterdir() if LEFT_OVER.fullmatch(path.name)]:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
