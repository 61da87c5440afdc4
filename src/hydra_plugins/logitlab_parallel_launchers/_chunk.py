"""The unit of work of an executor: some runs of the sweep, and all that another process needs to run them."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn

from hydra_plugins.logitlab_batched_launcher import _core
from hydra_plugins.logitlab_batched_launcher.batched_launcher import BatchedLauncher
from logitlab.errors import Interrupted, RunError, Unwritable
from logitlab.runs import signals

SECONDS_BETWEEN_LOOKS = 1.0


@dataclass
class Chunk:
    """Runs that one process does, called there; it does not raise for a run that fails.

    Attributes:
        numbered: the overrides of each run, with its number.
        launcher: runs them there.
        setup: what Hydra handed over to the launcher that made this; `singletons`: Hydra's own.
        directory: to work in; relative paths mean the same everywhere.
        threads: for torch; None: as many as it takes by itself.
        log: file for what the runs would write on the console; None: the executor has one of its own.
        parent: process with which this one ends, killed or not; None: it outlives it, as on a cluster.
    """

    numbered: Sequence[tuple[int, Sequence[str]]]
    launcher: BatchedLauncher
    setup: Mapping[str, Any]
    singletons: Mapping[Any, Any]
    directory: Path
    threads: int | None = None
    log: Path | None = None
    parent: int | None = None

    def __call__(self) -> list[JobReturn]:
        """Run them; what is finished already, by an earlier try, is not run again.

        Raises:
            RunError: a signal ended it, or the disk is full.
        """
        if self.parent is not None:
            end_with(self.parent)
        os.chdir(self.directory)
        limit_threads(self.threads)
        Singleton.set_state(dict(self.singletons))
        with _written_to(self.log):
            self.launcher.setup(**self.setup)
            try:
                with signals.raised():
                    return _core.launch(self.launcher, self.numbered)
            except (KeyboardInterrupt, Interrupted) as stop:
                raise RunError(f"its process was ended by {getattr(stop, 'signal_name', 'SIGINT')}") from None
            except Unwritable as full:
                raise RunError(full.reason) from None

    def checkpoint(self) -> Any:
        """Return what submitit is to queue when a cluster takes the machine away: the same, which goes on where this ended."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def limit_threads(threads: int | None) -> None:
    """Let torch, imported or not, take so many threads, or fewer where the user has said so."""
    if threads is None:
        return
    threads = min(threads, int(os.environ.get("OMP_NUM_THREADS") or threads))
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)


_watched: set[int] = set()


def end_with(parent: int) -> None:
    """End this process when another of this machine is gone, however it went: a killed sweep leaves no orphans."""
    if parent in _watched:
        return
    _watched.add(parent)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.kill(parent, 0)
            time.sleep(SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGKILL)  # nobody waits for what it would save: the runs lie on the disk, or begin anew


@contextlib.contextmanager
def _written_to(log: Path | None) -> Iterator[None]:
    """Let all that this process writes on its console go into a file."""
    if log is None:
        yield
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    kept = [os.dup(1), os.dup(2)]
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for stream, own in enumerate(kept, 1):
            os.dup2(own, stream)
            os.close(own)
