"""Pictures of training, drawn beside it: a process of its own, warm before torch is imported, gets the states as they come.

matplotlib takes longer to import than a short fit takes, and a picture as long as a hundred epochs. So neither happens in the
process that trains. Not a ProcessPoolExecutor: its workers outlive a parent that is killed.
"""

import contextlib
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from logitlab.plots.rows import Moment, Remark, Rows

NICENESS = 19
"""Of the process that draws: where cores are few it takes what training leaves, and pictures are late instead of the fit."""


class Picture(NamedTuple):
    """A finished picture: which one, of which step, its size in points, and its PNG file."""

    name: str
    step: int
    width: int
    height: int
    png: bytes


class DrawingProcess:
    """The process as its parent sees it. Whatever happens to it, training goes on.

    Attributes:
        expected: pictures asked for so far.
        error: why there will be no more; "" while all is well.
        remark: what the pictures lack on this machine; "" where nothing.
    """

    def __init__(self) -> None:
        """Start the process; it imports what it needs while the parent does."""
        self._connection, theirs = multiprocessing.Pipe()
        nothing = subprocess.DEVNULL
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "logitlab.plots.worker", str(theirs.fileno())],
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            pass_fds=[theirs.fileno()],
            process_group=0,  # Ctrl-C is for the process that trains; in a session of its own, its niceness would not count
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        os.setpriority(os.PRIO_PROCESS, self._process.pid, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
        theirs.close()
        self.expected = 0
        self.error = ""
        self.remark = ""
        self._begun_at = 0.0
        self._fit_seconds = 0.0

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def lay_out(self, rows: Rows) -> None:
        """Tell what will be drawn; done before the fit begins, it costs the fit nothing."""
        one_class = len(set(rows.target.tolist())) == 1
        self._per_moment = 2 if len(rows.names) == 1 or one_class else 3
        self._send(rows)

    def begin_fit(self) -> None:
        """Note when the fit began."""
        self._begun_at = time.monotonic()

    def add(self, moments: Sequence[Moment]) -> None:
        """Have the moments drawn that are to be shown; the others are points of the path."""
        self.expected += self._per_moment * sum(each.is_shown for each in moments)
        self._send(moments)

    def end(self) -> None:
        """Say that no moment follows; the fit has ended."""
        self._fit_seconds = time.monotonic() - self._begun_at
        self._send(None)

    def pictures(self, share: float, at_least: float) -> Iterator[Picture]:
        """Yield what is finished; wait for the rest a share of the fit's seconds, or until `at_least` from its beginning."""
        deadline = max(time.monotonic() + share * self._fit_seconds, self._begun_at + at_least)
        with contextlib.suppress(EOFError, OSError):
            while not self.error and self._connection.poll(max(deadline - time.monotonic(), 0.0)):
                came = self._connection.recv()
                if came is None:
                    return
                if isinstance(came, str):
                    self.error = came
                elif isinstance(came, Remark):
                    self.remark = came.words
                else:
                    yield Picture(*came)

    def close(self) -> None:
        """End the process, finished or not."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _send(self, message: Any) -> None:
        try:
            self._connection.send(message)
        except OSError as error:
            self.error = f"the process that draws has ended ({error})"


_current: DrawingProcess | None = None


@contextlib.contextmanager
def beside(cfg: DictConfig) -> Iterator[DrawingProcess | None]:
    """Give the process that draws the training of `cfg` for as long as the context lasts; None where nothing is to be drawn.

    Inside such a context it is the one that runs already: the command starts it before it imports torch.
    """
    global _current
    if _current is not None or not _is_wanted(cfg):
        yield _current
        return
    _current = DrawingProcess()
    try:
        yield _current
    finally:
        _current.close()
        _current = None


def _is_wanted(cfg: DictConfig) -> bool:
    """Tell whether this is a single run with a TensorBoard log, with pictures wanted and matplotlib there to draw them."""
    parts = ("results.pictures", "callbacks.weights", "logger")
    return (
        HydraConfig.get().mode is not RunMode.MULTIRUN
        and all(OmegaConf.select(cfg, part) is not None for part in parts)
        and "tensorboard" in str(cfg.logger.get("_target_")).lower()
        and find_spec("matplotlib") is not None
    )
