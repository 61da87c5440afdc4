"""Training on a CUDA device: the tutorials' numbers, the weights that the CPU finds, resume, checkpoints, sweeps."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from runs import Run, same_weights
from test_experiment import TUTORIALS
from test_second_device import WAYS

from logitlab.inference.model_file import load_model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]

GPU, CPU = "trainer.accelerator=gpu", "trainer.accelerator=cpu"


def test_the_main_job_prints_the_tutorials_costs(fit: Callable[..., Run]) -> None:
    losses = fit(GPU).curve("train/loss")
    for line in TUTORIALS["toy-sequential"]["curve"]:
        assert losses[line["epoch"]] == pytest.approx(float(line["cost"]), abs=3e-6), line


@pytest.mark.parametrize("way", WAYS)
def test_the_weights_are_those_that_the_cpu_finds(fit: Callable[..., Run], tmp_path: Path, way: str) -> None:
    here, there = (fit("data=study", *WAYS[way], on, directory=tmp_path / on[-3:]) for on in (GPU, CPU))
    for name, weights in there.state().items():
        torch.testing.assert_close(here.state()[name], weights, rtol=1e-4, atol=1e-5)
    assert here.json()["train/loss"] == pytest.approx(there.json()["train/loss"], rel=1e-4)


def test_a_resumed_run_is_bit_for_bit_the_uninterrupted_one(fit: Callable[..., Run], tmp_path: Path) -> None:
    settings = (GPU, "data=study", "data.batch_size=4", "data.shuffle=true", "optimizer=adam")
    whole = fit(*settings, "trainer.max_epochs=20", directory=tmp_path / "whole")
    run = fit(*settings, "trainer.max_epochs=8", directory=tmp_path / "run")
    fit(*settings, "trainer.max_epochs=20", f"ckpt_path={run.path}", directory=run.path)
    assert same_weights(run.state(), whole.state())
    assert run.curve() == whole.curve()


def test_the_model_needs_no_gpu_afterwards(fit: Callable[..., Run]) -> None:
    run = fit(GPU, "trainer.max_epochs=20")
    content = torch.load(run.path / "checkpoints/last.ckpt", weights_only=True)  # to where the tensors were
    assert {tensor.device.type for tensor in content["state_dict"].values()} == {"cpu"}
    assert next(load_model(str(run.path)).network.parameters()).device.type == "cpu"


def test_runs_of_a_sweep_trained_together_are_those_trained_alone(run_train, fit: Callable[..., Run], tmp_path: Path) -> None:
    swept = run_train(
        "-m", "hydra/launcher=batched", GPU, "optimizer.lr=0.1,1", "seed=1,2", "trainer.max_epochs=50", "hydra.sweep.dir=sweep"
    )
    assert swept.returncode == 0, swept.stderr
    for lr in 0.1, 1:
        for seed in 1, 2:
            alone = fit(GPU, f"optimizer.lr={lr}", f"seed={seed}", "trainer.max_epochs=50", directory=tmp_path / f"{lr}-{seed}")
            (member,) = tmp_path.glob(f"sweep/*lr={lr},seed={seed}*")
            for name, weights in alone.state().items():
                torch.testing.assert_close(Run(member).state()[name], weights, rtol=1e-4, atol=1e-5)
