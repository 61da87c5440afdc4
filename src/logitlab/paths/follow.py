"""Whole paths of penalties: the optimum of every fold under each of them, from strong to weak, proved column by column."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from logitlab.paths.folds import Folds, Sums
from logitlab.paths.models import Models
from logitlab.penalties import ElasticNet

SUFFICIENT_DECREASE = 1e-4
MOST_HALVINGS = 30
ROUNDING = 1e-13
"""Of the objective, relatively: below it a rise is no rise where the residual falls."""

WORTH_A_HESSIAN = 0.1
"""Of the residual, left by a step: from there on the next step is made with new Hessians."""

UNLIKE = 0.5
"""The same of a step with new Hessians that the folds share: then the folds are too unlike each other, and each has its own."""

MOST_STALLED = 5


@dataclass(frozen=True)
class Path:
    """The optima.

    Attributes:
        points: weights and bias, (penalties, problems, features + 1).
        loss: the mean loss of the training rows, without the penalty, (penalties, problems).
        held_out: the mean loss of the rows that a problem holds out, (penalties, problems); NaN where there are none.
        residual: the KKT residual: the largest absolute entry of the smallest subgradient of loss + penalty, over all columns,
            (penalties, problems).
        evaluations: passes over the rows.
    """

    points: Tensor
    loss: Tensor
    held_out: Tensor
    residual: Tensor
    evaluations: int


@dataclass
class _State:
    """Where all problems are; a gradient is of the loss and the l2 penalty, over the columns that are in use.

    Attributes:
        point: (problems, features + 1).
        seen: the sums there.
        gradient: (problems, features + 1).
        residual: over the columns in use, (problems,).
        value: loss + penalty, (problems,).
    """

    point: Tensor
    seen: Sums
    gradient: Tensor
    residual: Tensor
    value: Tensor


@torch.no_grad()
def follow(folds: Folds, l1: Tensor, l2: Tensor, units: Tensor, tolerance: float, max_evaluations: int = 1_000) -> Path:
    """Return the path of every problem.

    Each optimum begins at the one before. A column is let in where its gradient there exceeds 2 l1 - l1 before (the strong rule
    of Tibshirani et al., J. R. Statist. Soc. B 74, 2012); at the optimum of those that are in, the gradient of every column is
    looked at, and those whose residual is above the tolerance are let in too, until there are none. The optimum of those is
    found by proximal Newton steps (Lee, Sun and Saunders, SIAM J. Optim. 24, 2014) of all problems side by side.

    Args:
        folds: the rows.
        l1: the strengths, from strong to weak, (penalties, problems).
        l2: the same.
        units: of each problem's columns, (problems, features): its penalty is that of the weights units * w, which belong to
            the columns x / units.
        tolerance: on the KKT residual, in units of the gradient of the mean loss.
        max_evaluations: at each penalty.
    """
    return _Follower(folds, units, tolerance, max_evaluations).path(l1, l2)


class _Follower:
    def __init__(self, folds: Folds, units: Tensor, tolerance: float, most: int) -> None:
        self._folds, self._units, self._tolerance, self._most = folds, units, tolerance, most
        self._models = [Models(folds, slice(0, folds.problems), folds.problems > 1)]
        self._used = torch.empty(0, dtype=torch.long)
        self._columns = folds.columns[:0]
        self._evaluations = 0

    def path(self, l1s: Tensor, l2s: Tensor) -> Path:
        folds = self._folds
        point = torch.zeros(folds.problems, len(folds.columns) + 1, dtype=torch.float64)
        point[:, -1] = folds.start_bias
        seen = folds.sums(self._columns, point[:, -1:])
        before, found = None, []
        for l1_, l2_ in zip(l1s, l2s, strict=True):
            l1, l2 = pad(l1_[:, None] * self._units, (0, 1)), pad(l2_[:, None] * self._units.square(), (0, 1))
            gradient = seen.slope @ folds.columns.T
            wanted = (point[:, :-1] != 0) | (gradient.abs() >= (2 * l1 - (l1 if before is None else before))[:, :-1])
            before, first = l1, self._evaluations
            while True:
                self._use(wanted)
                state = self._settled(point, seen, l1, l2, first + self._most)
                point, seen = state.point, state.seen
                every = self._subgradient(point, seen, folds.columns, slice(None), l1, l2)[1]
                outside = every[:, :-1].abs() > self._tolerance
                outside[:, self._used] = False
                if not bool(outside.any()) or self._evaluations - first >= self._most:
                    break
                wanted |= outside
            found.append((point, seen.loss, seen.held_out, every.abs().amax(1)))
        points, loss, held_out, residual = (torch.stack(each) for each in zip(*found, strict=True))
        return Path(points, loss, held_out, residual, self._evaluations)

    def _use(self, wanted: Tensor) -> None:
        """Let columns in, (problems, features); those that no problem wants go where there are too many."""
        for models in self._models:
            models.cover(wanted[models.problems].any(0))
        used = torch.cat([models.places for models in self._models]).unique()
        if not torch.equal(used, self._used):
            self._used, self._columns = used, self._folds.some(used)

    def _settled(self, point: Tensor, seen: Sums, l1: Tensor, l2: Tensor, last: int) -> _State:
        """Return the optimum over the columns in use."""
        state = self._state(point, seen, l1, l2)
        is_stale, stalled = not all(models.are_there for models in self._models), 0
        while bool((state.residual > self._tolerance).any()) and self._evaluations < last and stalled < MOST_STALLED:
            if is_stale:
                for models in self._models:
                    models.refresh(state.seen.variance)
            following = self._step(state, l1, l2)
            is_open = state.residual > self._tolerance
            left = float((following.residual / state.residual)[is_open].max())
            stalled = stalled + 1 if left > 1 - 1e-3 else 0
            if is_stale and left > UNLIKE and len(self._models) < self._folds.problems:
                self._part(following.point)
                left = 1.0
            is_stale, state = left > WORTH_A_HESSIAN, following
        return state

    def _part(self, point: Tensor) -> None:
        """Give every problem Hessians of its own, over its own columns."""
        self._models = [Models(self._folds, slice(each, each + 1), False) for each in range(self._folds.problems)]
        inside = torch.zeros(point.shape[1] - 1, dtype=torch.bool)
        inside[self._used] = True
        for models in self._models:
            models.cover(inside)

    def _step(self, state: _State, l1: Tensor, l2: Tensor) -> _State:
        """Go to the minimum of the models; where the objective does not fall enough (Armijo), half of the way, and so on."""
        target = torch.cat([models.target(state.point, state.gradient, l1, l2) for models in self._models])
        move = target - state.point
        slope = (state.gradient * move + l1 * (target.abs() - state.point.abs())).sum(1)
        length = torch.ones(len(move), dtype=torch.float64)
        rounding = ROUNDING * (1 + state.value.abs())
        for _ in range(MOST_HALVINGS):
            trial = torch.where(length[:, None] == 1, target, state.point + length[:, None] * move)
            self._evaluations += 1
            found = self._state(trial, self._folds.sums(self._columns, self._at(trial)), l1, l2)
            enough = found.value <= state.value + SUFFICIENT_DECREASE * length * slope
            enough |= (found.value <= state.value + rounding) & (found.residual < state.residual)
            enough |= state.residual <= self._tolerance
            if bool(enough.all()):
                break
            length = torch.where(enough, length, length / 2)
        return found

    def _at(self, point: Tensor) -> Tensor:
        return torch.cat([point[:, self._used], point[:, -1:]], 1)

    def _state(self, point: Tensor, seen: Sums, l1: Tensor, l2: Tensor) -> _State:
        gradient, subgradient = self._subgradient(point, seen, self._columns, self._used, l1, l2)
        residual = torch.cat([subgradient[:, self._used], subgradient[:, -1:]], 1).abs().amax(1)
        value = seen.loss + (l1 * point.abs() + l2 / 2 * point.square()).sum(1)
        return _State(point, seen, gradient, residual, value)

    def _subgradient(
        self, point: Tensor, seen: Sums, columns: Tensor, places: Tensor | slice, l1: Tensor, l2: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the gradient of loss and l2 part and the smallest subgradient of all, (problems, features + 1) each."""
        gradient = l2 * point
        gradient[:, :-1][:, places] += seen.slope @ columns.T
        gradient[:, -1] += seen.slope.sum(1)
        return gradient, ElasticNet(l1).minimum_norm_subgradient(point, gradient)  # type: ignore[arg-type]  # of many at once
