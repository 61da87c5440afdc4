"""What libraries in other languages print below Python."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from logitlab.errors import UserError


@contextmanager
def printed_later() -> Iterator[None]:
    """Hold back what is written to standard error, below Python too, and leave it out where UserError comes of it."""
    try:
        before, kept = os.dup(2), tempfile.TemporaryFile()  # noqa: SIM115 (closed below)
    except OSError:  # standard error is closed, or there is no room: then a panic is seen
        yield
        return
    with kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except UserError:
            kept.truncate(0)
            raise
        finally:
            os.dup2(before, 2)
            kept.seek(0)
            if text := kept.read():
                os.write(before, text)
            os.close(before)
