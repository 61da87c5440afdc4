"""Optimisers that make one move an epoch, from sums over all rows: Newton's method and L-BFGS for a LightningModule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from logreg import penalties
from logreg.penalties import ElasticNet
from logreg.solvers.lbfgs import LBFGSSteps
from logreg.solvers.newton import NewtonSteps, minimum
from logreg.solvers.objective import Objective, Sums, evaluation, sums
from logreg.solvers.steps import Steps

SAMPLE_ROWS_PER_COLUMN = 50
SMALLEST_SAMPLE = 20_000
WORTH_SAMPLING = 8
"""A table with this many times the sample's rows is begun from the sample's optimum."""


class Solver(torch.optim.Optimizer, ABC):
    """A torch optimiser that is shown every batch (`see`) and moves once all rows have been seen (`step`).

    torch's own optimisers know the gradient of one batch and nothing else. These need sums over all rows, the Hessian among
    them, at one point; so an epoch is one evaluation, in as many batches as there are, and the point moves at its end. The
    network's parameters are those of one linear map, the bias last; the solver keeps its own float64 copy of them.

    Attributes:
        penalty: of the weights; set before training.
        steps: the method; made at the first move.
        finished: nothing is left to do, converged or not.
    """

    def __init__(self, params: Iterable[nn.Parameter], tolerance: float, dtype: str) -> None:
        """Take over the parameters.

        Args:
            params: of a linear map with one output: weights, then the bias.
            tolerance: converged where the gradient's largest absolute entry is at most this.
            dtype: "float64", or "float32" for sums over blocks that are faster and good to about 1e-7.
        """
        super().__init__(params, {"lr": 1.0})
        self.tolerance = tolerance
        self.dtype = {"float64": torch.float64, "float32": torch.float32}[dtype]
        self.penalty = penalties.NONE
        self.steps: Steps | None = None
        self.finished = False
        self._point: Tensor | None = None
        self._sums: Sums | None = None
        self._rows = 0

    @abstractmethod
    def make_steps(self, features: int) -> Steps:
        """Return the method at its start."""

    @property
    def converged(self) -> bool:
        """Whether the best point is the optimum, within the tolerance."""
        return self.steps is not None and self.steps.converged

    @property
    def gradient_norm(self) -> float:
        """The gradient's largest absolute entry at the best point; infinite before the first move."""
        best = None if self.steps is None else self.steps.best
        return float("inf") if best is None else best.gradient_norm

    @torch.no_grad()
    def see(self, features: Tensor, target: Tensor, weight: Tensor | None = None) -> None:
        """Add a batch to the sums at the present point; (batch, features), (batch, 1) and, for row weights, (batch, 1)."""
        if self.steps is None:
            self._begin(features, target, weight)
        assert self.steps is not None and self._point is not None
        part = sums(features, target, weight, self._point.to(features.device), self.steps.wants_hessian, self.dtype)
        self._sums = part if self._sums is None else self._sums + part
        self._rows += len(features)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Move to the next point, from the sums of all batches seen since the last move."""
        loss = None if closure is None else closure()
        assert self.steps is not None and self._point is not None and self._sums is not None, "no batch was seen"
        total = _summed_over_processes(self._sums)
        total.weight = float(self._rows)  # the loss is a mean over rows; row weights have the mean 1
        following = self.steps.after(evaluation(total, self._point, self.penalty))
        self._sums, self._rows = None, 0
        self.finished = following is None
        assert self.steps.best is not None
        self._point = self.steps.best.parameters if following is None else following
        self._write()
        return loss
