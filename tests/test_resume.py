"""Resume: the same weights, bit for bit, as the run that was never stopped; another run is told apart."""

import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import Forked
from runs import Run, same_results, same_weights

from logitlab.errors import UserError
from logitlab.runs.checkpoint_io import load
from logitlab.runs.resume import check_same_run, latest_overrides
from logitlab.runs.run_directory import RunDirectory

MINI_BATCHES = ("data.batch_size=4", "data.shuffle=true", "optimizer.lr=0.1")


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("model=tensors", "optimizer.momentum=0.9"),
        ("model=class", "optimizer=adam"),
        ("model=logits", *MINI_BATCHES, "optimizer.momentum=0.5"),
    ],
)
def test_twenty_and_twenty_epochs_are_forty(fit: Callable[..., Run], tmp_path: Path, settings: tuple[str, ...]) -> None:
    whole = fit(*settings, "trainer.max_epochs=40", directory=tmp_path / "whole")
    half = fit(*settings, "trainer.max_epochs=20", directory=tmp_path / "half")
    assert not same_weights(half.state(), whole.state())
    resumed = fit(*settings, "trainer.max_epochs=40", f"ckpt_path={half.path}", directory=half.path)
    assert same_weights(resumed.state(), whole.state())
    assert same_weights(resumed.state("best"), whole.state("best"))
    assert resumed.curve() == whole.curve()
    assert resumed.json() == whole.json()
    assert (resumed.path / "coefficients.csv").read_text() == (whole.path / "coefficients.csv").read_text()


@pytest.mark.parametrize("optimizer", ["newton", "lbfgs"])
@pytest.mark.parametrize("stopped_after", [1, 4])
def test_a_solver_goes_on_where_it_stood(fit: Callable[..., Run], tmp_path: Path, optimizer: str, stopped_after: int) -> None:
    settings = ("data=study", f"optimizer={optimizer}", "model=tensors")
    whole = fit(*settings, directory=tmp_path / "whole")
    part = fit(*settings, f"trainer.max_epochs={stopped_after}", directory=tmp_path / "part")
    assert not same_weights(part.state(), whole.state())
    resumed = fit(*settings, f"ckpt_path={part.path}", directory=part.path)
    assert same_weights(resumed.state(), whole.state())
    assert resumed.json() == whole.json()
    assert resumed.json()["converged"] == 1
    assert resumed.curve() == whole.curve()


def test_a_finished_run_can_be_finished_again(fit: Callable[..., Run]) -> None:
    """A process may be killed after the last checkpoint and before the results: they are made then, from the checkpoint."""
    run = fit("trainer.max_epochs=20")
    metrics = run.json()
    (run.path / "metrics.json").unlink()
    again = fit("trainer.max_epochs=20", f"ckpt_path={run.path}", directory=run.path)
    assert again.json() == metrics
    assert again.value == run.value


WITH_VAL = ("data=study", "data.folds=5", "data.fold=0", "model=logits")


@pytest.mark.parametrize(
    "settings",
    [
        (*WITH_VAL, "threshold=f1", "calibration=platt", "trainer.max_epochs=30"),
        (*WITH_VAL, "optimizer.lr=5", "callbacks.early_stopping.patience=3", "trainer.max_epochs=1000"),
        (*WITH_VAL, "optimizer=newton"),
        ("data=study", "callbacks.convergence.tolerance=0.01", "trainer.max_epochs=1000"),
        ("data=study", "optimizer=lbfgs", "model=class"),
    ],
    ids=["all epochs", "early stopping", "newton", "convergence", "lbfgs"],
)
def test_a_finished_run_trains_no_epoch_more(fit: Callable[..., Run], tmp_path: Path, settings: tuple[str, ...]) -> None:
    """Also where the process was killed after its last checkpoint: the results are made from that."""
    run = fit(*settings)
    before = Run(shutil.copytree(run.path, tmp_path / "before"), run.value)
    epochs = before.checkpoint()["epoch"]
    assert epochs < 1000
    for left in (("metrics.json", "coefficients.csv", "checkpoints/best.ckpt"), ()):
        for name in left:
            (run.path / name).unlink()
        again = fit(*settings, f"ckpt_path={run.path}")
        assert again.checkpoint()["epoch"] == epochs
        assert again.value == before.value
        assert same_results(again, before)


def test_a_run_is_resumed_that_was_killed_at_the_end_of_an_epoch(fork: Callable[..., Forked], tmp_path: Path) -> None:
    """Lightning counts an epoch a moment after it is saved there."""
    settings = ("trainer.max_epochs=6", "callbacks.checkpoints.every_n_seconds=0")
    whole = fork(*settings, "hydra.run.dir=whole")
    killed = Forked((*settings, "hydra.run.dir=run"), tmp_path, {}, dies_at=30)
    assert killed.wait() == -signal.SIGKILL, killed.output()
    assert Run(tmp_path / "run").checkpoint()["epoch"] < 6
    resumed = fork(*settings, "hydra.run.dir=run", "ckpt_path=run")
    assert resumed.wait() == 0, resumed.output()
    assert whole.wait() == 0
    assert same_results(Run(tmp_path / "run"), Run(tmp_path / "whole"))


