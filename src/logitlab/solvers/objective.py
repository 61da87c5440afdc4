"""What every solver minimises, with its gradient and its Hessian: the one place where the formula stands."""

from __future__ import annotations

import functools
import operator
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from logitlab import penalties
from logitlab.features import Features
from logitlab.penalties import ElasticNet
from logitlab.sparse import SparseMatrix, stored_in_a_row
from logitlab.threads import one_thread

NUMBERS_IN_A_BLOCK = 2**20
"""Entries of the features that are worked on at a time: what is made of them stays in the processor's cache."""

WORTH_SHARING = 2**20
"""Entries of the features from which on a pass is shared out among the cores."""

LARGE_MATRIX = 500
"""Columns from which on the algebra of a Hessian is worth several threads."""


@dataclass
class Sums:
    """Loss, gradient and Hessian summed over some rows; those of other rows can be added.

    Attributes:
        weight: the sum of the rows' weights.
        loss: (), float64.
        right: (), the weight of the rows on the right side of the probability 1/2.
        gradient: (features + 1,), float64.
        hessian: (features + 1, features + 1), float64; None where it was not asked for.
    """

    weight: float
    loss: Tensor
    right: Tensor
    gradient: Tensor
    hessian: Tensor | None

    def __add__(self, other: Sums) -> Sums:
        hessian = None if self.hessian is None or other.hessian is None else self.hessian + other.hessian
        loss, right, gradient = self.loss + other.loss, self.right + other.right, self.gradient + other.gradient
        return Sums(self.weight + other.weight, loss, right, gradient, hessian)

    def cpu(self) -> Sums:
        """Return the same sums where the method reckons that moves by them."""
        hessian = None if self.hessian is None else self.hessian.cpu()
        return Sums(self.weight, self.loss.cpu(), self.right.cpu(), self.gradient.cpu(), hessian)


@dataclass(frozen=True)
class Evaluation:
    """The objective at one point.

    Attributes:
        parameters: the point, (features + 1,).
        loss: the mean cross-entropy alone.
        value: loss + penalty.
        gradient: of the loss and the l2 penalty; the l1 penalty, which has none at 0, is not in it.
        hessian: of the same; None where it was not asked for.
        gradient_norm: the largest absolute entry of the gradient; with an l1 penalty, of the smallest subgradient.
    """

    parameters: Tensor
    loss: float
    value: float
    gradient: Tensor
    hessian: Tensor | None
    gradient_norm: float


@dataclass(frozen=True)
class Objective:
    """The mean binary cross-entropy of a logistic regression, plus a penalty, at any point.

    Conventions, for rows x_i with target y_i (0 or 1), row weight r_i, s_i = 2 y_i - 1, and a_i = r_i, times c where y_i = 1:

        logit z_i    = x_i w + b,    h_i = 1 / (1 + exp(-z_i))
        loss         = sum_i a_i log(1 + exp(-s_i z_i)) / sum_i r_i
        value        = loss + l1 * sum_j |w_j| + l2 / 2 * sum_j w_j^2
        gradient     = sum_i a_i (h_i - y_i) (x_i, 1) / sum_i r_i + l2 * (w, 0)
        hessian      = sum_i a_i h_i (1 - h_i) (x_i, 1)' (x_i, 1) / sum_i r_i + l2 * diag(1, ..., 1, 0)

    `parameters` are the weights with the bias behind them, (features + 1,). The column of ones is never built. h (1 - h) is
    worked out from exp(-|z|), so that it keeps its digits where h rounds to 0 or 1. Sums over blocks of rows are float64.
    (McCullagh and Nelder, Generalized Linear Models, 2nd ed., chapter 4.)

    Attributes:
        features: (rows, features), any float type or `Features`; never copied as a whole.
        target: (rows,) or (rows, 1), 0 or 1.
        weight: (rows,) or (rows, 1), not negative; None: 1 for every row.
        penalty: of the weights.
        dtype: of the arithmetic within a block: float32 is faster, float64 exact.
        pos_weight: c, how many rows of class 0 a row of class 1 counts as.
    """

    features: Tensor | Features
    target: Tensor
    weight: Tensor | None = None
    penalty: ElasticNet = field(default=penalties.NONE)
    dtype: torch.dtype = torch.float64
    pos_weight: float = 1.0

    def __call__(self, parameters: Tensor, hessian: bool = True) -> Evaluation:
        """Return value, gradient and (if asked for) Hessian at `parameters`, (features + 1,), float64."""
        return evaluation(self.sums(parameters, hessian), parameters, self.penalty)

    def sums(self, parameters: Tensor, hessian: bool = True) -> Sums:
        """Return the sums over all rows at `parameters`, without the penalty, on the CPU, wherever the rows are.

        A large table is shared out among the cores. Each works through its own rows block by block, in one thread, and waits
        for no other before the end. torch's way of many cores in every operation waits at each of them, which is slow where
        other processes want the cores too.
        """
        cores, rows = torch.get_num_threads(), len(self.features)
        if self.features.device.type != "cpu":
            return self._sums(parameters, hessian).cpu()
        if cores == 1 or self.features.numel() < WORTH_SHARING:
            return self._sums(parameters, hessian)
        span = -(-rows // cores)
        parts = [self.part(slice(start, start + span)) for start in range(0, rows, span)]
        return functools.reduce(operator.add, _pool(cores).map(lambda part: part._sums(parameters, hessian), parts))

    def part(self, rows: slice) -> Objective:
        """Return the same objective of some of the rows."""
        weight = None if self.weight is None else self.weight[rows]
        return replace(self, features=self.features[rows], target=self.target[rows], weight=weight)

    def _sums(self, parameters: Tensor, hessian: bool) -> Sums:
        size, rows = rows_in_a_block(stored_in_a_row(self.features)), len(self.features)
        assert rows, "a table without rows"
        blocks = (self.part(slice(start, start + size)) for start in range(0, rows, size))
        return functools.reduce(operator.add, (_block_sums(block, parameters, hessian) for block in blocks))

    def logits(self, parameters: Tensor) -> Tensor:
        """Return every row's logit, (rows,), float64."""
        point = parameters.double()
        size = rows_in_a_block(stored_in_a_row(self.features))
        return torch.cat([block.to(torch.float64) @ point[:-1] + point[-1] for block in self.features.split(size)])


def rows_in_a_block(features: int) -> int:
    """Return the number of rows to work on at a time, of which so many numbers each are kept."""
    return max(NUMBERS_IN_A_BLOCK // max(features, 1), 1024)


@functools.cache
def _pool(cores: int) -> ThreadPoolExecutor:
    """Return threads that each work on one core; they stay, as do the buffers that the linear algebra keeps in each."""
    pool = ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,))
    list(pool.map(time.sleep, [0.001] * cores))  # so that every one of them has begun
    torch.set_num_threads(cores)  # for threads to come; this one has kept its number
    return pool


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a forked process has none of the threads


