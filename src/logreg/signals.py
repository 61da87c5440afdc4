"""Signals that ask a run to stop, held until the run stands between two batches and can save itself."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class PendingSignal:
    """The number of the signal that came, or None: `number` is looked at between batches."""

    def __init__(self) -> None:
        self.number: int | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember the signal; a second one of any kind ends the process at once, as without us."""
        self.number = number
        for each in STOPPING:
            signal.signal(each, signal.SIG_DFL)


@contextmanager
def held() -> Iterator[PendingSignal]:
    """Hold Ctrl-C, SIGTERM and SIGHUP back while the context lasts; outside the main thread there is nothing to hold."""
    pending = PendingSignal()
    if threading.current_thread() is not threading.main_thread():
        yield pending
        return
    before = {number: signal.signal(number, pending.note) for number in STOPPING}
    try:
        yield pending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
