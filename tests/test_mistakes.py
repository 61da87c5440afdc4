"""What a hostile user typed: each answered by a sentence, with the exit code that it has."""

from collections.abc import Callable
from pathlib import Path

import pytest
from processes import Forked
from runs import Run

Fork = Callable[..., Forked]


def words(process: Forked) -> str:
    return " ".join(process.output().split())


def test_a_run_without_checkpoints_says_so(fit: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    fit("trainer.max_epochs=3", "callbacks.checkpoints=null")
    assert "none: nothing to resume or predict from" in capsys.readouterr().out


def test_several_devices_are_refused_before_training(fork: Fork, tmp_path: Path) -> None:
    ran = fork("trainer.devices=2", "hydra.run.dir=run")
    assert ran.wait() == 2
    assert "trainer.devices=2 asks for several processes" in words(ran)
    assert not (tmp_path / "run").exists()


def test_a_mistake_removes_no_folder_of_the_users(fork: Fork, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    ran = fork("seed=-1", "hydra.run.dir=mine/run")
    assert ran.wait() == 2
    assert (tmp_path / "mine").is_dir() and not (tmp_path / "mine/run").exists()