def test_more_patience_lets_a_run_go_on_that_had_ended(fit: Callable[..., Run], tmp_path: Path) -> None:
    settings = (*WITH_VAL, "optimizer.lr=5", "trainer.max_epochs=1000")
    run = fit(*settings, "callbacks.early_stopping.patience=3")
    epochs = run.checkpoint()["epoch"]
    whole = fit(*settings, "callbacks.early_stopping.patience=6", directory=tmp_path / "whole")
    assert whole.checkpoint()["epoch"] > epochs
    fit(*settings, "callbacks.early_stopping.patience=6", f"ckpt_path={run.path}")
    for name in ("last", "best"):
        assert same_weights(run.state(name), whole.state(name))
    assert run.json() == whole.json()  # the log besides has the pictures of the moment at which the run had ended at first
    assert run.curve() == whole.curve()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("optimizer.lr=0.5", "optimizer.lr was 1.0 and is 0.5"),
        ("optimizer=adam", "optimizer._target_ was torch.optim.SGD and is torch.optim.Adam"),
        ("model=class", "model._target_ was logitlab.networks.Sequential and is logitlab.networks.BinaryClassifier"),
        ("data=hours", "data.source._target_ was logitlab.data.toy.toy and is logitlab.data.hours.hours"),
        ("data.shuffle=true", "data.shuffle was false and is true"),
        ("seed=2", "seed was 1 and is 2"),
        ("trainer.max_epochs=3", "nothing is left to train. Type a larger trainer.max_epochs."),
    ],
)
def test_another_run_is_refused_with_the_difference(fit: Callable[..., Run], change: str, said: str) -> None:
    run = fit("trainer.max_epochs=5")
    before = run.checkpoint()
    overrides = ["trainer.max_epochs=10"] if "max_epochs" not in change else []
    with pytest.raises(UserError) as told:
        fit(*overrides, change, f"ckpt_path={run.path}", directory=run.path)
    assert said in str(told.value)
    assert same_weights(run.state(), before["state_dict"])


def test_of_many_differences_some_are_named(fit: Callable[..., Run]) -> None:
    run = fit("trainer.max_epochs=5")
    with pytest.raises(UserError, match=r"(\S+ was \S+ and is \S+; ){5}and \d+ more\. Type"):
        fit("optimizer=newton", "model=tensors", "data=hours", "penalty.l2=1", "seed=3", f"ckpt_path={run.path}")


def test_another_accelerator_or_logger_is_the_same_run(fit: Callable[..., Run]) -> None:
    run = fit("trainer.max_epochs=5")
    fit("trainer.max_epochs=8", "trainer.accelerator=auto", "callbacks.print_epochs.every_n_epochs=4", f"ckpt_path={run.path}")
    assert run.checkpoint()["epoch"] == 8


def test_best_is_not_resumed_from(fit: Callable[..., Run]) -> None:
    run = fit("trainer.max_epochs=5")
    with pytest.raises(UserError, match=r"holds weights alone .*resume from last\.ckpt"):
        fit("trainer.max_epochs=10", f"ckpt_path={run.path}/checkpoints/best.ckpt", directory=run.path)


def test_the_advice_of_a_refusal_is_what_was_typed_last_and_never_fewer_epochs(fit: Callable[..., Run]) -> None:
    run = fit("trainer.max_epochs=5", "optimizer.lr=0.5")
    fit("trainer.max_epochs=8", "optimizer.lr=0.5", f"ckpt_path={run.path}", directory=run.path)
    with pytest.raises(UserError) as told:
        fit("trainer.max_epochs=12", f"ckpt_path={run.path}", directory=run.path)
    advice = f"trainer.max_epochs=8 optimizer.lr=0.5 ckpt_path={run.path}"
    assert f"Type the run's own settings again: {advice}; or leave" in str(told.value)
    fit(*advice.split(), directory=run.path)  # as it says
    (run.path / ".hydra/resumed-2/overrides.yaml").write_text("[trainer.max_epochs=3, 'ckpt_path=x', 'data.source.a=b c']")
    assert latest_overrides(RunDirectory(run.path), 8) == (f"trainer.max_epochs=8 'data.source.a=b c' ckpt_path={run.path}")


def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    fit: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = fit("trainer.max_epochs=30", directory=tmp_path / "whole")
    run = fit("trainer.max_epochs=10", directory=tmp_path / "run")
    fit("trainer.max_epochs=20", f"ckpt_path={run.path}", directory=run.path)
    last = run.path / "checkpoints/last.ckpt"
    assert load(f"{last}.previous")["epoch"] == 10
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 4
    last.write_bytes(content)
    capsys.readouterr()
    fit("trainer.max_epochs=30", f"ckpt_path={run.path}", directory=run.path)
    assert re.fullmatch(
        r"Note: The .* is damaged .* The run resumes from the one saved before it, .*\n", capsys.readouterr().err
    )
    assert same_weights(run.state(), whole.state())
    last.write_bytes(content)
    Path(f"{last}.previous").unlink()
    with pytest.raises(UserError, match="is damaged"):
        fit("trainer.max_epochs=40", f"ckpt_path={run.path}", directory=run.path)


