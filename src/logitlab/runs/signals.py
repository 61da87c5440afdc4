"""Signals that ask a run to stop: an exit code of their own, and time to save what was learnt."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from logitlab.errors import Interrupted

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class PendingSignal:
    """The number of the signal that came, or None: `number` is looked at between batches."""

    def __init__(self) -> None:
        self.number: int | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember the signal; a second one of any kind ends the process at once, as without us."""
        self.number = number
        for each in STOPPING:
            if signal.getsignal(each) is not signal.SIG_IGN:
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

    Left alone, SIGTERM ends Lightning's fit with exit code 0 and Ctrl-C with 1. Whatever a library makes of it, the context
    ends by Interrupted.
    """
    global _came
    if signal.getsignal(signal.SIGTERM) is not _raise:
        _came = None
    with _handled_by(_raise):
        try:
            yield
        finally:
            reraise()


@contextmanager
def kept() -> Iterator[None]:
    """Put back what answers the signals: a library that is begun in the context may have put something of its own there."""
    with _handled_by(None):
        yield


_came: int | None = None


def _raise(number: int, frame: FrameType | None) -> None:
    global _came
    _came = number
    raise Interrupted(number)


def reraise() -> None:
    """Raise Interrupted again if a signal has come: a library that it finds at work may swallow it or make an error of it.

    OmegaConf does when a `finally` of its own finds a config half made.
    """
    if _came is not None:
        raise Interrupted(_came)


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None] | None) -> Iterator[None]:
    """Let `handler`, or who does already, answer the signals while the context lasts, but for those ignored, as nohup has it.

    Outside the main thread there are none to answer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in heard}
    for number in heard:
        signal.signal(number, handler or before[number])
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
