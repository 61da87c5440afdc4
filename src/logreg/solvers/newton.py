"""Newton's method (iteratively reweighted least squares) for the smooth objective, one evaluation at a time."""

from dataclasses import dataclass

import torch
from torch import Tensor

from logreg.solvers.objective import Evaluation, Objective, Penalty

SETTLED = 1e-3
"""At an optimum the last step is far below this part of the parameters. Where there is no optimum (separable classes) every
step adds about the same, however small the gradient: a hundred iterations would not come down to it."""

SUFFICIENT_DECREASE = 1e-4
MOST_HALVINGS = 30


@dataclass(frozen=True)
class Solution:
    """Where a solver ended.

    Attributes:
        weight: (features,), float64.
        bias: (), float64.
        loss: the mean cross-entropy alone.
        value: loss + penalty.
        gradient_norm: largest absolute entry of the objective's gradient.
        hessian: of the mean loss and the l2 penalty, (features + 1, features + 1), the bias last; its inverse over the
            number of rows is the coefficients' covariance.
        iterations: evaluations made.
        converged: the gradient is within the tolerance and the steps have died out; False where the optimum is infinite.
    """

    weight: Tensor
    bias: Tensor
    loss: float
    value: float
    gradient_norm: float
    hessian: Tensor
    iterations: int
    converged: bool


def newton(
    features: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    l2: float = 0.0,
    start: Tensor | None = None,
    tolerance: float = 1e-9,
    max_iterations: int = 50,
) -> Solution:
    """Return the minimum of the mean (weighted) cross-entropy plus l2 / 2 * sum w^2, in float64.

    Args:
        features: (rows, features), any float type.
        target: (rows,) or (rows, 1), 0 or 1.
        weight: of the rows, (rows,) or (rows, 1); None: 1 each.
        l2: the penalty (`Penalty`).
        start: weights and bias to start from, (features + 1,); None: zero.
        tolerance: on the gradient's largest absolute entry.
        max_iterations: evaluations at most.
    """
    objective = Objective(features, target, weight, Penalty(l2=l2))
    steps = NewtonSteps(tolerance)
    point = features.new_zeros(features.shape[1] + 1, dtype=torch.float64) if start is None else start.double()
    iterations = 0
    while True:
        iterations += 1
        following = steps.after(objective(point))
        if following is None or iterations == max_iterations:
            break
        point = following
    return _solution(steps, iterations)


class NewtonSteps:
    """Newton's method as a dialogue: it is told the objective at a point and answers with the next point to look at.

    So the same steps serve a table in memory and one that streams by in batches: an evaluation is a pass over the rows,
    whoever makes it. A step that does not lower the objective enough (Armijo's condition) is halved.
    """

    def __init__(self, tolerance: float) -> None:
        """Stop where the gradient's largest absolute entry is at most `tolerance` and the steps have died out."""
        self.tolerance = tolerance
        self.best: Evaluation | None = None
        self.converged = False
        self._direction = torch.empty(0)
        self._slope = 0.0
        self._length = 1.0

    def after(self, seen: Evaluation) -> Tensor | None:
        """Return the next point, (features + 1,), given the objective at the one asked for last; None: finished."""
        if self.best is not None and not self._is_enough(seen):
            self._length /= 2
            if self._length < 2.0**-MOST_HALVINGS:
                return None
            return self.best.parameters + self._length * self._direction
        self.best = seen
        assert seen.hessian is not None
        self._direction = solve(seen.hessian, -seen.gradient)
        self._slope = float(seen.gradient @ self._direction)
        self._length = 1.0
        settled = _relative_size(self._direction, seen) <= SETTLED
        self.converged = float(seen.gradient.abs().max()) <= self.tolerance and settled
        if self.converged or not torch.isfinite(self._direction).all():
            return None
        return seen.parameters + self._direction

    def _is_enough(self, seen: Evaluation) -> bool:
        assert self.best is not None
        rounding = 1e-15 * (1 + abs(self.best.value))
        return seen.value <= self.best.value + SUFFICIENT_DECREASE * self._length * self._slope + rounding


def solve(hessian: Tensor, right: Tensor) -> Tensor:
    """Return x with hessian x = right, for a positive semidefinite matrix (size, size) of whatever units.

    The matrix is scaled to a diagonal of ones first. A singular one (collinear or constant columns) gives the shortest
    solution in that scale.
    """
    scale = hessian.diagonal().clamp(min=torch.finfo(hessian.dtype).tiny).rsqrt()
    scale = torch.where(hessian.diagonal() > 0, scale, 0.0)
    scaled = hessian * scale[:, None] * scale
    factor, failed = torch.linalg.cholesky_ex(scaled)
    if not failed and float(factor.diagonal().min()) > 1e-6:  # the smallest pivot: far from singular
        return scale * torch.cholesky_solve((scale * right)[:, None], factor)[:, 0]
    values, vectors = torch.linalg.eigh(scaled)
    kept = values > values.max() * len(values) * 1e-13
    parts = vectors.T @ (scale * right)
    return scale * (vectors @ torch.where(kept, parts / torch.where(kept, values, 1.0), 0.0))


def _relative_size(direction: Tensor, seen: Evaluation) -> float:
    """Return the largest entry of a step against the largest of the parameters, each in its column's own scale."""
    assert seen.hessian is not None
    scale = seen.hessian.diagonal().clamp(min=0).sqrt()
    scale = scale / scale.max().clamp(min=torch.finfo(scale.dtype).tiny)
    return float((direction * scale).abs().max() / ((seen.parameters * scale).abs().max() + 1e-6))


def _solution(steps: NewtonSteps, iterations: int) -> Solution:
    best = steps.best
    assert best is not None and best.hessian is not None
    return Solution(
        weight=best.parameters[:-1],
        bias=best.parameters[-1],
        loss=best.loss,
        value=best.value,
        gradient_norm=float(best.gradient.abs().max()),
        hessian=best.hessian,
        iterations=iterations,
        converged=steps.converged,
    )
