"""What a hostile user typed: each answered by a sentence, with the exit code that it has."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import ROOT, Forked, environment
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


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_does_not_end_the_training(tmp_path: Path, unbuffered: str) -> None:
    arguments = ["trainer.max_epochs=3000", "callbacks.print_epochs.every_n_epochs=1", "hydra.run.dir=run"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=tmp_path,
        env=environment({"PYTHONUNBUFFERED": unbuffered}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline().startswith(b"Epoch    0/2999")
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 0
    assert Run(tmp_path / "run").checkpoint()["epoch"] == 3000
    process.stderr.close()


@pytest.mark.parametrize("door", ["train", "predict", "report"])
def test_ctrl_c_while_the_imports_run_is_130_without_a_word(tmp_path: Path, door: str) -> None:
    for moment in (0.08, 0.15, 0.25, 0.4):
        command = [sys.executable, str(ROOT / f"{door}.py"), "--cfg", "job"]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        time.sleep(moment)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130 or out, err  # or it was done already
        assert err == ""
