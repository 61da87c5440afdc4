"""Newton's method (iteratively reweighted least squares), with proximal steps where there is an l1 penalty."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from logitlab.features import Features
from logitlab.penalties import ElasticNet
from logitlab.solvers.objective import Evaluation, Objective, one_core
from logitlab.solvers.quadratic import lasso, solve
from logitlab.solvers.steps import Steps

SETTLED = 1e-3
"""At an optimum the last step is far below this part of the parameters. Where there is no optimum (separable classes) every
step adds about the same, however small the gradient: a hundred iterations would not come down to it."""

MOST_LEFT = 0.1
"""Of the gradient, by a step with a Hessian of an earlier point, for that Hessian to serve another step."""

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
        gradient_norm: largest absolute entry of the objective's gradient (its smallest subgradient, with l1).
        hessian: of the mean loss and the l2 penalty, (features + 1, features + 1), the bias last; its inverse over the
            number of rows is the coefficients' covariance.
        iterations: evaluations made.
        aliased: the columns that depend on those before them and have the weight 0, where that was looked for.
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
    aliased: tuple[int, ...] = ()


def newton(
    features: Tensor | Features,
    target: Tensor,
    weight: Tensor | None = None,
    l2: float = 0.0,
    l1: float = 0.0,
    start: Tensor | None = None,
    tolerance: float = 1e-9,
    max_iterations: int = 100,
) -> Solution:
    """Return the minimum of the mean (weighted) cross-entropy plus l1 * sum |w| + l2 / 2 * sum w^2, in float64.

    Args:
        features: (rows, features), any float type or `Features`.
        target: (rows,) or (rows, 1), 0 or 1.
        weight: of the rows, (rows,) or (rows, 1); None: 1 each.
        l2: strength of the l2 penalty (`penalties.ElasticNet`).
        l1: strength of the l1 penalty.
        start: weights and bias to start from, (features + 1,); None: zero.
        tolerance: on the gradient's largest absolute entry.
        max_iterations: evaluations at most.
    """
    objective = Objective(features, target, weight, ElasticNet(l1, l2))
    return minimum(objective, NewtonSteps(tolerance, l1), start, max_iterations)


def minimum(objective: Objective, steps: Steps, start: Tensor | None = None, max_iterations: int = 100) -> Solution:
    """Return where `steps` lead on a table in memory; the arguments are those of `newton`."""
    features = objective.features
    point = torch.zeros(features.shape[1] + 1, dtype=torch.float64) if start is None else start.double()
    iterations = 0
    while True:
        iterations += 1
        seen = objective(point, steps.wants_hessian)
        with one_core(len(point)):
            following = steps.next_point(seen)
        if following is None or iterations == max_iterations:
            break
        point = following
    hessian = None if steps.wants_hessian or steps.best is None else objective(steps.best.parameters).hessian
    return ended(steps, iterations, hessian)


def ended(steps: Steps, iterations: int, hessian: Tensor | None = None) -> Solution:
    """Return where `steps` ended; the Hessian there is needed of those that do not ask for it."""
    best = steps.best
    assert best is not None
    hessian = best.hessian if hessian is None else hessian
    assert hessian is not None
    weight, bias = best.parameters[:-1], best.parameters[-1]
    return Solution(weight, bias, best.loss, best.value, best.gradient_norm, hessian, iterations, steps.converged)


class NewtonSteps(Steps):
    """Goes to the minimum of the quadratic model; a step that lowers the objective too little (Armijo) is halved.

    With an l1 penalty the model keeps |w| as it is, and zeros are exact (Lee, Sun and Saunders, SIAM J. Optim. 24, 2014).

    A Hessian of a sample of the rows, or of less exact sums at their optimum, serves as long as every step with it takes nine
    tenths of the gradient away: a pass that needs no Hessian is several times as fast.

    Attributes:
        separated: the Hessian lost a rank that it had at the start: along some direction every row is so sure of its class
            that nothing bends any more, which only happens on the way to an infinite optimum.
    """

    def __init__(self, tolerance: float, l1: float = 0.0) -> None:
        """Stop where the gradient's largest absolute entry is at most `tolerance` and the steps have died out."""
        self.tolerance = tolerance
        self.l1 = l1
        self.wants_hessian = True
        self.best: Evaluation | None = None
        self.converged = False
        self.separated = False
        self._direction = torch.empty(0)
        self._slope = 0.0
        self._length = 1.0
        self._rank = 0
        self._hessian: Tensor | None = None

    def precondition(self, hessian: Tensor) -> None:  # noqa: D102
        self._hessian, self.wants_hessian = hessian, False

    def restart(self) -> None:  # noqa: D102
        self._hessian = None if self.best is None else self.best.hessian
        self.wants_hessian = self._hessian is None
        super().restart()
        self.separated, self._rank = False, 0

    def next_point(self, seen: Evaluation) -> Tensor | None:  # noqa: D102
        if seen.hessian is None:
            seen = replace(seen, hessian=self._hessian)
        is_near = self.best is None or seen.gradient_norm <= self.best.gradient_norm * MOST_LEFT
        self.wants_hessian = self.wants_hessian or not is_near
        if self.best is not None and not self._is_enough(seen):
            self._length /= 2
            if self._length < 2.0**-MOST_HALVINGS:
                return None
            return self.best.parameters + self._length * self._direction
        self.best = seen
        rank = self._set_direction(seen)
        self._rank, self.separated = max(rank, self._rank), rank < self._rank
        settled = self._relative_step(seen) <= SETTLED and not self.separated
        norm = seen.gradient_norm
        if 0 < rank < len(seen.gradient):  # collinear columns: nothing can be done about the rounding across their span
            assert seen.hessian is not None
            norm = min(norm, float((seen.hessian @ self._direction).abs().max()))
        self.converged = norm <= self.tolerance and settled
        hopeless = self.separated or seen.gradient_norm <= 1e-6 * self.tolerance
        if self.converged or hopeless or not torch.isfinite(self._direction).all():
            return None
        return seen.parameters + self._direction

    def _set_direction(self, seen: Evaluation) -> int:
        """Set direction, slope and length for the step from `seen`; return the Hessian's rank."""
        assert seen.hessian is not None
        here, self._length = seen.parameters, 1.0
        if not self.l1:
            self._direction, rank = solve(seen.hessian, -seen.gradient)
            self._slope = float(seen.gradient @ self._direction)
            return rank
        l1_penalty = ElasticNet(l1=self.l1)
        l1 = torch.full_like(here, self.l1)
        l1[-1] = 0
        there = lasso(seen.hessian, seen.hessian @ here - seen.gradient, here, l1)
        self._direction = there - here
        rise = float(l1_penalty(there[:-1]) - l1_penalty(here[:-1]))
        self._slope = float(seen.gradient @ self._direction) + rise
        return 0  # l1 keeps the optimum finite but for the bias of a one-class table, where the steps never settle

    def _is_enough(self, seen: Evaluation) -> bool:
        assert self.best is not None
        rounding = 1e-15 * (1 + abs(self.best.value))
        return seen.value <= self.best.value + SUFFICIENT_DECREASE * self._length * self._slope + rounding

    def _relative_step(self, seen: Evaluation) -> float:
        """Return the largest entry of a step against the largest of the parameters, each in its column's own scale."""
        assert seen.hessian is not None
        scale = seen.hessian.diagonal().clamp(min=0).sqrt()
        scale = scale / scale.max().clamp(min=torch.finfo(scale.dtype).tiny)
        return float((self._direction * scale).abs().max() / ((seen.parameters * scale).abs().max() + 1e-6))
