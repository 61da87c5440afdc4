"""The rows of a cross-validation in memory, and every fold's sums over them in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from logitlab.features import Features
from logitlab.solvers.objective import rows_in_a_block

VALUES_IN_A_BLOCK = 2**18
"""Of the columns that are worked on at a time by `Folds.gram`, which writes as many: both stay in a core's cache."""


@dataclass(frozen=True)
class Sums:
    """Of every problem at its own point.

    Attributes:
        loss: the mean loss of its training rows, (problems,).
        slope: of every row's share in that loss by its logit, (problems, rows); 0 for rows that it does not train on.
        variance: a h (1 - h) of every row, (problems, rows), not divided by the rows' weight; also of the rows held out.
        held_out: the mean loss of the rows that are held out, (problems,); NaN where there are none.
    """

    loss: Tensor
    slope: Tensor
    variance: Tensor
    held_out: Tensor


class Folds:
    """One logistic regression for each fold, trained on the rows of the others, and one of all rows: the problems.

    They share the columns, which lie in memory once, as float64: a product with the points of all problems reads them once.
    Conventions are those of `solvers.objective.Objective`. The training loss has `pos_weight`, that of the held-out rows not.

    Attributes:
        columns: (features, rows), float64, the rows sorted by fold.
        spans: where the rows of each fold lie.
        problems: one for each fold, and one more where `whole`: it holds nothing out.
        totals: the sum of the weights of each problem's rows, (problems,).
        start_bias: each problem's bias where all weights are 0, (problems,).
    """

    def __init__(
        self,
        features: Tensor | Features,
        target: Tensor,
        fold_of: Tensor,
        weight: Tensor | None = None,
        pos_weight: Sequence[float] = (1.0,),
        whole: bool = True,
    ) -> None:
        """Take the rows.

        Args:
            features: (rows, features).
            target: (rows, 1), 0 or 1.
            fold_of: the fold that holds each row out, from 0, (rows,); -1: none does.
            weight: of the rows, (rows, 1); None: 1 each.
            pos_weight: how many rows of class 0 a row of class 1 counts as in training: one number, or one for each problem.
            whole: fit all rows too.
        """
        order = fold_of.argsort(stable=True)
        counts = torch.bincount(fold_of + 1).tolist()
        ends = torch.tensor(counts).cumsum(0).tolist()
        self.spans = [slice(end - count, end) for end, count in zip(ends[1:], counts[1:], strict=True)]
        self._never = slice(0, counts[0])
        self.columns = torch.empty(features.shape[1], len(features), dtype=torch.float64)
        step = rows_in_a_block(features.shape[1])
        for start in range(0, len(order), step):
            self.columns[:, start : start + step] = features[order[start : start + step]].double().T
        self._sign = target.reshape(-1)[order].double() * 2 - 1
        self._rows = torch.ones(len(order), dtype=torch.float64) if weight is None else weight.reshape(-1)[order].double()
        self.problems = len(self.spans) + whole
        factors = torch.tensor(pos_weight, dtype=torch.float64)[:, None]
        self._counted = (self._rows * torch.where(self._sign > 0, factors, 1.0)).expand(self.problems, -1)
        held = [float(self._rows[span].sum()) for span in self.spans] + [0.0] * whole
        self._held_weight = torch.tensor(held, dtype=torch.float64)
        self.totals = self._rows.sum() - self._held_weight
        kept = self._counted.clone()
        for fold, span in enumerate(self.spans):
            kept[fold, span] = 0.0
        self.start_bias = (kept[:, self._sign > 0].sum(1) / kept[:, self._sign < 0].sum(1)).log()

    def sums(self, columns: Tensor, points: Tensor) -> Sums:
        """Return the sums at `points`, (problems, columns + 1), of some of the columns, (columns, rows)."""
        margin = torch.addmm(points[:, -1:], points[:, :-1], columns).mul_(self._sign)
        tail = margin.abs().neg_().exp_()
        losses = torch.log1p(tail).sub_(margin.clamp(max=0))
        small = tail.div_(1 + tail)
        variance = small * (1 - small)
        slope = torch.where(margin > 0, small, 1 - small).mul_(self._sign * self._counted).neg_().div_(self.totals[:, None])
        held = torch.full((self.problems,), torch.nan, dtype=torch.float64)
        total = (losses * self._counted).sum(1)
        for fold, span in enumerate(self.spans):
            slope[fold, span] = 0.0
            total[fold] -= losses[fold, span] @ self._counted[fold, span]
            held[fold] = losses[fold, span] @ self._rows[span] / self._held_weight[fold]
        return Sums(total / self.totals, slope, variance.mul_(self._counted), held)

    def some(self, places: Tensor) -> Tensor:
        """Return some of the columns, (places, rows); all as they lie where `places` names all of them in order."""
        every = len(self.columns)
        return self.columns if len(places) == every and torch.equal(places, torch.arange(every)) else self.columns[places]

    def hessian(self, left: Tensor, right: Tensor, variance: Tensor, problems: slice) -> Tensor:
        """Return sum_i variance_i l_i' r_i over the rows of some problems, divided by their weight, (problems, left, right).

        Args:
            left: (left, rows).
            right: (right, rows).
            variance: (problems, rows): its own for each; or (1, rows): one for all, which takes one pass for all of them, for
                what a fold leaves out is subtracted from the sum over all folds.
            problems: which ones.
        """
        numbers = range(self.problems)[problems]
        if len(variance) == len(numbers):
            kept = [self.gram(left, right, own, self._kept(each)) for each, own in zip(numbers, variance, strict=True)]
        else:
            parts = [self.gram(left, right, variance[0], [span]) for span in self.spans]
            every = torch.stack([self.gram(left, right, variance[0], [self._never]), *parts]).sum(0)
            kept = ([every - part for part in parts] + [every])[problems]
        return torch.stack(kept).div_(self.totals[problems, None, None])

    def gram(self, left: Tensor, right: Tensor, variance: Tensor, spans: Sequence[slice]) -> Tensor:
        """Return sum_i variance_i l_i' r_i over the rows of some spans, (left, right)."""
        total = torch.zeros(len(left), len(right), dtype=torch.float64)
        step = max(VALUES_IN_A_BLOCK // max(len(left), 1), 256)
        for span in spans:
            for start in range(span.start, span.stop, step):
                rows = slice(start, min(start + step, span.stop))
                total.addmm_(left[:, rows] * variance[rows], right[:, rows].T)
        return total

    def _kept(self, problem: int) -> list[slice]:
        rows = len(self._rows)
        if problem == len(self.spans):
            return [slice(0, rows)]
        held = self.spans[problem]
        return [slice(0, held.start), slice(held.stop, rows)]