def test_a_finished_run_is_not_overwritten(fit: Callable[..., Run]) -> None:
    run = fit("trainer.max_epochs=5")
    before = run.state()
    with pytest.raises(UserError, match=r"already holds a run\. To resume it type ckpt_path="):
        fit("trainer.max_epochs=5", directory=run.path)
    assert same_weights(run.state(), before)


def test_metrics_of_somebody_else_are_not_written_over(fit: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("mine")
    with pytest.raises(UserError, match=r"metrics\.json is there already"):
        fit("trainer.max_epochs=5", directory=tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("metrics.json", "mine")]


LONG = ("trainer.max_epochs=1000", "callbacks.checkpoints.every_n_seconds=0.05", "hydra.run.dir=run")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_saves_in_the_middle_of_an_epoch_and_the_run_goes_on(
    fork: Callable[..., Forked], stop_in_training: Callable[..., int], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    settings = ("data.batch_size=1", "data.shuffle=true", "optimizer.lr=0.1", "trainer.max_epochs=200")
    whole = fork(*LONG, *settings, "hydra.run.dir=whole")
    stopped = fork(*LONG, *settings)
    run = Run(tmp_path / "run")
    assert stop_in_training(stopped, run.path, number) == code, stopped.output()
    assert f"Stopped by {number.name}. The run is saved" in stopped.output()
    assert "Traceback" not in stopped.output()
    epochs = run.checkpoint()["epoch"]
    assert epochs < 200
    command = stopped.output().strip().splitlines()[-1].split()
    assert command[:2] == ["python", "train.py"]
    resumed = fork(*command[2:])
    assert resumed.wait() == 0, resumed.output()
    assert whole.wait() == 0, whole.output()
    assert same_weights(run.state(), Run(tmp_path / "whole").state())
    assert run.curve() == Run(tmp_path / "whole").curve()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_without_checkpoints_a_signal_still_has_its_exit_code(
    fork: Callable[..., Forked], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = fork("callbacks.checkpoints=null", "trainer.max_epochs=1000000", "hydra.run.dir=run")
    while not list((tmp_path / "run").glob("events*")):
        assert process.alive(), process.output()
        time.sleep(0.01)
    time.sleep(0.3)
    process.send(number)
    assert process.wait() == code, process.output()
    assert process.output().strip() == f"Stopped by {number.name}. Nothing was saved."


@pytest.mark.slow
def test_killed_eight_times_and_resumed_to_the_same_weights(
    fork: Callable[..., Forked], stop_in_training: Callable[..., int], tmp_path: Path
) -> None:
    """kill -9 at seeded moments, $TMPDIR on another file system where there is one: no checkpoint is ever damaged."""
    env = {"TMPDIR": "/dev/shm"} if Path("/dev/shm").is_dir() else {}
    settings = (*LONG[:2], *MINI_BATCHES, "trainer.max_epochs=300")
    whole = fork(*settings, "hydra.run.dir=whole")
    chance = random.Random(0)
    moments = [chance.uniform(0, 0.3) for _ in range(8)]
    killed = 0
    for number, moment in enumerate(moments):
        run = Run(tmp_path / f"run{number}")
        process = fork(*settings, f"hydra.run.dir={run.path.name}", env=env)
        killed += stop_in_training(process, run.path, signal.SIGKILL, after=moment) == -signal.SIGKILL
        for path in (run.path / "checkpoints").glob("[!.]*.ckpt*"):  # a leading dot: in the making when the process died
            load(path)  # damaged is refused
        resumed = fork(*settings, f"ckpt_path={run.path.name}", env=env)
        assert resumed.wait() == 0, resumed.output()
        assert "damaged" not in resumed.output()
        assert list((run.path / "checkpoints").glob(".*")) == []
        assert whole.wait() == 0
        assert same_weights(run.state(), Run(tmp_path / "whole").state()), f"killed after {moment} s"
        assert same_weights(run.state("best"), Run(tmp_path / "whole").state("best"))
        assert run.curve() == Run(tmp_path / "whole").curve()
        shutil.rmtree(run.path)
    assert killed >= 4  # the others had finished


def test_a_hint_never_repeats_what_was_typed(fit: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    run = fit("trainer.max_epochs=3")
    monkeypatch.setattr(sys, "argv", ["train.py", "trainer.max_epochs=3", f"ckpt_path={run.path}"])
    checkpoint, rerun = run.checkpoint(), f"trainer.max_epochs=3 ckpt_path={run.path}"
    now = {**checkpoint["hyper_parameters"]["config"], "seed": 2}
    with pytest.raises(UserError, match="conf/ has changed since: type each old value as KEY=VALUE") as told:
        check_same_run(checkpoint, now, 3, rerun)
    assert rerun not in str(told.value) and "seed was 1 and is 2" in str(told.value)
