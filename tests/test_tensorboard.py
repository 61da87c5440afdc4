"""The TensorBoard log, read by TensorBoard's own reader and its own HPARAMS backend."""

import contextlib
import resource
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from processes import Forked
from runs import Run, session_groups
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator as PluginEvents

from logitlab.errors import RunError
from logitlab.log.event_files import scalars
from logitlab.log.tensorboard import RunLogger, hparams_of, next_name


def test_hparams_hold_the_knobs_and_the_real_last_metrics(fit: Callable[..., Run], tmp_path: Path) -> None:
    runs = {lr: fit("trainer.max_epochs=30", f"optimizer.lr={lr}", directory=tmp_path / "out" / str(lr)) for lr in (0.1, 0.5)}
    groups = session_groups(tmp_path / "out")
    assert len(groups) == 2
    for group in groups:
        (session,) = group.sessions
        shown = {name: getattr(value, value.WhichOneof("kind")) for name, value in group.hparams.items()}
        run = runs[shown["optimizer.lr"]]
        values = {metric.name.tag: metric.value for metric in session.metric_values}
        assert {"model": "sequential", "data": "toy", "seed": 1}.items() <= shown.items()
        assert not any(name.split(".")[-1].startswith("_") for name in shown)
        assert {"train/loss", "train/accuracy", "train/learning_rate"} <= values.keys()
        assert -1 not in values.values()
        assert values["train/loss"] == pytest.approx(run.json()["train/loss"])
        steps = {metric.name.tag: metric.training_step for metric in session.metric_values}
        assert steps["train/loss"] == steps["train/accuracy"] == 29
        assert steps["train/brier"] == 30  # of the weights that the last update has left
        assert session.status == 1  # STATUS_SUCCESS


def test_the_config_is_there_as_text(fit: Callable[..., Run]) -> None:
    events = fit("trainer.max_epochs=1", "optimizer.lr=0.25").events()
    (text,) = events.Tensors("config/text_summary")
    content = text.tensor_proto.string_val[0].decode()
    assert yaml.safe_load(content.removeprefix("```yaml\n").removesuffix("```"))["optimizer"]["lr"] == 0.25


def test_a_resumed_run_is_one_curve_with_no_step_twice(fit: Callable[..., Run], tmp_path: Path) -> None:
    """What a killed process logged beyond its last checkpoint is logged again, and must then be forgotten."""
    whole = fit("trainer.max_epochs=60", directory=tmp_path / "whole")
    early = fit("trainer.max_epochs=20", directory=tmp_path / "early")
    killed = fit("trainer.max_epochs=40", directory=tmp_path / "out/killed")
    for name in "last.ckpt", "best.ckpt":
        shutil.copy(early.path / "checkpoints" / name, killed.path / "checkpoints" / name)
    resumed = fit("trainer.max_epochs=60", f"ckpt_path={killed.path}", directory=killed.path)
    for tag in "train/loss", "train/accuracy", "train/learning_rate":
        steps = [event.step for event in resumed.events().Scalars(tag)]
        assert steps == list(range(60))
        assert resumed.curve(tag) == whole.curve(tag)
    (group,) = session_groups(tmp_path / "out")
    assert {each.name.tag: each.training_step for each in group.sessions[0].metric_values}["train/loss"] == 59


def test_a_run_that_had_finished_keeps_its_curve_and_its_results_once(fit: Callable[..., Run], tmp_path: Path) -> None:
    """A process may be killed after its last event: all there is to do is to make the results once more."""
    finished = fit("trainer.max_epochs=20", directory=tmp_path / "run")
    scalars, tensors = finished.events().Tags()["scalars"], finished.events().Tags()["tensors"]
    curves = {tag: finished.curve(tag) for tag in scalars}
    again = fit("trainer.max_epochs=20", f"ckpt_path={finished.path}", directory=finished.path)
    for tag in scalars:
        steps = [event.step for event in again.events().Scalars(tag)]
        assert steps == sorted(set(steps))
        assert again.curve(tag) == curves[tag]
    shown = PluginEvents(str(again.path)).Reload()  # EventAccumulator never forgets a tensor, TensorBoard itself does
    assert sorted(again.events().Tags()["tensors"]) == sorted(tensors)
    assert [event.step for event in shown.Tensors("train/pr_curve")] == [0, 1, 4, 16, 20]


