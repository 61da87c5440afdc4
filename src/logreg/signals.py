"""Signals that ask a run to stop: an exit code of their own, and time to save what was learnt."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from logreg.errors import Interrupted

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
    """Hold Ctrl-C, SIGTERM and SIGHUP back until the run stands between two batches and can save itself."""
    pending = PendingSignal()
    with _handled_by(pending.note):
        yield pending


@contextmanager
def raised() -> Iterator[None]:
    """Raise Interrupted where a signal finds the run: open files are closed and folders unlocked on the way out.

    Left alone, SIGTERM ends Lightning's fit with exit code 0 and Ctrl-C with 1.
    """
    with _handled_by(_raise):
        yield


def _raise(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let `handler` answer the signals while the context lasts; outside the main thread there are none to answer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in STOPPING}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
