"""Sweeps in which something goes wrong: mistakes, runs that fail, a full disk, a second process."""

import fcntl
import math
import subprocess
import sys

import pytest
from processes import environment
from runs import compose_config, finished, rows

from logitlab.errors import Unwritable
from logitlab.sweeps import member


def test_two_processes_do_not_sweep_in_one_directory(fork, tmp_path):
    (tmp_path / "sweep").mkdir()
    with (tmp_path / "sweep" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = fork("-m", "seed=1,2", "hydra.sweep.dir=sweep")
        assert ran.wait() == 2
    assert "Another process is sweeping in sweep" in " ".join(ran.output().split())
    assert not list((tmp_path / "sweep").glob("seed*"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["-m", "seed=1,2", "sweep.resume=nowhere"], "Error: sweep.resume=nowhere: there is no sweep in"),
        (["sweep.resume=nowhere"], "Error: sweep.resume=nowhere resumes a sweep, and this command is one run"),
        (["-m", "seed=1,2", "hydra.sweep.subdir=../x"], "Error: hydra.sweep.subdir=../x leads out of the sweep's directory"),
        (["-m", "seed=1,2", "hydra.sweep.dir=/proc/x"], "Error: The sweep's directory /proc/x cannot be made"),
        (["-m", "optimizer.lr=interval(0,1)"], "Error: interval(...) names no values to go through: add hydra/sweeper=optuna"),
    ],
)
def test_a_mistake_is_told_before_the_first_run(fork, tmp_path, given, told):
    ran = fork(*given)
    assert ran.wait() == 2, ran.output()
    assert " ".join(ran.output().split()).startswith(told)
    assert not list(tmp_path.glob("outputs/*/*"))


def test_a_status_that_cannot_be_written_ends_the_sweep(tmp_path):
    """As on a full disk: nobody would know of the runs that follow."""
    (tmp_path / "status.json").mkdir()
    for note in (lambda status: member.write(tmp_path, status), lambda status: member.write_all({tmp_path: status})):
        with pytest.raises(Unwritable) as end:
            note(member.Status("finished", "digest"))
        assert end.value.code == 1
        assert end.value.reason == f"{tmp_path / 'status.json'} cannot be written: Is a directory. The sweep ends here."


@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_a_run_whose_status_is_a_folder_gets_a_folder_of_its_own(fork, tmp_path, launcher):
    (tmp_path / "sweep" / "seed=2" / "status.json").mkdir(parents=True)
    ran = fork("-m", f"hydra/launcher={launcher}", "seed=1,2,3", "trainer.max_epochs=2", "hydra.sweep.dir=sweep")
    assert ran.wait() == 0, ran.output()
    told = " ".join(ran.output().split())
    assert "status.json is damaged (no ordinary file). The run that it belongs to is not known" in told
    assert "Traceback" not in told
    assert [row["status"] for row in rows(tmp_path / "sweep")] == ["finished"] * 3


@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_a_run_that_another_process_holds_fails_alone(fork, tmp_path, launcher):
    held = tmp_path / "sweep" / "seed=2"
    held.mkdir(parents=True)
    with (held / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = fork("-m", f"hydra/launcher={launcher}", "seed=1,2,3", "trainer.max_epochs=2", "hydra.sweep.dir=sweep")
        assert ran.wait() == 1, ran.output()
    table = {row["seed"]: (row["status"], row["reason"]) for row in rows(tmp_path / "sweep")}
    assert [table[seed][0] for seed in "123"] == ["finished", "failed", "finished"]
    assert "Another process is training in" in table["2"][1]


def test_a_result_that_cannot_be_written_is_a_failure(fork, tmp_path):
    (tmp_path / "sweep" / "sweep.csv").mkdir(parents=True)
    ran = fork("-m", "seed=1,2", "trainer.max_epochs=2", "hydra.sweep.dir=sweep")
    assert ran.wait() == 1, ran.output()
    assert "The sweep's result cannot be written, its runs are as they are: " in ran.output()
    assert len(finished(tmp_path / "sweep")) == 2


@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_a_mistake_and_a_divergence_do_not_stop_the_others(fork, tmp_path, launcher):
    """A mistake, and a divergence in float32."""
    ran = fork(
        "-m",
        f"hydra/launcher={launcher}",
        "optimizer.lr=0.1,1e38,-1",
        "trainer.max_epochs=20",
        "data=scores",
        "data.scale=none",
        "model=logits",
        "hydra.sweep.dir=sweep",
    )
    assert ran.wait() == 1, ran.output()
    table = rows(tmp_path / "sweep")
    assert [row["status"] for row in table] == ["finished", "failed", "failed"]
    told = ran.output()
    assert "2 runs failed" in told
    for row in table[1:]:
        assert row["reason"] in told
        assert row["directory"] in told


LEAVES = """
import sys
from logitlab import experiment
from logitlab.cli.entry_point import main

train = experiment.train

def leaving(cfg):
    if cfg.penalty._target_.endswith("Firth"):
        sys.exit(0)
    return train(cfg)

experiment.train = leaving
main("train")
"""


@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_a_run_that_calls_sys_exit_does_not_stop_the_others(tmp_path, launcher):
    """Beside one that diverges and one that is a mistake: three reasons, and the last run is trained all the same.

    Firth's penalty keeps a run out of a batch.
    """
    (tmp_path / "train.py").write_text(LEAVES)
    command = (
        *(sys.executable, "train.py", "-m", f"hydra/launcher={launcher}", "hydra.sweep.dir=sweep", "trainer.max_epochs=20"),
        *("data=scores", "data.scale=none", "model=logits", "optimizer.lr=1e38,-1,0.1"),
        "penalty=firth,elastic_net",
    )
    ran = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert ran.returncode == 1, ran.stderr
    table = rows(tmp_path / "sweep")
    assert [row["status"] for row in table] == ["finished"] + ["failed"] * 5
    reasons = {(row["penalty"], float(row["optimizer.lr"])): row["reason"] for row in table}
    assert reasons["firth", 0.1] == "the run called sys.exit(0)"
    assert "optimizer.lr is too large" in reasons["elastic_net", 1e38]
    assert "optimizer.lr=-1 is not allowed" in reasons["elastic_net", -1]
    assert all(row["reason"] in ran.stdout for row in table[1:])


@pytest.mark.parametrize(
    ("error", "reason"), [(SystemExit(0), "the run called sys.exit(0)"), (ValueError("no\nway"), "ValueError: no")]
)
def test_a_run_that_leaves_or_breaks_is_a_failed_run(tmp_path, error, reason):
    from logitlab.sweeps.run_member import run_member

    cfg = compose_config("trainer.max_epochs=1", f"hydra.sweep.dir={tmp_path}", directory=tmp_path / "run")
    told = []

    def job(cfg):
        raise error

    assert math.isnan(run_member(cfg, job, told.append, lambda config: {}))
    status = member.read(tmp_path / "run")
    assert status is not None
    assert (status.status, status.reason, status.mistake) == ("failed", reason, False)
    assert str(told[0]) == reason
    assert run_member(cfg, lambda cfg: 0.5, told.append, lambda config: {}) == 0.5  # again: it failed, so it has its turn
    assert run_member(cfg, job, told.append, lambda config: {}) == 0.5  # again: it is finished, so it is not run