@pytest.mark.parametrize("days", [1, 4000])
def test_a_clock_that_was_set_back_hides_no_step(fit: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """TensorBoard reads the files of a run in the order of their names, which begin with a time."""
    run = fit("trainer.max_epochs=40")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 86_400 * days)
    for epochs in (60, 70):
        run = fit(f"trainer.max_epochs={epochs}", f"ckpt_path={run.path}")
        assert sorted(run.curve()) == list(range(epochs))
        shown = PluginEvents(str(run.path), tensor_size_guidance={"scalars": 0}).Reload()
        assert [event.step for event in shown.Tensors("train/loss")] == list(range(epochs))
        assert sorted(scalars(run.path)["train/loss"][0]) == list(range(epochs))
    names = sorted(path.name for path in run.path.glob("events.out.tfevents.*"))
    assert len(names) == 3 and names == sorted(names, key=lambda name: (run.path / name).stat().st_mtime_ns)


def test_a_log_comes_after_whatever_lies_there(tmp_path: Path) -> None:
    for name in (
        "events.out.tfevents.",
        "events.out.tfevents.1",
        "events.out.tfevents.9999999990.host.1",
        "events.out.tfevents.z.b",
    ):
        (tmp_path / name).touch()
        made = next_name(tmp_path, 1.7e9)
        assert made > name and made.startswith("events.out.tfevents.")


def test_an_interrupted_log_holds_what_was_logged_before_it_was_closed(tmp_path: Path) -> None:
    logger = RunLogger(tmp_path, flush_secs=0)
    for step in range(5):
        logger.log_metrics({"train/loss": step / 2}, step=step)
    logger.save()
    assert Run(tmp_path).curve() == {step: step / 2 for step in range(5)}  # no finalize came


def test_a_log_that_cannot_be_written_warns_once_and_is_silent_then(tmp_path: Path) -> None:
    logger = RunLogger(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.warns(
            UserWarning, match=r"The TensorBoard log .* ends here .*File too large.*; training continues"
        ) as told:
            for step in range(3):
                logger.log_metrics({"train/loss": 0.5}, step=step)
                logger.save()
            logger.experiment.add_text("note", "as callbacks write it")
            logger.finalize("success")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len([warning for warning in told if "ends here" in str(warning.message)]) == 1


@pytest.mark.parametrize("end", ["trained", "failed"])
def test_a_run_leaves_no_thread_and_no_open_file(fit: Callable[..., Run], tmp_path: Path, end: str) -> None:
    """A sweep in one process would run out of them."""
    before = set(threading.enumerate())
    with pytest.raises(RunError) if end == "failed" else contextlib.nullcontext():
        fit("model=logits", "trainer.max_epochs=10", f"optimizer.lr={'1e38' if end == 'failed' else 1}")
    assert set(threading.enumerate()) <= before
    assert not [each for each in Path("/proc/self/fd").iterdir() if each.resolve().is_relative_to(tmp_path)]


def test_a_full_disk_under_the_log_does_not_stop_training(fork: Callable[..., Forked], tmp_path: Path) -> None:
    process = fork("hydra.run.dir=run", "trainer.max_epochs=2000", "+logger.tensorboard.flush_secs=0", largest_file=50_000)
    assert process.wait() == 0, process.output()
    assert process.output().count("training continues") == 1
    assert "Traceback" not in process.output()
    run = Run(tmp_path / "run")
    assert run.checkpoint()["epoch"] == 2000
    assert run.json()["train/loss"] > 0


def test_knobs_are_the_choices_and_the_values_under_them_without_hydras_own_keys():
    config = {
        "model": {"_target_": "logitlab.networks.Sequential", "weight": [0.1, -0.2], "bias": None},
        "optimizer": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1},
        "data": {"source": {"_target_": "logitlab.data.toy.toy"}, "shuffle": False},
        "seed": 1,
    }
    assert hparams_of(config, {"model": "sequential", "optimizer": "sgd", "data": "toy"}) == {
        "model": "sequential",
        "model.weight": "[0.1, -0.2]",
        "model.bias": "null",
        "optimizer": "sgd",
        "optimizer.lr": 0.1,
        "data": "toy",
        "data.shuffle": False,
        "seed": 1,
    }
