"""Minima of quadratic models: what one step of Newton's method has to solve."""

import math

import torch
from torch import Tensor

from logitlab.penalties import ElasticNet

MOST_ROUNDS = 50
MOST_SETS = 10
SWEEPS = 20


def solve(hessian: Tensor, right: Tensor) -> tuple[Tensor, int]:
    """Return x with hessian x = right, and the rank, for a positive semidefinite matrix (size, size) of whatever units.

    The matrix is scaled to a diagonal of ones first. A singular one (collinear or constant columns) gives the shortest
    solution in that scale.
    """
    diagonal = hessian.diagonal()
    scale = torch.where(diagonal > 0, diagonal.clamp(min=torch.finfo(hessian.dtype).tiny).rsqrt(), 0.0)
    scaled = hessian * scale[:, None] * scale
    factor, failed = torch.linalg.cholesky_ex(scaled)
    if not failed and float(factor.diagonal().min()) > 1e-6:  # the smallest pivot: far from singular
        return scale * torch.cholesky_solve((scale * right)[:, None], factor)[:, 0], len(right)
    values, vectors = torch.linalg.eigh(scaled)
    kept = values > values.max().clamp(min=torch.finfo(hessian.dtype).tiny) * len(values) * 1e-13
    parts = vectors.T @ (scale * right)
    return scale * (vectors @ torch.where(kept, parts / torch.where(kept, values, 1.0), 0.0)), int(kept.sum())


def lasso(hessian: Tensor, right: Tensor, start: Tensor, penalty: ElasticNet) -> Tensor:
    """Return the u that minimises u' hessian u / 2 - right' u + l1 * sum |u_j|; the last entry, the bias, is not penalised.

    The set of entries that are not 0 is guessed from where we stand, the equations are solved on it, and the guess is corrected
    until it stands. Where it goes round in circles, or the Hessian is singular on it, coordinates are minimised one after
    another for some sweeps, and the set is guessed anew from there.
    """
    l1 = torch.full_like(right, penalty.l1)
    l1[-1] = 0
    u = start
    for _ in range(MOST_ROUNDS):
        if (minimum := _by_sets(hessian, right, u, l1)) is not None:
            return minimum
        u, settled = _one_by_one(hessian, right, u, l1)
        if settled:
            break
    return u


def _by_sets(hessian: Tensor, right: Tensor, start: Tensor, l1: Tensor) -> Tensor | None:
    """Return the minimum by a primal-dual active set method, None where it does not end.

    Hintermueller, Ito and Kunisch, SIAM J. Optim. 13, 2002; a few sets are enough as a rule.
    """
    u, before = start, None
    step = 1 / hessian.diagonal().clamp(min=torch.finfo(hessian.dtype).tiny)
    for _ in range(MOST_SETS):
        ahead = u + step * (right - hessian @ u)
        sign = torch.where(ahead.abs() > step * l1, ahead.sign(), 0.0)
        sign[-1] = 1  # the bias is always in
        if before is not None and torch.equal(sign, before):
            return u
        before, inside = sign, sign.nonzero()[:, 0]
        part, rank = solve(hessian[inside][:, inside], (right - l1 * sign)[inside])
        if rank < len(inside):
            return None
        u = torch.zeros_like(u).index_copy_(0, inside, part)
    return None


def _one_by_one(hessian: Tensor, right: Tensor, start: Tensor, l1: Tensor) -> tuple[Tensor, bool]:
    """Return a point nearer to the minimum, and whether it is there, by sweeps of coordinate descent.

    Friedman, Hastie and Tibshirani, J. Stat. Softw. 33(1), 2010.
    """
    # numpy and floats: torch takes ten times as long for so little
    rest, columns, u = (right - hessian @ start).cpu().numpy(), hessian.cpu().numpy(), start.tolist()
    diagonal, l1s = hessian.diagonal().tolist(), l1.tolist()
    scale = float(right.abs().max() + l1.max())
    largest = math.inf
    for _ in range(SWEEPS):
        largest = 0.0
        for j, (curvature, strength) in enumerate(zip(diagonal, l1s, strict=True)):
            if curvature <= 0:
                continue
            old = u[j]
            slope = float(rest[j]) + curvature * old
            new = max(abs(slope) - strength, 0.0) / curvature * (1 if slope > 0 else -1)
            if new != old:
                rest -= columns[j] * (new - old)
                u[j] = new
                largest = max(largest, curvature * abs(new - old))
        if largest <= 1e-13 * scale:
            break
    return start.new_tensor(u), largest <= 1e-13 * scale
