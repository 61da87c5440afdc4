"""What a hostile user typed: each answered by a sentence, with the exit code that it has."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import ROOT, Forked, Ran, environment, run_command
from runs import Run

from logitlab.errors import UserError

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
    arguments = ["trainer.max_epochs=600", "callbacks.print_epochs.every_n_epochs=1", "hydra.run.dir=run"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=tmp_path,
        env=environment({"PYTHONUNBUFFERED": unbuffered}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline().startswith(b"Epoch    0/599")
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 0
    assert Run(tmp_path / "run").checkpoint()["epoch"] == 600
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
        # before Python has a handler the signal itself ends it, which a shell calls 130 too; or it was done already
        assert process.returncode in (130, -signal.SIGINT) or out, err
        assert err == ""


DOORS = {
    "predict": "run, data.path and output are not given: type run=VALUE data.path=VALUE output=VALUE, as in python predict.py",
    "evaluate": "run and data.path are not given: type run=VALUE data.path=VALUE, as in python evaluate.py run=outputs/<run>",
    "explain": "run is not given: type run=VALUE, as in python explain.py run=outputs/<run>",
    "export": "run is not given: type run=VALUE, as in python export.py run=outputs/<run>",
    "report": "run is not given: type run=VALUE, as in python report.py run=outputs/<run>",
}


@pytest.mark.parametrize("door", DOORS)
def test_a_door_tells_its_keys_in_its_own_words(tmp_path: Path, door: str) -> None:
    def run(*arguments: str) -> Ran:
        return run_command(door, *arguments, cwd=tmp_path)

    told = run("--help")
    assert told.returncode == 0 and told.stderr == ""
    assert f"\n  python {door}.py run=outputs/<run>" in told.stdout
    assert "\nrun: ???\n" in told.stdout
    assert "Hydra (https" not in told.stdout and "group=option" not in told.stdout and "optimizer" not in told.stdout
    nothing = run()
    assert nothing.returncode == 2
    assert DOORS[door] in " ".join(nothing.stderr.split())


def test_the_keys_that_a_table_lacks_are_named_at_once(fork: Fork) -> None:
    ran = fork("data=table")
    assert ran.wait() == 2
    assert (
        "data.path and data.target are not given: type data.path=VALUE data.target=VALUE, as in python train.py data=table"
        in words(ran)
    )


def test_without_its_configs_a_command_says_so(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    shutil.copytree(ROOT / "src/logitlab", tmp_path / "src/logitlab", ignore=shutil.ignore_patterns("__pycache__", "conf"))
    shutil.copy(ROOT / "train.py", tmp_path)
    env = environment() | {"PYTHONPATH": str(tmp_path / "src")}
    ran = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert "conf/config.yaml, and without its configs no command knows what to do." in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_a_value_twice_in_a_sweep_is_told_once(fork: Fork, tmp_path: Path, launcher: str) -> None:
    ran = fork("-m", f"hydra/launcher={launcher}", "seed=1,1,2", "trainer.max_epochs=2", "hydra.sweep.dir=sweep")
    assert ran.wait() == 0
    assert words(ran).count("Note: seed=1,1,2 names 1 more than once: such a run is trained once.") == 1
    assert len(list((tmp_path / "sweep").glob("*/metrics.json"))) == 2


def test_one_number_written_in_two_ways_is_told(fork: Fork, tmp_path: Path) -> None:
    ran = fork("-m", "optimizer.lr=1,1.0,0.5", "trainer.max_epochs=2", "hydra.sweep.dir=sweep")
    assert ran.wait() == 0
    assert words(ran).count("Note: optimizer.lr=1,1.0,0.5 names one number as 1 and as 1.0: two runs with one result.") == 1
    assert len(list((tmp_path / "sweep").glob("*/metrics.json"))) == 3


def test_a_pattern_goes_through_the_choices_of_a_group(fork: Fork, tmp_path: Path) -> None:
    ran = fork("-m", "optimizer=glob(adam*)", "trainer.max_epochs=2", "hydra.sweep.dir=sweep")
    assert ran.wait() == 0
    assert "Sweep of 2 runs: 2 finished" in words(ran)


@pytest.mark.parametrize("typed", ["~optimizer=-1", "hydra/sweeper=[{a:1}]"])
def test_what_hydra_stumbles_over_ends_in_words(fork: Fork, typed: str) -> None:
    ran = fork(typed, "hydra.run.dir=run")
    assert ran.wait() == 2
    assert "Traceback" not in ran.output() and "takes one choice" in words(ran)


def test_a_class_that_is_no_result_is_told_before_the_fit(fit: Callable[..., Run], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a BinaryMetrics, and a Result belongs there"):
        fit("+results.x={_target_:logitlab.metrics.BinaryMetrics}")
    with pytest.raises(UserError, match="is a Metrics, and a Callback belongs there"):
        fit("+callbacks.x={_target_:logitlab.results.metrics.Metrics}", directory=tmp_path / "other")
    assert not (tmp_path / "run" / "metrics.json").exists()
