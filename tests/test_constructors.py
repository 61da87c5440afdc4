"""What the command line refuses the constructors refuse, by the same rule and in the same words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.table import table
from logitlab.data.toy import toy
from logitlab.errors import UserError
from logitlab.losses import binary_cross_entropy
from logitlab.monitor import Monitor
from logitlab.networks import Logits
from logitlab.penalties import ElasticNet
from logitlab.results.calibration import CalibrationTable
from logitlab.results.coefficients import Coefficients
from logitlab.solvers.solver import LBFGS, Newton
from logitlab.training.callbacks.checkpoints import Checkpoints
from logitlab.training.callbacks.convergence import Convergence
from logitlab.training.callbacks.early_stopping import early_stopping
from logitlab.training.callbacks.weights import Weights
from logitlab.validation_selection import ValidationSelection


def parameters() -> list[nn.Parameter]:
    return [nn.Parameter(torch.zeros(2))]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ElasticNet(l1=-1), "penalty.l1=-1 is not allowed: penalty.l1 takes a number from 0 up"),
        (lambda: ElasticNet(l2=float("nan")), "penalty.l2=nan is not allowed"),
        (lambda: ElasticNet(l2="auto"), "penalty.l2=auto is not allowed"),  # type: ignore[arg-type]  # what a person may write
        (lambda: InMemoryDataModule(toy(), scale="standrad"), "data.scale=standrad is not allowed: data.scale takes"),
        (lambda: InMemoryDataModule(toy(), batch_size=0), "data.batch_size=0 is not allowed"),
        (lambda: table("rows.csv", "passed", scale="standrad"), "Did you mean 'standard'?"),
        (lambda: table("rows.csv", "passed", missing="ignore"), "data.missing takes refuse | mean | drop"),
        (lambda: Coefficients(errors="hc9"), "results.coefficients.errors=hc9 is not allowed"),
        (lambda: Coefficients(level=95), "results.coefficients.level takes a number above 0 and up to 0.999999"),
        (lambda: CalibrationTable(bins=1), "results.calibration.bins=1 is not allowed"),
        (lambda: Newton(parameters(), dtype="float16"), "optimizer.dtype takes float32 | float64"),
        (lambda: LBFGS(parameters(), history_size=0), "optimizer.history_size=0 is not allowed"),
        (lambda: binary_cross_entropy(Logits(1), pos_weight=-2), "loss.pos_weight=-2 is not allowed"),
        (lambda: Checkpoints("checkpoints", Monitor("train/loss"), every_n_seconds=-1), "every_n_seconds takes a number"),
        (lambda: Convergence(0), "callbacks.convergence.tolerance takes a number above 0"),
        (lambda: early_stopping(Monitor("val/loss"), patience=0), "callbacks.early_stopping.patience=0 is not allowed"),
        (lambda: Weights(growth=1), "callbacks.weights.growth takes a number above 1"),
        (lambda: ValidationSelection("f2", "none"), "threshold=f2 is not allowed"),
        (lambda: ValidationSelection(0.5, "isotonic"), "calibration takes none | temperature | platt"),
    ],
)  # fmt: skip
def test_a_constructor_refuses(make: Callable[[], Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        make()
    assert words in str(caught.value)


def test_numbers_of_numpy_are_numbers() -> None:
    assert ElasticNet(l1=np.float32(0.5), l2=np.int64(1)).l1 == 0.5
    assert Weights(most_features=np.int64(3)).most_features == 3
