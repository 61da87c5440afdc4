"""Quadratic models of the losses of several problems, and their minima with an l1 penalty, side by side."""

from __future__ import annotations

import torch
from torch import Tensor

from logitlab.paths.folds import Folds
from logitlab.solvers.quadratic import by_signs

MOST_SETS = 10
RIDGE = 1e-10
"""Added to a diagonal of ones, so that collinear columns have a factor: a step that is so little off is as good."""

NEARLY_ALL = 0.6
"""Of the columns: where so many are wanted, all are taken as they lie, and none has to be copied."""

TOO_MANY = 2
"""Times the columns that are wanted: so many are cut down to them."""


class Models:
    """A Hessian for each problem, at a point that it was at earlier, over the columns that may have a coefficient.

    A Hessian that is a little out of date costs an evaluation or two more, and one evaluation is a tenth of a Hessian's price.
    Where `shared`, all are made of the variances of the last problem: what a fold leaves out is subtracted from the sum over
    all rows, so that one pass makes all of them.

    Attributes:
        problems: which ones.
        places: of the columns in use, in rising order.
        is_new: no step was made with these Hessians yet.
    """

    def __init__(self, folds: Folds, problems: slice, shared: bool) -> None:
        """Take the rows."""
        self.problems = problems
        self.places = torch.empty(0, dtype=torch.long)
        self.is_new = False
        self._folds = folds
        self._shared = shared
        self._variance: Tensor | None = None
        self._matrix = torch.empty(0)
        self._minima: _Minima | None = None
        self._l2: Tensor | None = None

    @property
    def are_there(self) -> bool:
        """Whether there are Hessians."""
        return self._variance is not None

    def cover(self, wanted: Tensor) -> None:
        """Use the columns that are `wanted`, (features,), and perhaps more; of new ones the Hessians' rows are made."""
        inside = torch.zeros_like(wanted)
        inside[self.places] = True
        count = int(wanted.sum())
        if count > NEARLY_ALL * len(wanted):
            wanted, count = torch.ones_like(wanted), len(wanted)
        if bool(inside[wanted].all()) and len(self.places) <= TOO_MANY * count:
            return
        if len(self.places) > TOO_MANY * count:
            kept = wanted[self.places].nonzero()[:, 0]
        else:
            kept, wanted = torch.arange(len(self.places)), wanted | inside
        before, new = self.places[kept], (wanted & ~inside).nonzero()[:, 0]
        self.places, self._minima = wanted.nonzero()[:, 0], None
        if self._variance is None:
            return
        size, bias = len(self.places), torch.tensor([len(self.places)])
        old = torch.cat([torch.searchsorted(self.places, before), bias])
        chosen = torch.cat([kept, torch.tensor([self._matrix.shape[1] - 1])])
        matrix = self._matrix.new_empty(len(self._matrix), size + 1, size + 1)
        matrix[:, old[:, None], old] = self._matrix[:, chosen[:, None], chosen]
        added, rows = torch.searchsorted(self.places, new), self._rows(new, self._variance)
        matrix[:, added] = rows
        matrix[:, :, added] = rows.mT
        self._matrix = matrix

    def refresh(self, variance: Tensor) -> None:
        """Form the Hessians of the rows' variances, (problems, rows), of all problems."""
        self._variance = variance[-1:].clone() if self._shared else variance[self.problems].clone()
        size = len(self.places)
        rows = self._rows(self.places, self._variance)
        ones = torch.ones(1, variance.shape[1], dtype=torch.float64)
        corner = self._folds.hessian(ones, ones, self._variance, self.problems)
        self._matrix = torch.cat([rows, torch.cat([rows[:, :, size:].mT, corner], 2)], 1)
        self._minima, self.is_new = None, True

    def target(self, point: Tensor, gradient: Tensor, l1: Tensor, l2: Tensor) -> Tensor:
        """Return the minimum of the model of each problem, given what all problems have, (problems, features + 1) each.

        Args:
            point: where they are; columns that are not in use stay.
            gradient: of the loss and the l2 penalty there.
            l1: the strengths, 0 for the bias.
            l2: the same.
        """
        places, own = torch.cat([self.places, torch.tensor([point.shape[1] - 1])]), self.problems
        point_, gradient_, l1_, l2_ = (each[own][:, places] for each in (point, gradient, l1, l2))
        if self._minima is None or self._l2 is None or not torch.equal(l2_, self._l2):
            self._minima, self._l2 = _Minima(self._matrix + torch.diag_embed(l2_) if bool(l2_.any()) else self._matrix), l2_
        right = (self._minima.matrix @ point_[:, :, None])[:, :, 0] - gradient_
        result = point[own].clone()
        result[:, places] = self._minima.of(right, point_, l1_)
        return result

    def _rows(self, left: Tensor, variance: Tensor) -> Tensor:
        """Return those rows of the Hessians that belong to the columns `left`, (problems, left, columns in use + 1)."""
        columns = self._folds.columns
        chosen = self._folds.some(left)
        every = chosen if len(left) == len(self.places) else self._folds.some(self.places)
        side = self._folds.hessian(chosen, torch.ones(1, columns.shape[1], dtype=torch.float64), variance, self.problems)
        return torch.cat([self._folds.hessian(chosen, every, variance, self.problems), side], 2)


