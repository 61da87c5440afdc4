"""Training continues when its output is not read any more: `python train.py ... | head -1`."""

import io
import os
import sys
from typing import Any

from logitlab.console import Printable


class BrokenPipeFile(io.FileIO):
    """A pipe that becomes the null device once its reader has gone, for every writer of this descriptor."""

    def write(self, data: Any) -> int:
        """Write the bytes, or drop them and all that follow."""
        try:
            return super().write(data)
        except BrokenPipeError:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self.fileno())
            os.close(nothing)
            return super().write(data)


def ignore_broken_pipe() -> None:
    """Ignore that the reader of standard output or error has gone; the run's files hold all that is printed."""
    sys.stdout = _wrapped(sys.stdout)
    sys.stderr = _wrapped(sys.stderr)


def _wrapped(stream: Any) -> Any:
    """Return a stream on the same descriptor; as it is, where there is none, as in a test or a notebook."""
    if isinstance(stream, Printable):
        return Printable(_wrapped(stream.stream))
    try:
        descriptor = stream.fileno()
        raw = getattr(stream.buffer, "raw", stream.buffer)  # with PYTHONUNBUFFERED nothing is in between
    except (AttributeError, OSError, ValueError):
        return stream
    if isinstance(raw, BrokenPipeFile):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(BrokenPipeFile(descriptor, "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering or stream.write_through,
    )
