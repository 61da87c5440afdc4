"""Whether there is a best logistic regression at all: a finite optimum, or a direction that separates the classes.

Either answer comes with its proof. A direction (d, e) proves separation by s_i (x_i d + e) >= 0 for every row, and > 0 for
some: along it the loss falls for ever (Albert and Anderson, Biometrika 71, 1984). It is checked in exact arithmetic (`exact`).
A point proves the optimum by Bach's condition: where the Newton decrement times the largest |(x_i, 1)| in the norm of the
inverse Hessian is at most 1/2, a finite minimum is near (F. Bach, Electronic Journal of Statistics 4, 2010, proposition 2). It
is checked in float64, and counts only where the Hessian bends far more than the rounding of float64 could make it.

Where some rows lie on the boundary of every separating direction, they alone have a likelihood with an optimum: the limit of
the whole table's as the other rows become certain (Geyer, Electronic Journal of Statistics 3, 2009). It gives the coefficients
that stay finite, and their errors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from logitlab.solvers import directions
from logitlab.solvers.basis import Basis, basis, outward
from logitlab.solvers.exact import Direction, ExactRows, UndecidedError
from logitlab.solvers.newton import NewtonSteps, Solution, ended
from logitlab.solvers.objective import Evaluation, Objective, evaluation, rows_in_a_block
from logitlab.solvers.quadratic import solve

LEAST_BEND = 1e-9
"""The least eigenvalue of the Hessian, for orthonormal columns, at which a point can prove an optimum. Separated rows whose
columns are off by a rounding of float64 have an optimum too, where it is 1e-15."""

SUSPICIOUS = 1e-3
"""The same: below, the search may be on its way to infinity, and the direction of its steps is looked at."""

MOST_STEPS = 200
LOOK_EVERY = 4


@dataclass(frozen=True)
class Separation:
    """A direction that no row contradicts, in exact arithmetic.

    Attributes:
        weight: of each feature, (features,), float64; with `bias`, the largest margin is 1.
        bias: (), float64.
        complete: every row is strictly on its side; otherwise some lie on the boundary (quasi-complete separation).
        on_boundary: how many rows do.
        one_class: every row is of one class, and the direction is the bias.
        rules: the same in own units, exactly: each is of the rows on the boundary of those before it.
        infinite: the coefficients that are not finite, by their places; that of the bias is behind the features.
        rest: where not all are infinite, the optimum of the rows on the boundary: weights of 0 where infinite.
        rows: the numbers of the rows on the boundary.
    """

    weight: Tensor
    bias: Tensor
    complete: bool
    on_boundary: int
    one_class: bool = False
    rules: tuple[Direction, ...] = ()
    infinite: tuple[int, ...] = ()
    rest: Solution | None = None
    rows: Tensor | None = None


@dataclass(frozen=True)
class Unknown:
    """Neither was proved.

    Attributes:
        why: the end of a sentence.
    """

    why: str = "the optimum, if there is one, lies too far out for float64"


def optimum(table: Objective, start: Tensor | None = None, tolerance: float = 1e-10) -> Solution | Separation | Unknown:
    """Return the unpenalised optimum of a table, or the direction in which there is none; each is proved.

    A column that depends on those before it has the weight 0 in either.

    Args:
        table: rows to fit; its penalty and dtype are left out of account.
        start: a point to begin at, (features + 1,); None: zero.
        tolerance: on the gradient's largest absolute entry at the optimum.
    """
    table = Objective(table.features, table.target, table.weight, pos_weight=table.pos_weight)
    span = basis(table)
    search = _Search(table, span, tolerance)
    if start is not None and isinstance(found := search.run(start), Solution):
        return found
    rows = torch.arange(len(table.features)) if table.weight is None else (table.weight.reshape(-1) > 0).nonzero()[:, 0]
    rules: list[Direction] = []
    exact = ExactRows(table)
    columns = list(span.kept)
    try:
        while len(rows):
            rule = directions.of_one(exact, rows, columns)
            if rule is None:
                if rules:
                    search = _Search(_at(table, rows), None, tolerance)
                found = search.run(None, exact, rows)
                if isinstance(found, Solution):
                    return _separated(table, exact, rules, rows, span, found, search.span) if rules else found
                rule = found or directions.of_cone(exact, rows, columns)
            if rule is None:
                break
            sides = exact.sides(rule, rows)
            rules.append(rule)
            rows = rows[sides == 0]
    except UndecidedError:
        return Unknown("the numbers are too large, or too many, for exact arithmetic")
    if len(rows):
        return Unknown()
    return _separated(table, exact, rules, rows, span)


def by_columns(table: Objective) -> Separation | None:
    """Return the separation that single columns make, None where there is none such: one pass over the rows for each."""
    rows = torch.arange(len(table.features)) if table.weight is None else (table.weight.reshape(-1) > 0).nonzero()[:, 0]
    exact, rules = ExactRows(table), []
    columns = list(range(exact.columns))
    while len(rows) and (rule := directions.of_one(exact, rows, columns)) is not None:
        rules.append(rule)
        rows = rows[exact.sides(rule, rows) == 0]
    return _separated(table, exact, rules, rows, None) if rules else None


def separation(table: Objective, direction: Tensor) -> Separation | None:
    """Return `direction`, (features + 1,), as a proof of separation, or None where a row contradicts it."""
    exact = ExactRows(table)
    rule = exact.from_scaled(direction.double())
    used = None if table.weight is None else (table.weight.reshape(-1) > 0).nonzero()[:, 0]
    sides = exact.sides(rule, used)
    if bool((sides < 0).any()) or not bool((sides > 0).any()):
        return None
    rows = (sides == 0).nonzero()[:, 0]
    return _separated(table, exact, [rule], rows if used is None else used[rows], basis(table))


class _Search:
    """Newton's method on some rows, which ends at an optimum that is proved or at a direction."""

    def __init__(self, table: Objective, span: Basis | None, tolerance: float) -> None:
        self.span = basis(table) if span is None else span
        self.table = self.span.objective(table)
        self.tolerance = tolerance

    def run(
        self, start: Tensor | None, exact: ExactRows | None = None, rows: Tensor | None = None
    ) -> Solution | Direction | None:
        """Return the optimum; or, where `exact` is given, a direction that separates those of its rows; or None."""
        steps, path = NewtonSteps(self.tolerance), []
        point = torch.zeros(self.table.features.shape[1] + 1, dtype=torch.float64)
        if start is not None:
            point = self.span.inward(start.double())
        looked = 0
        for _ in range(MOST_STEPS if exact is not None else 20):
            seen = evaluation(self.table.sums(point), point)
            following = steps.next_point(seen)
            if steps.best is seen:
                path.append(point)
                is_due = exact is not None and len(path) >= looked + LOOK_EVERY
                if is_due and exact is not None and rows is not None and self._bend(seen) < SUSPICIOUS:
                    looked = len(path)
                    if (found := self._along(path, exact, rows)) is not None:
                        return found
            if following is None:
                break
            point = following
        best = steps.best
        if best is not None and steps.converged and self._bend(best) >= LEAST_BEND and self._is_near_optimum(best):
            return outward(self.span, ended(steps, len(path)))
        return None if exact is None or rows is None else self._along(path, exact, rows)

    def _bend(self, seen: Evaluation) -> float:
        assert seen.hessian is not None
        return float(torch.linalg.eigvalsh(self.span.orthonormal(seen.hessian))[0])

    def _is_near_optimum(self, seen: Evaluation) -> bool:
        """Return whether Bach's condition holds."""
        assert seen.hessian is not None
        step, _ = solve(seen.hessian, seen.gradient)
        decrement = float(step @ seen.gradient) ** 0.5
        inverse = torch.linalg.pinv(seen.hessian, hermitian=True, rtol=1e-15)
        largest = 0.0
        size = rows_in_a_block(self.table.features.shape[1])
        for block in self.table.features.split(size):
            x = block.double().cpu()
            x = torch.cat([x, torch.ones(len(x), 1, dtype=torch.float64)], dim=1)
            largest = max(largest, float(((x @ inverse) * x).sum(1).max()))
        return decrement * largest**0.5 <= 0.5

    def _along(self, path: list[Tensor], exact: ExactRows, rows: Tensor) -> Direction | None:
        """Return the direction in which the last points went off, if it separates the rows; corrected where it nearly does.

        On the way to infinity the rows that overlap come to rest: their margins along the direction are nearly 0. They are made
        0 by taking the nearest direction of the null space of those rows.
        """
        table, sign = self.table, self.table.target.reshape(-1).double() * 2 - 1
        tried: set[int] = set()
        ways = [path[-1], *(path[-1] - path[-1 - back] for back in (1, 2, 4) if back < len(path))]
        for number, direction in enumerate(ways):
            margins = sign * table.logits(direction).cpu()
            largest = float(margins.abs().max())
            if float(margins.min()) > 0 and (found := self._checked(exact, rows, direction)) is not None:
                return found
            for part in (1e-1, 1e-2, 1e-4, 1e-6) if number else ():
                still = margins.abs() <= part * largest
                if int(still.sum()) in tried or bool((margins < -part * largest).any()):
                    continue
                tried.add(int(still.sum()))
                for candidate in directions.corrected(exact, rows[still], self.span, direction):
                    if directions.separates(exact, candidate, rows):
                        return candidate
        return None

    def _checked(self, exact: ExactRows, rows: Tensor, direction: Tensor) -> Direction | None:
        rule = exact.from_scaled(self.span.outward(direction))
        return rule if directions.separates(exact, rule, rows) else None