def one_core(size: int) -> AbstractContextManager[None]:
    """Return the context for matrices of this size: one thread, if they are small; agreeing among several would take longer."""
    return nullcontext() if size > LARGE_MATRIX else one_thread()


def _block_sums(block: Objective, parameters: Tensor, hessian: bool) -> Sums:
    """Return the sums over rows that are few enough to stay in the cache."""
    features, target, weight, dtype = block.features, block.target, block.weight, block.dtype
    x, sign = features.to(dtype), target.reshape(-1).to(dtype) * 2 - 1
    point = parameters.to(x.device, dtype)
    margin = (x @ point[:-1]).add_(point[-1]).mul_(sign)
    tail = margin.abs().neg_().exp_()  # exp(-|margin|), in (0, 1]: neither overflows nor loses digits
    losses = torch.log1p(tail).sub_(margin.clamp(max=0))
    small = tail / (1 + tail)  # the smaller of h and 1 - h
    wrong = torch.where(margin > 0, small, 1 - small)  # the probability of the class that is not the row's
    slope, variance = wrong.mul_(sign).neg_(), small * (1 - small)  # h - y and h (1 - h)
    right: Tensor = (margin > 0).to(dtype)
    total, rows = float(len(x)), None
    if weight is not None:
        rows = weight.reshape(-1).to(margin)
        total, right = float(rows.double().sum()), right * rows
    if block.pos_weight != 1:
        rows = torch.where(sign > 0, block.pos_weight, 1.0).to(margin) * (1 if rows is None else rows)
    if rows is not None:
        losses, slope, variance = losses * rows, slope * rows, variance * rows
    gradient = torch.cat([slope @ x, slope.sum()[None]]).double()
    return Sums(total, losses.sum().double(), right.sum().double(), gradient, gram(x, variance) if hessian else None)


def gram(x: Tensor | SparseMatrix, weight: Tensor) -> Tensor:
    """Return sum_i weight_i (x_i, 1)' (x_i, 1), (features + 1, features + 1), float64, for x (rows, features)."""
    if isinstance(x, SparseMatrix):
        return x.gram(weight)
    weighted = x * weight[:, None]
    result = torch.empty(x.shape[1] + 1, x.shape[1] + 1, dtype=torch.float64, device=x.device)
    result[:-1, :-1] = weighted.T @ x
    result[-1, :-1] = result[:-1, -1] = weighted.sum(0)
    result[-1, -1] = weight.sum()
    return result


def evaluation(total: Sums, parameters: Tensor, penalty: ElasticNet = penalties.NONE) -> Evaluation:
    """Return the objective whose sums over all rows are `total`."""
    point = parameters.double()
    loss = float(total.loss) / total.weight
    gradient = total.gradient / total.weight
    hessian = None if total.hessian is None else total.hessian / total.weight
    if penalty.l2:
        gradient[:-1] += penalty.l2 * point[:-1].to(gradient)
        if hessian is not None:
            hessian.diagonal()[:-1] += penalty.l2
    minimum_norm_subgradient = torch.cat([penalty.minimum_norm_subgradient(point[:-1], gradient[:-1]), gradient[-1:]])
    norm = float(minimum_norm_subgradient.abs().max())
    return Evaluation(point, loss, loss + float(penalty(point[:-1])), gradient, hessian, norm)
