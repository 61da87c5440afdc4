"""The cone of directions that no row contradicts, exactly: for tables of a few columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

MOST_RAYS = 400

Vector = tuple[int, ...]


def interior(rows: Sequence[Vector], size: int) -> Vector | None:
    """Return a direction d with row . d >= 0 for every row, and > 0 for each row for which any such direction has it.

    The cone {d: row . d >= 0 for all rows} is built row by row by the double description method (Motzkin, Raiffa, Thompson and
    Thrall 1953; Fukuda and Prodon, Double Description Method Revisited, 1996): lines that lie in it and the rays at its edges.
    The sum of all rays lies in its interior. Whole numbers throughout, so nothing is rounded.

    Args:
        rows: whole numbers, of `size` each.
        size: of a row and of the direction.

    Returns:
        The direction; all zeros where no row has more than 0 for any; None where the cone has too many edges to be built.
    """
    lines: list[Vector] = [tuple(int(i == j) for j in range(size)) for i in range(size)]
    rays: list[Vector] = []
    seen: list[Vector] = []
    for row in rows:
        if (pivot := next((line for line in lines if _dot(row, line)), None)) is not None:
            lines, rays = _cut_lines(row, pivot, lines, rays)
        else:
            values = [_dot(row, ray) for ray in rays]
            if min(values, default=0) < 0:
                rays = _cut_rays(row, rays, values, seen, size - len(lines))
                if rays is None or len(rays) > MOST_RAYS:
                    return None
        seen.append(row)
        if not lines and not rays:
            break
    return tuple(sum(parts) for parts in zip(*rays, strict=True)) if rays else (0,) * size


def _cut_lines(row: Vector, pivot: Vector, lines: list[Vector], rays: list[Vector]) -> tuple[list[Vector], list[Vector]]:
    """Cut a cone with a plane that crosses some of its lines: one becomes a ray, all else moves along it into the plane."""
    at = _dot(row, pivot)
    if at < 0:
        pivot, at = tuple(-value for value in pivot), -at

    def moved(vector: Vector) -> Vector:
        value = _dot(row, vector)
        return _primitive(tuple(at * a - value * b for a, b in zip(vector, pivot, strict=True))) if value else vector

    kept = [moved(line) for line in lines]
    return [line for line in kept if any(line)], [*map(moved, rays), pivot]


def _cut_rays(row: Vector, rays: list[Vector], values: list[int], seen: list[Vector], dimension: int) -> list[Vector]:
    """Cut a cone with a plane: rays behind it go; where an edge of the cone crosses it, a new ray is."""
    # which of the planes that were cut with before a ray lies in, as the bits of a number
    planes = [sum(1 << place for place, other in enumerate(seen) if not _dot(other, ray)) for ray in rays]
    result = [ray for ray, value in zip(rays, values, strict=True) if value >= 0]
    for i, inside in enumerate(values):
        if inside <= 0:
            continue
        for j, outside in enumerate(values):
            if outside >= 0:
                continue
            common = planes[i] & planes[j]
            if common.bit_count() < dimension - 2:
                continue
            if any(common & planes[k] == common for k in range(len(rays)) if k not in (i, j)):
                continue  # they are no neighbours
            result.append(_primitive(tuple(inside * b - outside * a for a, b in zip(rays[i], rays[j], strict=True))))
    return result


def _dot(a: Vector, b: Vector) -> int:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _primitive(vector: Vector) -> Vector:
    divisor = math.gcd(*vector)
    return tuple(value // divisor for value in vector) if divisor > 1 else vector
