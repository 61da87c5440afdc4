"""Directions that separate rows, or nearly do: of one class, of one column, of a cone, and corrected where a search shows them.

Each is exact, in own units (`exact.Direction`); who asks checks it against the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import torch
from torch import Tensor

from logitlab.solvers.basis import Basis, basis
from logitlab.solvers.cone import interior
from logitlab.solvers.exact import Direction, ExactRows, UndecidedError
from logitlab.solvers.objective import Objective

LARGEST_DENOMINATOR = 1000

MOST_IN_CONE = 20_000
"""Values of the distinct rows up to which the cone of directions is built where Newton's steps show none."""


def separates(exact: ExactRows, rule: Direction, rows: Tensor) -> bool:
    """Return whether no row contradicts a direction, and some are strictly on their side."""
    sides = exact.sides(rule, rows)
    return bool((sides >= 0).all() and (sides > 0).any())


def of_one(exact: ExactRows, rows: Tensor, columns: list[int]) -> Direction | None:
    """Return the bias where the rows are of one class, or a direction along one column alone; None where there is none."""
    return _of_one_class(exact, rows) or _of_one_column(exact, rows, columns)


def _of_one_class(exact: ExactRows, rows: Tensor) -> Direction | None:
    signs = exact.sign[rows]
    if not bool((signs == signs[0]).all()):
        return None
    return (*(Fraction(0),) * exact.columns, Fraction(int(signs[0])))


def _of_one_column(exact: ExactRows, rows: Tensor, columns: list[int]) -> Direction | None:
    """Return a direction along one column alone: complete before quasi-complete."""
    low = torch.full((2, exact.columns), torch.inf, dtype=torch.float64)
    high, start = -low, 0
    for block in exact.blocks(rows):
        sign = exact.sign[rows[start : start + len(block)]]
        for each in (0, 1):
            part = block[sign == 2 * each - 1, :-1]
            if len(part):
                low[each], high[each] = torch.minimum(low[each], part.amin(0)), torch.maximum(high[each], part.amax(0))
        start += len(block)
    found: dict[bool, Direction] = {}
    for column in columns:
        for way, (below, above) in ((1, (high[0], low[1])), (-1, (high[1], low[0]))):
            end, begin = float(below[column]), float(above[column])
            is_constant = float(low[:, column].min()) == float(high[:, column].max())
            if end <= begin and not is_constant and (end < begin) not in found:
                factor = int(exact.factor[column])
                at = _between(Fraction(end) / factor, Fraction(begin) / factor)
                direction = [Fraction(0)] * (exact.columns + 1)
                direction[column], direction[-1] = Fraction(way), -way * at
                found[end < begin] = tuple(direction)
    return found.get(True) or found.get(False)


def _between(low: Fraction, high: Fraction) -> Fraction:
    """Return a short number in the middle of two, or both where they are the same."""
    middle, digits = (low + high) / 2, Fraction(1)
    while low < high:
        if low < (short := round(middle * digits) / digits) < high:
            return short
        digits *= 10
    return low


def of_cone(exact: ExactRows, rows: Tensor, columns: list[int]) -> Direction | None:
    """Return a direction of the cone of all of them; None where there is none.

    Raises:
        UndecidedError: the table is too large for it, or has columns that are not whole.
    """
    if not all(bool(exact.is_whole[column]) for column in columns) or len(columns) > 12:
        raise UndecidedError
    places = [*columns, exact.columns]
    distinct = torch.unique(torch.cat([block[:, places] for block in exact.blocks(rows)]) * exact.sign[rows, None], dim=0)
    if distinct.numel() > MOST_IN_CONE:
        raise UndecidedError
    vector = interior([tuple(map(int, row)) for row in distinct.tolist()], len(places))
    if vector is None:
        raise UndecidedError
    direction = [Fraction(0)] * (exact.columns + 1)
    factor = [*(int(exact.factor[column]) for column in columns), 1]
    for place, value, times in zip(places, vector, factor, strict=True):
        direction[place] = Fraction(value * times)
    return tuple(direction) if separates(exact, tuple(direction), rows) else None


def corrected(exact: ExactRows, still: Tensor, span: Basis, direction: Tensor) -> Iterator[Direction]:
    """Yield directions near `direction`, a step of the search, at which the rows `still` lie on the boundary, exactly."""
    vectors = _null_space(exact, span, still) if len(still) else []
    if not vectors:
        return
    size = torch.cat([span.size, torch.ones(1, dtype=torch.float64)])

    def seen(theta: Tensor) -> Tensor:  # about the middle of the rows, where the bias has nothing to do with the columns
        return torch.cat([theta[:-1], (theta[-1] + span.mean @ theta[:-1])[None]]) * size

    basis_ = torch.stack([seen(exact.to_scaled(vector)) for vector in vectors], dim=1)
    length = basis_.norm(dim=0)
    share = torch.linalg.lstsq(basis_ / length, seen(span.outward(direction))[:, None]).solution[:, 0]
    for least in (1e-2, 1e-5, 0.0):  # with fewer terms the rule is short
        chosen = (share.abs() > least * share.abs().max()).nonzero()[:, 0].tolist()
        weight = {place: _rounded(float(share[place] / length[place])) for place in chosen}
        parts = [(weight[place], vectors[place]) for place in chosen]
        yield tuple(sum((share_ * vector[k] for share_, vector in parts), Fraction(0)) for k in range(exact.columns + 1))


def _rounded(value: float) -> Fraction:
    """Return a number to twenty binary digits: the rows that are not on the boundary are far enough from it."""
    exponent = torch.frexp(torch.tensor(value, dtype=torch.float64)).exponent.item()
    unit = Fraction(2) ** (int(exponent) - 20)
    return round(Fraction(value) / unit) * unit


def _null_space(exact: ExactRows, span: Basis, rows: Tensor) -> list[Direction]:
    """Return a basis of the exact directions at which every one of the rows has 0, along the columns that are whole.

    Among dummies a column depends on others by small fractions, which float64 shows and exact arithmetic confirms; where it
    does not, the rows are eliminated one by one.
    """
    found: list[Direction] = []
    boundary = basis(Objective(exact.features[rows], exact.sign[rows]))
    for column in boundary.aliased:
        if column not in span.kept:
            continue
        direction = [Fraction(0)] * (exact.columns + 1)
        direction[column] = Fraction(1)
        for place, value in own_relation(exact, boundary, column).items():
            direction[place] = -Fraction(value).limit_denominator(LARGEST_DENOMINATOR)
        if bool(exact.sides(tuple(direction), rows).any()):
            return exact.null_space(rows, [column for column in span.kept if bool(exact.is_whole[column])])
        found.append(tuple(direction))
    return found


def own_relation(exact: ExactRows, boundary: Basis, column: int) -> dict[int, float]:
    """Return what an aliased column is in own units: place -> factor, that of 1 behind the features."""
    center, scale = exact.features.center.cpu(), exact.features.scale.cpu()
    factors = boundary.relation(column)
    constant = factors.pop(len(center), 0.0)
    own = {place: value * float(scale[column] / scale[place]) for place, value in factors.items()}
    parts = [float(center[column]), constant * float(scale[column])]
    parts += [-value * float(center[place]) for place, value in own.items()]
    return own | ({len(center): sum(parts)} if abs(sum(parts)) > 1e-9 * max(map(abs, parts)) else {})
