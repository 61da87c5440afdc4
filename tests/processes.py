"""Processes that train: the environment they get, and a fork server that spares each of them the imports."""

import contextlib
import json
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["pytest", "logitlab.cli.run_command", "logitlab.experiment"])


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what pytest puts there, one thread for torch, and `changes`."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "HYDRA", "PL_", "COLUMNS"))
    }
    return {**inherited, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", **(changes or {})}


DOORS = {"train": "logitlab.experiment:train", "select_penalty": "logitlab.selection.job:select"}
"""The commands that can be forked, and their jobs."""


class Forked:
    """A running train.py, or another door, whose imports were done before; its standard output and error go to one file.

    With `largest_file` (bytes) a file that grows beyond it cannot be written, as on a full disk. With `dies_at` it is killed
    when it is about to change the file system below its directory for the time of that number, 1 for the first.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        directory: Path,
        env: Mapping[str, str],
        largest_file: int = -1,
        door: str = "train",
        dies_at: int | None = None,
    ) -> None:
        self._log = directory / f"output-{len(list(directory.glob('output-*.txt')))}.txt"
        args = (list(arguments), directory, self._log, dict(env), largest_file, door, dies_at)
        self._process = _context.Process(target=_train, args=args, daemon=True)
        self._process.start()

    def alive(self) -> bool:
        return self._process.is_alive()

    def send(self, number: int) -> None:
        assert self._process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def wait(self, timeout: float = 120) -> int:
        """Return the exit code; a process that was killed has minus the signal's number."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, f"still running after {timeout} s:\n{self.output()}"
        return self._process.exitcode

    def output(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def changes(self) -> list[str]:
        """Return what it changed below its directory, where it ran to its end with `dies_at`: 0 for never."""
        return json.loads(self._log.with_suffix(".json").read_text())


CHANGES = {"os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir"}


def _watch(directory: Path, dies_at: int, changes: list[str]) -> None:
    """Note every file below a folder that is opened for writing, put in place or removed; die before that of a number."""

    def hook(event: str, args: tuple[object, ...]) -> None:
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if (event in CHANGES or writes) and isinstance(args[0], str | bytes | Path):
            path = directory / os.fsdecode(args[0])
            change = f"{event} {path.relative_to(directory)}" if path.is_relative_to(directory) else ""
            is_none = (event == "os.mkdir" and path.is_dir()) or ".probe." in change or [change] == changes[-1:]
            if change and not is_none:
                changes.append(change)
                if len(changes) == dies_at:
                    os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _train(
    arguments: list[str],
    directory: Path,
    log: Path,
    env: dict[str, str],
    largest_file: int,
    door: str,
    dies_at: int | None,
) -> None:
    os.chdir(directory)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    os.environ.update(env)
    descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.argv = [str(ROOT / f"{door}.py"), *arguments]
    from logitlab.cli.run_command import main

    changes: list[str] = []
    if dies_at is not None:
        _watch(directory, dies_at, changes)
    try:
        main(DOORS[door], config_name="config" if door == "train" else door)
    finally:
        if dies_at is not None:
            log.with_suffix(".json").write_text(json.dumps(changes))
