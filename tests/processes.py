"""Processes of the commands: the environment they get, and a fork server that spares each of them the imports.

A forked command is a process of its own, with its own output, signals, exit code, folder and environment, and runs the same
file as a person does. What is about the start of Python itself is run anew, with the reason: what is imported and when, what
Python and OpenMP read as they start, `sitecustomize`, a terminal, a pipe whose reader leaves, limits of memory.
"""

import atexit
import contextlib
import multiprocessing
import os
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[1]

Ran = subprocess.CompletedProcess[str]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["pytest", "preloaded"])


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what pytest puts there, one thread for torch, and `changes`."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "HYDRA", "PL_", "COLUMNS"))
    }
    return {**inherited, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", **(changes or {})}


def run_command(door: str, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 300) -> Ran:
    """Run `python <door>.py ...` in a folder to its end, forked, with `env` added to its environment."""
    forked = Forked(arguments, cwd, env or {}, door=door, error_apart=True)
    return subprocess.CompletedProcess(arguments, forked.wait(timeout), forked.output(), forked.errors())


def run_anew(
    door: str,
    *arguments: str,
    cwd: Path,
    because: str,
    env: Mapping[str, str] | None = None,
    python: Sequence[str] = (),
    timeout: float = 300,
) -> Ran:
    """Run `python <door>.py ...` in a folder to its end as a person types it; `python` are switches, `because` the reason."""
    del because  # for the reader
    command = [sys.executable, *python, str(ROOT / f"{door}.py"), *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment(env), capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
    )


class Forked:
    """A running train.py, or another command, whose imports were done before; its standard output and error go to one file.

    With `largest_file` (bytes) a file that grows beyond it cannot be written, as on a full disk. With `dies_at` it is killed
    when it is about to change the file system below its directory for the time of that number, 1 for the first. With `copies`
    (a folder) a copy of the process is killed at each such moment that `is_wanted`, and its directory is kept there.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        directory: Path,
        env: Mapping[str, str],
        largest_file: int = -1,
        door: str = "train",
        dies_at: int | None = None,
        copies: Path | None = None,
        is_wanted: Callable[[list[str]], bool] = bool,
        error_apart: bool = False,
    ) -> None:
        folder = Path(tempfile.mkdtemp())
        self._log, self._errors = folder / "output", folder / "errors"
        logs = self._log, self._errors if error_apart else self._log
        watch = None if dies_at is None and copies is None else _Watch(directory, dies_at, copies, is_wanted)
        args = (list(map(str, arguments)), directory, logs, environment(env), largest_file, door, watch)
        self._process = _context.Process(
            target=_run,
            args=args,
        )
        with mock.patch.dict(os.environ, environment({"PYTHONPATH": f"{Path(__file__).parent}:{ROOT / 'src'}"})):
            forkserver.ensure_running()  # its environment is that of its first start: it finds preloaded.py by it
        self._process.start()
        weakref.finalize(self, _end, self._process, folder)

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

    def errors(self) -> str:
        """Return what went to standard error, where that has a file of its own."""
        return self._errors.read_text() if self._errors.exists() else ""


CHANGES = {"os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir"}


class _Watch:
    """Notes every file below a folder that is about to be opened for writing, put in place or removed."""

    def __init__(
        self, directory: Path, dies_at: int | None, copies: Path | None, is_wanted: Callable[[list[str]], bool]
    ) -> None:
        self.directory, self.dies_at, self.copies, self.is_wanted = directory, dies_at, copies, is_wanted
        self.changes: list[str] = []

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        """Look at an event of Python's audit."""
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if not (event in CHANGES or writes) or not isinstance(args[0], str | bytes | Path):
            return
        path = self.directory / os.fsdecode(args[0])
        change = f"{event} {path.relative_to(self.directory)}" if path.is_relative_to(self.directory) else ""
        is_none = (event == "os.mkdir" and path.is_dir()) or ".probe." in change or [change] == self.changes[-1:]
        if change and not is_none:
            self.changes.append(change)
            if len(self.changes) == self.dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.copies is not None and self.is_wanted(self.changes):
                self._kill_a_copy(self.copies / f"{len(self.changes)} {change.replace('/', ' ')}")

    def _kill_a_copy(self, to: Path) -> None:
        if (copy := os.fork()) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        assert os.waitpid(copy, 0)[1] == signal.SIGKILL
        shutil.copytree(self.directory, to, symlinks=True)


def _end(process: BaseProcess, folder: Path) -> None:
    process.kill()
    process.join()
    shutil.rmtree(folder)


def _run(
    arguments: list[str],
    directory: Path,
    logs: tuple[Path, Path],
    env: dict[str, str],
    largest_file: int,
    door: str,
    watch: _Watch | None,
) -> None:
    os.chdir(directory)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    os.environ.clear()
    os.environ.update(env)
    program = str(ROOT / f"{door}.py")
    sys.path[:0] = [str(ROOT), *env["PYTHONPATH"].split(os.pathsep)]
    sys.argv = [program, *arguments]
    for number, log in enumerate(logs, 1):
        os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
    if watch is not None:
        sys.addaudithook(watch)
    try:
        runpy.run_path(program, run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves out what an interpreter does as it ends