def _separated(
    table: Objective,
    exact: ExactRows,
    rules: list[Direction],
    rows: Tensor,
    whole: Basis | None,
    rest: Solution | None = None,
    boundary: Basis | None = None,
) -> Separation:
    """Return the answer; the weights of all rules together, such that the largest margin is 1."""
    direction, sign = exact.to_scaled(rules[0]), exact.sign
    for rule in rules[1:]:  # a later rule is followed on the boundary of those before alone, so it must not outweigh them
        more = exact.to_scaled(rule)
        margins, others = sign * table.logits(direction).cpu(), sign * table.logits(more).cpu()
        against = (others < 0) & (margins > 0)
        most = float((-others / margins)[against].max()) if bool(against.any()) else 0.0
        direction = direction * (2 * most + 1) + more
    margins = sign * table.logits(direction).cpu()
    if table.weight is not None:
        margins = margins * (table.weight.reshape(-1).cpu() > 0)
    direction = direction / float(margins.max())
    is_one_class = not any(rules[0][:-1])
    infinite = _infinite(exact, whole, boundary)
    weight, bias = direction[:-1], direction[-1]
    return Separation(weight, bias, not len(rows), len(rows), is_one_class, tuple(rules), infinite, rest, rows)


def _infinite(exact: ExactRows, whole: Basis | None, boundary: Basis | None) -> tuple[int, ...]:
    """Return the coefficients that the rows on the boundary leave open, and the table as a whole does not."""
    if boundary is None or whole is None:
        return (*(range(exact.columns) if whole is None else whole.kept), exact.columns)
    lost = [column for column in boundary.aliased if column in whole.kept]
    return tuple(sorted({place for column in lost for place in (column, *directions.own_relation(exact, boundary, column))}))


def _at(table: Objective, rows: Tensor) -> Objective:
    weight = None if table.weight is None else table.weight[rows]
    return replace(table, features=table.features[rows], target=table.target[rows], weight=weight)
