"""The command line: what a person types, what comes back, with which exit code, and what is imported for it."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import ROOT, Forked, environment
from runs import Run

FAST = ("trainer.max_epochs=3", "hydra.run.dir=run")
Ran = subprocess.CompletedProcess

KEPT_OF_A_SWEEP = (".lock", "multirun.yaml", "status.json", "sweep.csv")
"""What says why a run of a sweep failed, though it never began."""


def imported(ran: Ran) -> set[str]:
    """Return the modules that `python -X importtime` saw."""
    return {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--cfg", "job"], 0),
        (["--info", "defaults"], 0),
        (["--version"], 0),
        (["trainer.max_epoch=3"], 2),
        (["+trainer.max_epoch=3"], 2),
        (["model=clas"], 2),
        (["trainer.max_epochs=ten"], 2),
        (["optimizer.lr=-1"], 2),
        (["seed=x"], 2),
        (["model._target_=logitlab.networks.Sequental"], 2),
        (["trainer.devices=0"], 2),
        (["trainer.precision=16-mixed"], 2),
        (["ckpt_path=missing"], 2),
        (["a b"], 2),
        (["-m", "optimizer.lr=-1,0"], 2),
    ],
)
def test_answers_before_torch_is_imported(
    run_train: Callable[..., Ran], tmp_path: Path, arguments: list[str], code: int
) -> None:
    ran = run_train(*arguments, python=("-X", "importtime"), because="it is about what is imported")
    told = "".join(line for line in ran.stderr.splitlines(keepends=True) if not line.startswith("import time:"))
    assert ran.returncode == code, told
    modules = imported(ran)
    assert "hydra" in modules
    assert not {name for name in modules if name.split(".")[0] in ("torch", "lightning", "numpy", "polars", "matplotlib")}
    if code == 2:
        assert told.count("Error: ") == (2 if arguments[0] == "-m" else 1)
        assert "Traceback" not in told
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name not in KEPT_OF_A_SWEEP]
    else:
        assert told == ""


def test_shell_completion_answers_without_torch(run_train: Callable[..., Ran]) -> None:
    line = "train.py model=s"
    env = {"COMP_LINE": line, "COMP_POINT": str(len(line))}
    ran = run_train("-sc", "query=bash", env=env, python=("-X", "importtime"), because="it is about what is imported")
    assert ran.stdout.split() == ["model=sequential"]
    assert "torch" not in imported(ran)


def test_a_run_says_what_it_did_and_nothing_else(run_train: Callable[..., Ran], tmp_path: Path) -> None:
    ran = run_train("hydra.run.dir=run")
    assert ran.returncode == 0
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert re.fullmatch(r"Trained model=sequential on data=toy \(6 rows, 2 features\): 1,001 epochs, \d+\.\d s", lines[0]), (
        lines[0]
    )
    said = {name.strip(): value for name, value in (line.strip().rsplit("  ", 1) for line in lines[1:])}
    numbers = {
        "train/loss": "0.019843",
        "train/accuracy": "1.000000",
        "weight of x1": "3.2534",
        "weight of x2": "1.5181",
        "bias": "-14.4839",
    }
    assert {**numbers, "run directory": "run", "dashboard": "tensorboard --logdir ."}.items() <= said.items()
    files = {str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*") if path.is_file()}
    contract = {
        ".hydra/config.yaml",
        ".hydra/hydra.yaml",
        ".hydra/overrides.yaml",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
    }
    assert contract | {"metrics.json", "coefficients.csv", "environment.json"} <= files
    assert len([name for name in files if name.startswith("events.out.tfevents.")]) == 1
    snapshot = json.loads((tmp_path / "run/environment.json").read_text())
    assert snapshot["command"].endswith("train.py hydra.run.dir=run")
    assert snapshot["packages"]["torch"]


CHOICES = sorted(f"{path.parent.name}={path.stem}" for path in (ROOT / "conf").glob("*/*.yaml"))
TRAINABLE = [
    each for each in CHOICES if each.split("=")[0] in ("data", "model", "optimizer", "experiment") and "table" not in each
]


@pytest.mark.parametrize("choice", TRAINABLE)
def test_every_choice_trains(fit: Callable[..., Run], choice: str) -> None:
    """Each yaml in conf/; a warning would be an error here."""
    assert fit(choice, "trainer.max_epochs=3").checkpoint()["epoch"] == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["+trainer.fast_dev_run=true"],
        ["data.batch_size=2", "data.shuffle=true"],
        ["trainer.accelerator=auto"],
        ["model=logits", "trainer.precision=bf16-mixed"],
        ["logger=csv"],
        ["callbacks.checkpoints=null"],
        ["+trainer.max_steps=2"],
        ["+trainer.gradient_clip_val=0.1"],
        ["callbacks.print_epochs.every_n_epochs=1"],
    ],
    ids=" ".join,
)
def test_experiments_that_must_keep_working(
    fit: Callable[..., Run], capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    run = fit(*arguments, "trainer.max_epochs=3")
    assert capsys.readouterr().out.startswith(("Trained model=", "Epoch    0/2 Cost: 0.539713 Accuracy 83.33%\n"))
    assert {"train/loss", "train/accuracy"} <= run.json().keys()


@pytest.mark.parametrize("arguments", [["logger=null"], ["callbacks=null", "results=null"], ["experiment=null"]], ids=" ".join)
def test_a_group_is_left_out_with_null(fork: Callable[..., Forked], arguments: list[str]) -> None:
    ran = fork(*arguments, *FAST)
    assert ran.wait() == 0, ran.output()
    assert "\nTrained model=" in f"\n{ran.output()}"  # the doctor may have spoken before


def test_precision_64_trains_in_float64(fit: Callable[..., Run]) -> None:
    state = fit("trainer.precision=64-true", "trainer.max_epochs=2").state()
    assert {str(value.dtype) for value in state.values()} == {"torch.float64"}


def test_a_callback_of_lightnings_speaks_once(fork: Callable[..., Forked], tmp_path: Path) -> None:
    callback = "{_target_:lightning.pytorch.callbacks.EarlyStopping,monitor:train/loss,patience:1,verbose:true}"
    ran = fork(f"+callbacks.early={callback}", "trainer.max_epochs=50", "hydra.run.dir=run")
    assert ran.wait() == 0, ran.output()
    assert ran.output().count("did not improve in the last 1 records") == 1
    assert Run(tmp_path / "run").checkpoint()["epoch"] == 3


def test_a_profiler_that_is_asked_for_speaks(fork: Callable[..., Forked]) -> None:
    ran = fork("trainer.profiler=simple", *FAST)
    assert ran.wait() == 0
    assert ran.output().count("run_training_batch") == 1


def test_a_loss_that_is_no_number_leaves_the_good_checkpoint(fork: Callable[..., Forked], tmp_path: Path) -> None:
    ran = fork("model=logits", "optimizer.lr=1e38", "callbacks.checkpoints.every_n_seconds=0", "hydra.run.dir=run")
    assert ran.wait() == 1
    assert ran.output().startswith("Error: ")
    assert "optimizer.lr is too large: type a tenth of it" in " ".join(ran.output().split())
    for name in "last", "best":
        state = Run(tmp_path / "run").state(name)
        assert all(bool(value.isfinite().all()) for value in state.values())


def test_a_full_disk_ends_the_run_with_a_paragraph_and_the_good_checkpoint(fork: Callable[..., Forked], tmp_path: Path) -> None:
    first = fork("logger=null", "trainer.max_epochs=5", "hydra.run.dir=run")
    assert first.wait() == 0, first.output()
    again = fork("logger=null", "trainer.max_epochs=9", "ckpt_path=run", largest_file=1000)
    assert again.wait() == 1, again.output()
    told = " ".join(again.output().split())
    assert "cannot be written: File too large." in told
    assert "Traceback" not in told
    assert Run(tmp_path / "run").checkpoint()["epoch"] == 5


def test_a_directory_that_cannot_be_used_is_found_before_training(fork: Callable[..., Forked], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for arguments in ["hydra.run.dir=file/run"], ["-m", "hydra.sweep.dir=file/sweep", "seed=1,2"]:
        ran = fork(*arguments)
        assert ran.wait() == 2
        assert "cannot be made: Not a directory. Give another one with hydra." in " ".join(ran.output().split())
        assert "Traceback" not in ran.output()


def test_a_directory_that_cannot_hold_checkpoints_is_found_before_training(fork: Callable[..., Forked], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/checkpoints").touch()
    ran = fork("hydra.run.dir=run")
    assert ran.wait() == 2
    assert "cannot be written: File exists. Give another one with hydra.run.dir" in " ".join(ran.output().split())


def test_one_directory_twice_at_a_time(
    fork: Callable[..., Forked], stop_in_training: Callable[..., int], tmp_path: Path
) -> None:
    first = fork("trainer.max_epochs=1000000", "callbacks.checkpoints.every_n_seconds=0.1", "hydra.run.dir=run")
    while not (tmp_path / "run/checkpoints/last.ckpt").exists():
        assert first.alive(), first.output()
        time.sleep(0.01)
    second = fork("hydra.run.dir=run")
    assert second.wait() == 2
    assert "Another process is training in" in " ".join(second.output().split())
    first.send(signal.SIGTERM)
    assert first.wait() == 143


def test_a_finished_run_is_not_overwritten(fork: Callable[..., Forked], tmp_path: Path) -> None:
    assert fork(*FAST).wait() == 0
    before = (tmp_path / "run/checkpoints/last.ckpt").read_bytes()
    again = fork(*FAST)
    assert again.wait() == 2
    assert "already holds a run. To resume it type ckpt_path=" in " ".join(again.output().split())
    assert (tmp_path / "run/checkpoints/last.ckpt").read_bytes() == before


def test_runs_of_one_second_have_a_directory_each(fork: Callable[..., Forked], tmp_path: Path) -> None:
    runs = [fork("trainer.max_epochs=3") for _ in range(4)]
    assert [run.wait() for run in runs] == [0, 0, 0, 0]
    directories = [path.parent for path in (tmp_path / "outputs/toy-sequential").glob("*/metrics.json")]
    assert len(directories) == 4
    seconds = {path.name.rpartition("-")[0] for path in directories}
    assert len(seconds) < 4  # at least two did start in one second


def test_a_sweep_trains_every_job_in_its_own_directory(fork: Callable[..., Forked], tmp_path: Path) -> None:
    ran = fork("-m", "model=sequential,class", "optimizer.lr=0.01,0.1,1", "trainer.max_epochs=20", "hydra.sweep.dir=sweep")
    assert ran.wait() == 0, ran.output()
    runs = {path.parent.name: Run(path.parent) for path in (tmp_path / "sweep").glob("*/metrics.json")}
    rates = {"0.01": 0.01, "0.1": 0.1, "1": 1}
    names = {(model, lr): f"model={model},optimizer.lr={lr}" for model in ("sequential", "class") for lr in rates}
    assert set(runs) == set(names.values())
    losses = {key: runs[name].json()["train/loss"] for key, name in names.items()}
    assert all(losses["sequential", lr] == losses["class", lr] for lr in rates)  # the class is the same network
    assert len(set(losses.values())) == 3
    for (_, lr), name in names.items():
        assert runs[name].checkpoint()["hyper_parameters"]["config"]["optimizer"]["lr"] == rates[lr]


def test_a_failing_job_is_told_and_the_others_run(fork: Callable[..., Forked], tmp_path: Path) -> None:
    ran = fork("-m", "optimizer.lr=0.1,-1,0.2", "model.weight=null,[1,2,3]", "trainer.max_epochs=2", "hydra.sweep.dir=sweep")
    assert ran.wait() == 1
    finished = sorted(path.parent.name for path in (tmp_path / "sweep").glob("*/metrics.json"))
    assert finished == [f"model.weight=null,optimizer.lr={lr}" for lr in ("0.1", "0.2")]
    told = " ".join(ran.output().split())
    assert told.count("optimizer.lr=-1 is not allowed") == 4  # each when it happens, and in the table at the end
    assert told.count("model.weight has 3 values and the data has 2 features") == 4
    assert "Traceback" not in told


def test_the_value_of_a_run_is_the_monitored_metric(fit: Callable[..., Run], tmp_path: Path) -> None:
    loss = fit("trainer.max_epochs=5", directory=tmp_path / "loss")
    assert loss.value == pytest.approx(loss.json()["train/loss"])
    accuracy = fit("trainer.max_epochs=5", "monitor=train/accuracy", "monitor_mode=max", directory=tmp_path / "accuracy")
    assert accuracy.value == pytest.approx(accuracy.json()["train/accuracy"])


def test_on_a_terminal_a_bar_shows_loss_and_accuracy(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, str(ROOT / "train.py"), "trainer.max_epochs=1000", "hydra.run.dir=run"]
    env = environment({"TERM": "xterm", "COLUMNS": "110", "LINES": "30"})
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    while select.select([master], [], [], 60)[0]:
        try:
            shown += os.read(master, 65536)
        except OSError:  # the other end is closed
            break
    os.close(master)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    bars = re.findall(r"epoch\s+\d+/1000 .*train/loss 0\.\d{4}\s+train/accuracy [01]\.\d{4}", text)
    assert bars, text[-2000:]
    assert text.rstrip().splitlines()[-1].strip().startswith("dashboard")
