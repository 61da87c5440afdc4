"""L-BFGS with a strong-Wolfe line search, one evaluation at a time."""

import torch
from torch import Tensor

from logitlab.solvers.objective import Evaluation
from logitlab.solvers.steps import Steps

SUFFICIENT_DECREASE = 1e-4
CURVATURE = 0.9
MOST_TRIALS = 30
EXACT_ROUNDING = 1e-15
MOST_FOR_A_HESSIAN = 500
"""Columns: beyond, a Hessian (features x features) costs more than it saves."""

End = tuple[float, float, float]
"""Length, value and slope at one end of a line search."""


class LBFGSSteps(Steps):
    """Follows the gradient, bent by its last changes (Nocedal and Wright, 2nd ed., algorithms 7.4, 3.5 and 3.6).

    The first evaluation brings a Hessian, which bends every step: neither the columns' units nor their correlation matter
    then, and a handful of passes is enough.
    """

    def __init__(self, tolerance: float, features: int, history: int = 10, rounding: float = EXACT_ROUNDING) -> None:
        """Stop where the gradient's largest absolute entry is at most `tolerance`.

        Args:
            tolerance: on the gradient.
            features: how many there are.
            history: changes of point and gradient that are remembered.
            rounding: of the value, relatively: below it a rise is no rise.
        """
        self.tolerance = tolerance
        self.history = history
        self.rounding = rounding
        self.wants_hessian = features <= MOST_FOR_A_HESSIAN
        self.best: Evaluation | None = None
        self.converged = False
        self._factor: Tensor | None = None
        self._scale: Tensor | None = None
        self._diagonal: Tensor | None = None
        self._moves: list[Tensor] = []
        self._turns: list[Tensor] = []
        self._direction = torch.empty(0)
        self._length = 1.0
        self._low: End = (0.0, 0.0, 0.0)
        self._high: End | None = None
        self._trials = 0

    def precondition(self, hessian: Tensor) -> None:
        """Take a Hessian, (features + 1, features + 1), at or near the start, or its diagonal; it need not be exact."""
        if hessian.ndim == 1:
            self._diagonal = hessian
            return
        self._scale = hessian.diagonal().clamp(min=float(hessian.diagonal().max()) * 1e-12).rsqrt()
        scaled = hessian * self._scale[:, None] * self._scale
        scaled.diagonal().add_(1e-6)
        factor, failed = torch.linalg.cholesky_ex(scaled)
        self._factor = None if failed else factor
        self.wants_hessian = False

    def restart(self) -> None:  # noqa: D102
        super().restart()
        self.rounding = EXACT_ROUNDING

    def next_point(self, seen: Evaluation) -> Tensor | None:  # noqa: D102
        if self.best is None:
            if seen.hessian is not None:
                self.precondition(seen.hessian)
            return self._continue_from(seen)
        end = (self._length, seen.value, float(seen.gradient @ self._direction))
        if self._is_good(end):
            self._remember(seen)
            return self._continue_from(seen)
        self._narrow(end)
        self._trials += 1
        if self._trials > MOST_TRIALS:
            return self._start_again()
        return self.best.parameters + self._length * self._direction

    def _continue_from(self, seen: Evaluation) -> Tensor | None:
        # a Hessian of the first evaluation has done its work: it would only make checkpoints large
        self.best = Evaluation(seen.parameters, seen.loss, seen.value, seen.gradient, None, seen.gradient_norm)
        self.converged = seen.gradient_norm <= self.tolerance
        if self.converged:
            return None
        self._direction = -self._preconditioned(seen.gradient)
        self._low, self._high = (0.0, seen.value, float(seen.gradient @ self._direction)), None
        self._trials = 0
        self._length = 1.0
        if self._factor is None and self._diagonal is None and not self._moves:  # the length of a first step is unknown
            self._length = min(1.0, 1 / float(seen.gradient.abs().sum()))
        return seen.parameters + self._length * self._direction

    def _is_good(self, end: End) -> bool:
        """Return whether the strong Wolfe conditions hold; below the value's rounding the slopes alone decide."""
        assert self.best is not None
        length, value, slope = end
        first = float(self.best.gradient @ self._direction)
        flat = abs(slope) <= -CURVATURE * first
        if value <= self.best.value + SUFFICIENT_DECREASE * length * first:
            return flat
        rounding = self.rounding * (1 + abs(self.best.value))
        return value <= self.best.value + rounding and flat and slope <= (2 * SUFFICIENT_DECREASE - 1) * first

    def _narrow(self, end: End) -> None:
        """Put the latest trial at one end of the interval that holds a good length; choose the next one."""
        assert self.best is not None
        length, value, slope = end
        first = float(self.best.gradient @ self._direction)
        too_high = value > self.best.value + SUFFICIENT_DECREASE * length * first or value >= self._low[1]
        if too_high or value != value:
            self._high = end
        else:
            onward = 1.0 if self._high is None else self._high[0] - self._low[0]
            if slope * onward >= 0:
                self._high = self._low
            self._low = end
        self._length = 4 * length if self._high is None else _between(self._low, self._high)

    def _start_again(self) -> Tensor | None:
        """Forget the history, which has led astray; without one there is nothing left to try."""
        assert self.best is not None
        if not self._moves:
            return None
        self._moves, self._turns = [], []
        return self._continue_from(self.best)

    def _remember(self, seen: Evaluation) -> None:
        assert self.best is not None
        move, turn = seen.parameters - self.best.parameters, seen.gradient - self.best.gradient
        if float(move @ turn) > 1e-12 * float(turn @ turn) * float(move @ move) ** 0.5:
            self._moves = [*self._moves, move][-self.history :]
            self._turns = [*self._turns, turn][-self.history :]

    def _preconditioned(self, gradient: Tensor) -> Tensor:
        """Return the inverse Hessian, as far as it is known, times the gradient (the two loops of algorithm 7.4)."""
        result, parts = gradient.clone(), []
        pairs = list(zip(self._moves, self._turns, strict=True))
        for move, turn in reversed(pairs):
            part = (move @ result) / (move @ turn)
            parts.append(part)
            result -= part * turn
        if self._factor is not None and self._scale is not None:
            result = self._scale * torch.cholesky_solve((self._scale * result)[:, None], self._factor)[:, 0]
        else:
            if self._diagonal is not None:
                result /= self._diagonal
            if pairs:
                move, turn = pairs[-1]
                result *= (move @ turn) / (turn @ (turn if self._diagonal is None else turn / self._diagonal))
        for (move, turn), part in zip(pairs, reversed(parts), strict=True):
            result += (part - (turn @ result) / (move @ turn)) * move
        return result


def _between(low: End, high: End) -> float:
    """Return the minimum of the parabola through both ends, kept a tenth of the interval away from either."""
    (start, value, slope), (stop, other, _) = low, high
    width = stop - start
    bend = other - value - slope * width
    part = -slope * width / (2 * bend) if bend > 0 else 0.5
    return start + width * (min(max(part, 0.1), 0.9) if part == part else 0.5)
