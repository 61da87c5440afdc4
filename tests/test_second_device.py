"""Training where rows and weights lie on another device than the CPU, as on a GPU: nothing may be mixed, or left there."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from runs import Run, same_weights
from second_device import DEVICE, LazyTrainer, begin

from logitlab.cli import entry_point
from logitlab.inference.model_file import load_model

WAYS = {
    "full batch": ("trainer.max_epochs=20",),
    "mini-batches": ("trainer.max_epochs=3", "data.batch_size=8", "data.shuffle=true", "optimizer.lr=0.1"),
    "val rows": ("trainer.max_epochs=5", "data.folds=4", "data.fold=0", "optimizer.lr=0.1"),
    "weighted classes": ("trainer.max_epochs=5", "model=logits", "loss.pos_weight=balanced", "optimizer.lr=0.1"),
    "adam": ("trainer.max_epochs=5", "optimizer=adam", "optimizer.lr=0.1"),
    "l1": ("trainer.max_epochs=5", "penalty.l1=0.1", "optimizer.lr=0.1"),
    "newton": ("optimizer=newton",),
    "newton, l1": ("optimizer=newton", "penalty.l1=0.01"),
    "lbfgs": ("optimizer=lbfgs", "penalty.l2=0.01"),
    "firth": ("optimizer=newton", "penalty=firth"),
}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Lightning train on the second device."""
    monkeypatch.setattr("lightning.pytorch.Trainer", LazyTrainer)


def test_the_device_is_another_one() -> None:
    begin()
    with pytest.raises(RuntimeError, match="not a lazy tensor"):
        torch.ones(1, device=DEVICE) + torch.ones(1)


@pytest.mark.parametrize("way", WAYS)
def test_the_run_is_the_cpus(fit: Callable[..., Run], tmp_path: Path, request: pytest.FixtureRequest, way: str) -> None:
    there = fit("data=study", *WAYS[way], directory=tmp_path / "there")
    request.getfixturevalue("elsewhere")
    here = fit("data=study", *WAYS[way], directory=tmp_path / "here")
    for name, weights in there.state().items():
        torch.testing.assert_close(here.state()[name], weights, rtol=1e-5, atol=1e-6)
    assert here.json() == pytest.approx(there.json(), rel=1e-4, abs=1e-6)
    assert here.curve() == pytest.approx(there.curve(), rel=1e-5)


def test_a_checkpoint_needs_no_such_device_and_is_gone_on_from(
    fit: Callable[..., Run], tmp_path: Path, elsewhere: None
) -> None:
    settings = ("data=study", "data.batch_size=8", "data.shuffle=true", "optimizer=adam")
    whole = fit(*settings, "trainer.max_epochs=6", directory=tmp_path / "whole")
    run = fit(*settings, "trainer.max_epochs=3", directory=tmp_path / "run")
    content = torch.load(run.path / "checkpoints/last.ckpt", weights_only=True)  # to where the tensors were
    assert {tensor.device.type for tensor in content["state_dict"].values()} == {"cpu"}
    assert next(load_model(str(run.path)).network.parameters()).device.type == "cpu"
    fit(*settings, "trainer.max_epochs=6", f"ckpt_path={run.path}", directory=run.path)
    assert same_weights(run.state(), whole.state())
    assert run.curve() == whole.curve()


@pytest.mark.parametrize("way", ["full batch", "mini-batches", "val rows", "adam"])
def test_runs_of_a_sweep_are_trained_together_there(
    fit: Callable[..., Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    elsewhere: None,
    way: str,
) -> None:
    settings = ("data=study", *(setting for setting in WAYS[way] if not setting.startswith("optimizer.lr")))
    monkeypatch.chdir(tmp_path)
    sweep = ("-m", "hydra/launcher=batched", *settings, "optimizer.lr=0.01,0.1", "hydra.sweep.dir=sweep")
    monkeypatch.setattr(sys, "argv", ["train.py", *sweep])
    entry_point.main("train")
    assert "2 in 1 tensor program" in capsys.readouterr().out
    for lr in 0.01, 0.1:
        alone = fit(*settings, f"optimizer.lr={lr}", directory=tmp_path / f"{lr}")
        (member,) = tmp_path.glob(f"sweep/*lr={lr}*")
        for name, weights in alone.state().items():
            torch.testing.assert_close(Run(member).state()[name], weights, rtol=1e-5, atol=1e-6)
