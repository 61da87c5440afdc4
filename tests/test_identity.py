"""A run is known again by what decides its numbers: by later versions, under watchers of another kind, in other words."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from runs import compose_config, finished

from logitlab.cli.run_command import CONF
from logitlab.runs.identity import NOT_OF_THE_RUN, WATCHES, WITHOUT, deciding, part
from logitlab.signatures import parameter_defaults
from logitlab.sweeps import member

ALWAYS = {"model", "loss", "penalty", "optimizer", "trainer", "data", "results", "callbacks", "seed"}


def config(tmp_path, *overrides):
    return OmegaConf.to_container(compose_config(*overrides, directory=tmp_path), resolve=True)


@pytest.mark.parametrize(
    "overrides",
    [
        ("logger=none",),
        ("callbacks.print_epochs.every_n_epochs=5", "callbacks.doctor=null", "callbacks.checkpoints.every_n_seconds=1"),
        ("results.dashboard.in_sweeps=true", "callbacks.weights.in_sweeps=true"),
        ("trainer.enable_progress_bar=false", "trainer.log_every_n_steps=7"),
        ("+trainer.min_epochs=null", "+optimizer.dampening=0", "+optimizer.maximize=false"),
        ("data.batch_size=null", "threshold=0.5", "calibration=none", "monitor=null"),
        ("experiment=toy_sequential",),
    ],
)
def test_what_changes_no_number_is_the_same_run(tmp_path, overrides):
    assert member.digest(config(tmp_path, *overrides)) == member.digest(config(tmp_path))


@pytest.mark.parametrize(
    "override",
    [
        *(
            "seed=2",
            "optimizer.lr=0.5",
            "optimizer.momentum=0.1",
            "optimizer=adam",
            "model=class",
            "penalty.l2=0.1",
            "data=hours",
        ),
        *("data.batch_size=2", "data.shuffle=true", "trainer.max_epochs=5", "trainer.precision=64-true", "threshold=f1"),
        *("callbacks.early_stopping.patience=3", "callbacks.convergence.tolerance=0.1", "callbacks.checkpoints=null"),
        *("lr_scheduler=step", "results.coefficients.errors=hc1", "+trainer.gradient_clip_val=1", "monitor=train/accuracy"),
        *("calibration=platt", "cost.false_positive=2", "results.calibration.bins=3", "model.weight=0", "loss.pos_weight=2"),
    ],
)
def test_what_changes_a_number_is_another_run(tmp_path, override):
    assert member.digest(config(tmp_path, override)) != member.digest(config(tmp_path))


def test_every_key_of_conf_is_known_to_decide_or_not(tmp_path):
    """Whoever adds a key says which: a top-level one in WITHOUT, or it counts always; a watcher in WATCHES."""
    assert set(config(tmp_path)) - set(NOT_OF_THE_RUN) - set(WITHOUT) <= ALWAYS
    for key, value in WITHOUT.items():
        assert (config(tmp_path).get(key) or None) == value, f"{key}: conf/ has another default now; say so here"
    for group in ("callbacks", "results"):
        nodes = {name for path in (CONF / group).glob("*.yaml") for name in OmegaConf.load(path)}
        assert nodes >= WATCHES[group]


def test_defaults_are_read_from_the_source():
    assert parameter_defaults("torch.optim.SGD")["momentum"] == 0
    assert parameter_defaults("logitlab.training.callbacks.early_stopping.early_stopping")["patience"] is None
    assert parameter_defaults("lightning.pytorch.Trainer")["accelerator"] == "auto"
    assert parameter_defaults("nowhere.Nothing") == {}
    assert part("optimizer", {"_target_": "torch.optim.SGD", "lr": 1, "momentum": 0.0}) == {
        "_target_": "torch.optim.SGD",
        "lr": 1,
    }
    assert deciding({"a": {"_target_": "torch.optim.SGD", "nesterov": 0}}) == {
        "a": {"_target_": "torch.optim.SGD", "nesterov": 0}
    }


def as_by_an_earlier_version(run: Path) -> None:
    """Let a run's status be noted as by a version whose digests were others and whose configs had fewer keys."""
    path = run / ".hydra" / "config.yaml"
    cfg = OmegaConf.load(path)
    del cfg["calibration"]
    del cfg["callbacks"]["convergence"]
    del cfg["optimizer"]["momentum"]
    OmegaConf.save(cfg, path)
    status = json.loads((run / "status.json").read_text())
    known = ("status", "overrides", "value", "reason", "mistake", "seconds")
    content = {**{name: status[name] for name in known}, "digest": "0123", "a field of a later version": [1]}
    (run / "status.json").write_text(json.dumps(content))


@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_finished_runs_of_an_earlier_version_are_not_trained_again(fork, tmp_path, launcher):
    command = ("-m", f"hydra/launcher={launcher}", "optimizer.lr=0.1,1", "trainer.max_epochs=3", "hydra.sweep.dir=sweep")
    assert fork(*command).wait() == 0
    before = finished(tmp_path / "sweep")
    ran = fork(*command, "logger=none", "callbacks.print_epochs.every_n_epochs=2", "results.dashboard=null")
    assert ran.wait() == 0, ran.output()
    assert finished(tmp_path / "sweep") == before
    for run in before:
        as_by_an_earlier_version(tmp_path / "sweep" / run)
    ran = fork(*command, "calibration=none", "seed=2,1", "optimizer.momentum=0,0.5")
    assert ran.wait() == 0, ran.output()
    after = finished(tmp_path / "sweep")
    assert len(after) == 8
    assert before.items() <= after.items()
