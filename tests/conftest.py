"""Ways to train in a test, from the cheapest: `fit` in this process, `fork` and `run_train` in one that inherits the imported
libraries, `run_train` with `because` as a person types it (seconds, most of them imports).
"""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import Forked, Ran, run_anew, run_command
from runs import Run, compose_config

from logitlab.cli import checks
from logitlab.cli.primary_configs import top_level_keys
from logitlab.recorded import CONF


def pytest_configure() -> None:
    """Let SIGHUP end what is started here, also where the tests themselves were started by nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def fit(tmp_path: Path) -> Callable[..., Run]:
    """Train in this process: `fit("model=class", "optimizer.lr=0.1")`; the run directory is tmp_path/run unless given."""

    def train(*overrides: str, directory: Path = tmp_path / "run") -> Run:
        from logitlab.experiment import train as job

        cfg = compose_config(*overrides, directory=directory)
        checks.check(cfg, known=top_level_keys("config", CONF))
        value = job(cfg)
        return Run(directory, value)

    return train


@pytest.fixture
def fork(tmp_path: Path) -> Callable[..., Forked]:
    """Start train.py in a process that is forked from one with torch and Lightning imported; it works in tmp_path."""

    def start(*arguments: str, env: dict[str, str] | None = None, largest_file: int = -1) -> Forked:
        return Forked(arguments, tmp_path, env or {}, largest_file)

    return start


@pytest.fixture
def run_train(tmp_path: Path) -> Callable[..., Ran]:
    """Run `python train.py ...` in tmp_path to its end: forked, or anew where it is told `because` of what."""

    def run(*arguments: str, **options: Any) -> Ran:
        return (run_anew if "because" in options else run_command)("train", *arguments, cwd=tmp_path, **options)

    return run


@pytest.fixture
def stop_in_training() -> Callable[..., int]:
    """Send a signal to a forked run as soon as its first checkpoint is there, and `after` more seconds; return the code."""

    def stop(process: Forked, run: Path, number: signal.Signals, after: float = 0.0) -> int:
        deadline = time.monotonic() + 60
        while not (run / "checkpoints" / "last.ckpt").exists():
            assert process.alive(), process.output()
            assert time.monotonic() < deadline, process.output()
            time.sleep(0.005)
        time.sleep(after)
        process.send(number)
        return process.wait()

    return stop
