"""Whether there is a best logistic regression at all: a finite optimum, or a direction that separates the classes.

Either answer comes with its proof, checked in float64. A direction (d, e) proves separation by s_i (x_i d + e) >= 0 for every
row, and > 0 for some: along it the loss falls for ever (Albert and Anderson, Biometrika 71, 1984). A point proves the optimum
by Bach's condition: where the Newton decrement times the largest |(x_i, 1)| in the norm of the inverse Hessian is at most 1/2,
a finite minimum is near (F. Bach, Electronic Journal of Statistics 4, 2010, proposition 2).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from logreg.solvers.newton import NewtonSteps, Solution, ended
from logreg.solvers.objective import Evaluation, Objective, evaluation, rows_in_a_block
from logreg.solvers.quadratic import solve

ROUNDING = 1e-11
"""A margin within this part of the sum of its terms' sizes is 0."""

MOST_STEPS = 200


@dataclass(frozen=True)
class Separation:
    """A direction that no row speaks against.

    Attributes:
        weight: of each feature, (features,), float64; with `bias`, the largest margin is 1.
        bias: (), float64.
        complete: every row is strictly on its side; otherwise some lie on the boundary (quasi-complete separation).
        on_boundary: how many rows do.
        one_class: every row is of one class, and the direction is the bias.
    """

    weight: Tensor
    bias: Tensor
    complete: bool
    on_boundary: int
    one_class: bool = False


@dataclass(frozen=True)
class Unknown:
    """Neither was proved: the optimum, if there is one, is too far out for float64."""


def optimum(table: Objective, start: Tensor | None = None, tolerance: float = 1e-10) -> Solution | Separation | Unknown:
    """Return the unpenalised optimum of a table, or the direction in which there is none; each is proved.

    Args:
        table: rows to fit; its penalty and dtype are left out of account.
        start: a point to begin at, (features + 1,); None: zero.
        tolerance: on the gradient's largest absolute entry at the optimum.
    """
    table = Objective(table.features, table.target, table.weight, pos_weight=table.pos_weight)
    if (found := one_class(table)) is not None:
        return found
    steps, path = NewtonSteps(tolerance), []
    point = torch.zeros(table.features.shape[1] + 1, dtype=torch.float64) if start is None else start.double()
    for _ in range(MOST_STEPS):
        total = table.sums(point)
        if float(total.right) >= total.weight * (1 - 1e-9) and (found := separation(table, point)) is not None:
            return found
        seen = evaluation(total, point)
        following = steps.after(seen)
        if steps.best is seen:
            path.append(point)
        if following is None:
            break
        point = following
    if steps.converged and steps.best is not None and _is_near_optimum(table, steps.best):
        return ended(steps, len(path))
    return _separation_along(table, path) or Unknown()


def separation(table: Objective, direction: Tensor) -> Separation | None:
    """Return `direction`, (features + 1,), as a proof of separation, or None where a row speaks against it."""
    direction = _without_dust(table, direction.double())
    margins, sizes = _margins(table, direction)
    zero = margins.abs() <= ROUNDING * sizes
    if bool(((margins < 0) & ~zero).any()) or bool(zero.all()):
        return None
    scaled = direction / margins.max()
    on_boundary = int(zero.sum())
    return Separation(scaled[:-1], scaled[-1], complete=not on_boundary, on_boundary=on_boundary)


def one_class(table: Objective) -> Separation | None:
    """Return the bias as the separating direction where every row (with a weight) is of one class."""
    used = table.target.reshape(-1)
    if table.weight is not None:
        used = used[table.weight.reshape(-1) > 0]
    if not bool((used == used[0]).all()):
        return None
    weight = torch.zeros(table.features.shape[1], dtype=torch.float64)
    return Separation(weight, 2 * used[0].double() - 1, complete=True, on_boundary=0, one_class=True)


def _margins(table: Objective, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Return every row's s_i (x_i d + e), (rows,), and the sum of its terms' sizes; 0 for rows without weight."""
    sign = table.target.reshape(-1).double() * 2 - 1
    sizes = Objective(table.features.abs(), table.target).logits(direction.abs())
    margins = sign * table.logits(direction)
    return (margins, sizes) if table.weight is None else (margins * (table.weight.reshape(-1) > 0), sizes)


def _without_dust(table: Objective, direction: Tensor) -> Tensor:
    """Return the direction with exact zeros where an entry moves no row by more than rounding."""
    largest = table.features.abs().amax(0).double()
    reach = direction.abs() * torch.cat([largest, torch.ones(1, dtype=torch.float64)])
    return torch.where(reach > 1e-12 * reach.max(), direction, 0.0)


def _is_near_optimum(table: Objective, seen: Evaluation) -> bool:
    """Tell whether Bach's condition holds, on the span of the columns."""
    assert seen.hessian is not None
    step, _ = solve(seen.hessian, seen.gradient)
    decrement = float(step @ seen.gradient) ** 0.5
    inverse = torch.stack([solve(seen.hessian, unit)[0] for unit in torch.eye(len(step), dtype=torch.float64)])
    largest = 0.0
    for block in table.features.split(rows_in_a_block(table.features.shape[1])):
        x = torch.cat([block.double(), torch.ones(len(block), 1, dtype=torch.float64)], dim=1)
        largest = max(largest, float(((x @ inverse) * x).sum(1).max()))
    return decrement * largest**0.5 <= 0.5


def _separation_along(table: Objective, path: list[Tensor]) -> Separation | None:
    """Return the direction in which Newton's last points went off, if it separates; mended where it nearly does.

    On the way to infinity the rows that overlap come to rest: their margins along the direction are nearly 0. They are made
    0 by projecting the direction on what those rows do not see.
    """
    for back in (1, 2, 4, 8):
        if back >= len(path):
            break
        direction = path[-1] - path[-1 - back]
        margins, _ = _margins(table, direction)
        for part in (1e-2, 1e-4, 1e-6):
            still = margins.abs() <= part * float(margins.abs().max())
            found = separation(table, _unseen(table.features[still].double(), direction))
            if found is not None:
                return found
    return None


def _unseen(x: Tensor, direction: Tensor) -> Tensor:
    """Return the part of `direction`, (features + 1,), at which the logit of every row of `x` is 0."""
    if not len(x):
        return direction
    x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
    for _ in range(3):  # twice more for the digits that the square loses
        direction = direction - solve(x.T @ x, x.T @ (x @ direction))[0]
    return direction
