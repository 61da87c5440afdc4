"""Text files that are compressed with gzip or Zstandard, read and written bit by bit."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from logitlab.errors import UserError, how_to_install

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Open a file for reading: its bytes, unpacked where they are compressed, and the file itself, whose place can be asked.

    Raises:
        UserError: the file is damaged, or a package is missing.
    """
    with path.open("rb", buffering=0) as raw:
        start = raw.read(4)
        raw.seek(0)
        errors: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, zlib.error)
        file: Any = raw
        if start.startswith(GZIP):
            file = gzip.GzipFile(fileobj=raw, mode="rb")
        elif start.startswith(ZSTD):
            zstd = _zstd(path)
            file, errors = zstd.ZstdFile(raw), (EOFError, zstd.ZstdError)
        try:
            with file:
                yield file, raw
        except errors as error:
            kind, reason = "gzip" if start.startswith(GZIP) else "Zstandard", str(error).rstrip(".")
            raise UserError(f"{path} is a damaged {kind} file ({reason}): copy or compress it again.") from None


@contextmanager
def created(path: Path, name: str) -> Iterator[IO[bytes]]:
    """Open a file for writing, compressed if `name`, which it will have, ends in .gz or .zst."""
    with path.open("wb") as raw:
        if name.lower().endswith(".gz"):
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=6) as file:
                yield file  # type: ignore[misc]  # it writes, reads and closes as a file does
        elif name.lower().endswith(".zst"):
            with _zstd(Path(name)).ZstdFile(raw, "wb") as file:
                yield file
        else:
            yield raw


def check(name: str) -> None:
    """Raise UserError where the name of a file asks for a compression that is not installed."""
    if name.lower().endswith(".zst"):
        _zstd(Path(name))


def _zstd(path: Path) -> Any:
    try:
        from backports import zstd
    except ImportError:
        raise UserError(f"{path} is compressed with Zstandard: type {how_to_install('zstd')}, or use gzip.") from None
    return zstd
