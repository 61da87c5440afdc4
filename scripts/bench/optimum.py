"""To the optimum of a large table.

No penalty, every gradient tolerance 1e-6, all cores for everyone, tables in memory in the type that each is said to take.
`excess` is how far the loss, worked out in float64, stays above the least of all; `gradient` its largest entry there. A rival
that stops early (scikit-learn's lbfgs does in float32) is not within 1e-9 of the optimum and is not the one to compare with.
`Trainer.fit` is the same solver inside Lightning: data module, logged loss and accuracy and all, without callbacks.
"""

import warnings
from collections.abc import Callable
from typing import Any

import glum
import lightning.pytorch as pl
import numpy as np
import torch
from harness import alternately, comparison, headline, keeping, table
from sklearn.linear_model import LogisticRegression as Sklearn
from torch import Tensor

from logitlab import logging_setup
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.examples import Examples
from logitlab.networks import Logits
from logitlab.solvers.objective import Objective
from logitlab.solvers.solver import LBFGS, Newton, Solver
from logitlab.training.module import LogisticRegression

SIZES = ((2_000_000, 28), (200_000, 200), (50_000, 2_000))
TOLERANCE = 1e-6
LARGE = 1_000

Subject = Callable[[], Tensor]


def measure(rounds: int) -> str:
    """Return a table for each size."""
    warnings.simplefilter("ignore")  # scikit-learn and glum warn where float32 ends before the tolerance
    logging_setup.quiet_libraries()
    return "\n\n".join(_of_size(rows, columns, rounds) for rows, columns in SIZES)


def _of_size(rows: int, columns: int, rounds: int) -> str:
    features, target = simulated_table(rows, columns)
    ends: dict[str, Tensor] = {}

    subjects = _ours(features, target) | _rivals(features, target)
    times = alternately(keeping(subjects, ends), rounds)
    objective = Objective(features, target)
    seen = {name: objective(end.double(), hessian=False) for name, end in ends.items()}
    least = min(each.value for each in seen.values())
    exact = [name for name in _rivals(features, target) if seen[name].value - least <= 1e-9]
    fastest = min(exact, key=lambda name: sorted(times[name])[len(times[name]) // 2])
    headline(f"the optimum of {rows:,} x {columns:,}", times, "lbfgs, float32", exact)
    quality = [[name, f"{each.value - least:.0e}", f"{each.gradient_norm:.0e}"] for name, each in seen.items()]
    title = f"{rows:,} x {columns:,}, against {fastest}, the fastest rival that is within 1e-9 of the least loss:"
    return "\n\n".join([title, comparison(times, fastest), table(["", "excess", "gradient"], quality)])


def simulated_table(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Return normal features with a correlation of 0.2 between any two, and a target of middling difficulty."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(rows, columns, generator=generator).add_(torch.randn(rows, 1, generator=generator), alpha=0.5)
    weight = torch.randn(columns, generator=generator) / columns**0.5
    return features, (torch.rand(rows, generator=generator) < torch.sigmoid(features @ weight - 0.5)).float()[:, None]


def _ours(features: Tensor, target: Tensor) -> dict[str, Subject]:
    names = tuple(f"x{column}" for column in range(features.shape[1]))
    data = InMemoryDataModule(Examples(features, target, names, "y"))

    def alone(kind: type[Solver], dtype: str) -> Subject:
        def run() -> Tensor:
            solver = kind(Logits(features.shape[1], 0.0, 0.0).parameters(), tolerance=TOLERANCE, dtype=dtype)
            while not solver.finished:
                solver.accumulate(features, target)
                solver.step(solver.evaluate)
            assert solver.steps is not None and solver.steps.best is not None
            return solver.steps.best.parameters

        return run

    def in_lightning() -> Tensor:
        network = Logits(features.shape[1], 0.0, 0.0)
        module = LogisticRegression(
            network,
            torch.nn.BCEWithLogitsLoss(),
            lambda parameters: LBFGS(parameters, tolerance=TOLERANCE),
        )
        quiet: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        pl.Trainer(max_epochs=1000, accelerator="cpu", logger=False, **quiet).fit(module, data)
        return torch.cat([network.weight, network.bias[None]]).detach()

    subjects = {"lbfgs, float32": alone(LBFGS, "float32"), "lbfgs, float32, Trainer.fit": in_lightning}
    if features.shape[1] < LARGE:
        subjects["newton, float32"] = alone(Newton, "float32")
    return subjects


def _rivals(features: Tensor, target: Tensor) -> dict[str, Subject]:
    def sklearn(solver: str, dtype: type) -> Subject:
        x: Any = features.numpy().astype(dtype)
        y = target[:, 0].numpy()

        def run() -> Tensor:
            fit = Sklearn(C=np.inf, solver=solver, tol=TOLERANCE, max_iter=1000).fit(x, y)
            return torch.tensor(np.append(fit.coef_[0], fit.intercept_))

        return run

    def glum_irls() -> Tensor:
        model = glum.GeneralizedLinearRegressor(family="binomial", alpha=0, gradient_tol=TOLERANCE, max_iter=100)
        fit = model.fit(features.numpy(), target[:, 0].numpy())
        return torch.tensor(np.append(fit.coef_, fit.intercept_))

    subjects = {f"scikit-learn lbfgs, {kind.__name__}": sklearn("lbfgs", kind) for kind in (np.float32, np.float64)}
    if features.shape[1] < LARGE:
        subjects["scikit-learn newton-cholesky, float32"] = sklearn("newton-cholesky", np.float32)
        subjects["glum, float32"] = glum_irls
    return subjects