class _Minima:
    """u' H u / 2 - right' u + sum_j l1_j |u_j| for each problem.

    The factor of H on the set of entries that are not 0 serves as long as neither changes.
    """

    def __init__(self, matrix: Tensor) -> None:
        """Take H of each problem, (problems, size, size)."""
        self.matrix = matrix
        self._step = 1 / matrix.diagonal(dim1=1, dim2=2).clamp(min=torch.finfo(matrix.dtype).tiny)
        self._inside: Tensor | None = None

    def of(self, right: Tensor, start: Tensor, l1: Tensor) -> Tensor:
        """Return the minima, (problems, size), from a guess nearby, by primal-dual active sets.

        (Hintermueller, Ito and Kunisch, SIAM J. Optim. 13, 2002.) Where the sets go round in circles they change by one entry
        at a time, problem by problem.
        """
        u, before = start, None
        for _ in range(MOST_SETS):
            ahead = u + self._step * (right - (self.matrix @ u[:, :, None])[:, :, 0])
            sign = torch.where(ahead.abs() > self._step * l1, ahead.sign(), 0.0)
            sign[:, -1] = 1.0  # the bias is always in
            if before is not None and torch.equal(sign, before):
                return u
            unsettled = torch.ones(len(u), dtype=torch.bool) if before is None else (sign != before).any(1)
            before = sign
            self._factorise(sign != 0)
            u = self._solved(right - l1 * sign)
        for problem in unsettled.nonzero()[:, 0].tolist():
            u[problem] = by_signs(*(each[problem] for each in (self.matrix, right, start, l1)))
        return u

    def _factorise(self, inside: Tensor) -> None:
        """Take the Cholesky factors of the parts of H on a set for each problem, (problems, size); smaller sets are padded."""
        if self._inside is not None and torch.equal(inside, self._inside):
            return
        self._inside, counts = inside, inside.sum(1)
        size = int(counts.max())
        places = inside.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :size]
        taken = torch.arange(size) < counts[:, None]
        part = torch.stack([each[at][:, at] for each, at in zip(self.matrix, places, strict=True)])
        diagonal = part.diagonal(dim1=1, dim2=2)
        scale = diagonal.clamp(min=torch.finfo(part.dtype).tiny).rsqrt() * taken
        part.mul_(scale[:, :, None]).mul_(scale[:, None, :])
        diagonal.copy_(torch.where(taken, diagonal, 1.0) + RIDGE)
        factor, failed = torch.linalg.cholesky_ex(part)
        if bool(failed.any()):
            diagonal.add_(RIDGE**0.5)
            factor = torch.linalg.cholesky_ex(part).L
        self._places, self._scale, self._factor = places, scale, factor

    def _solved(self, right: Tensor) -> Tensor:
        part = (right.gather(1, self._places) * self._scale)[:, :, None]
        part = torch.cholesky_solve(part, self._factor)[:, :, 0] * self._scale
        return torch.zeros_like(right).scatter_(1, self._places, part)
