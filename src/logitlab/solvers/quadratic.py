"""Minima of quadratic models: what one step of Newton's method has to solve."""

import numpy as np
import torch
from torch import Tensor

MOST_SETS = 10
MOST_SIGNS = 10
SMALLEST_RIDGE = 1e-14
"""Of the diagonal: collinear columns have an answer with it."""


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


def lasso(hessian: Tensor, right: Tensor, start: Tensor, l1: Tensor) -> Tensor:
    """Return the u that minimises u' hessian u / 2 - right' u + sum_j l1_j |u_j|; l1 is 0 for the last entry, the bias.

    The set of entries that are not 0 is guessed from where we stand, the equations are solved on it, and the guess is corrected
    until it stands. Where it goes round in circles, or the Hessian is singular on it, the set changes by one entry at a time.
    """
    if (minimum := _by_sets(hessian, right, start, l1)) is not None:
        return minimum
    return by_signs(hessian, right, start, l1)


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


def by_signs(hessian: Tensor, right: Tensor, start: Tensor, l1: Tensor) -> Tensor:
    """Return the minimum of `lasso` by descent: the equations are solved for the present signs, then the best point on the way.

    Where all entries that are not 0 are at their optimum, the one of the others that adds most joins them. Every step goes
    down, so it ends. (The feature-sign search of Lee, Battle, Raina and Ng, Advances in Neural Information Processing Systems
    19, 2006.)
    """
    # numpy: torch takes several times as long for so little
    matrix, constant, strength, u = (each.cpu().numpy().copy() for each in (hessian, right, l1, start))
    ridge = SMALLEST_RIDGE * np.diag(matrix).clip(np.finfo(float).tiny)
    tolerance = 1e-13 * (np.abs(constant).max() + strength.max())
    for _ in range(MOST_SIGNS * len(u)):
        slope = matrix @ u - constant
        inside = (u != 0) | (strength == 0)
        left = np.where(inside, np.abs(slope + strength * np.sign(u)), np.abs(slope) - strength)
        sign = np.sign(u)
        if left[inside].max() <= tolerance:
            joins = int(np.where(inside, -np.inf, left).argmax())
            if inside.all() or left[joins] <= tolerance:
                break
            inside[joins], sign[joins] = True, -np.sign(slope[joins])
        at = inside.nonzero()[0]
        part = matrix[np.ix_(at, at)]
        found = np.linalg.solve(part + np.diag(ridge[at]), (constant - strength * sign)[at])
        here, move = u[at], found - u[at]
        crossing = (here * found < 0) & (strength[at] > 0)
        lengths = np.append(here[crossing] / (here - found)[crossing], 1.0)
        points = here + lengths[:, None] * move
        points[np.arange(len(lengths) - 1), crossing.nonzero()[0]] = 0.0
        change = lengths**2 / 2 * (move @ part @ move) + lengths * (slope[at] @ move) + np.abs(points) @ strength[at]
        best = int(change.argmin())
        if not change[best] < np.abs(here) @ strength[at]:
            break
        u[at] = points[best]
    return start.new_tensor(u)
