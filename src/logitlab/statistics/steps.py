"""By how much a step of a column moves the probability: the average over the table's rows of p(x + step) - p(x).

A step is one unit where that is a difference that the rows know and that moves the odds neither by nothing nor by everything; a
power of ten of units otherwise, and a standard deviation where that would be no number to picture. It is a difference, not the
derivative times the step: for a probability that bends these are far apart.

A column that is the product of others, x^2 or x * z, cannot stay as it is while x moves. It is recognised by its values, moves
along with its factors, and has no effect of its own.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from logitlab.statistics.likelihood import Likelihood

MOST_COLUMNS = 100
"""Beyond so many no products are looked for: there are half as many pairs as columns squared."""

SAMPLE_ROWS = 32
LARGEST_ROWS = 8
ROUNDING = 1e-10

Products = Mapping[int, tuple[int, ...]]
"""For a column that is a product its factors, columns that are none; x^2 has (x, x)."""


def step_of(estimate: float, deviation: float) -> float:
    """Return the units that make a difference of a natural size, for a coefficient and its column's standard deviation."""
    if 0.005 <= abs(estimate) <= 3 and deviation >= 0.1:
        return 1.0
    power = round(math.log10(0.5 / abs(estimate))) if estimate else 0
    if deviation > 0:
        power = min(power, math.floor(math.log10(2 * deviation)))
    return 10.0**power if -3 <= power <= 6 or deviation <= 0 else deviation


def effects(likelihood: Likelihood, theta: Tensor, step: Tensor) -> Tensor:
    """Return the average difference for a step of each column by itself, (features,); `step`, (features,), in z's units."""
    total = torch.zeros_like(step)
    moves = theta[:-1] * step
    for design, _, weight in likelihood.chunks():
        logit = design @ theta
        before = torch.sigmoid(logit)
        for column, move in enumerate(moves.tolist()):
            total[column] += weight @ (torch.sigmoid(logit + move) - before)
    return total / likelihood.rows


def products(likelihood: Likelihood, center: Tensor, scale: Tensor, indicators: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Return which columns x = z * scale + center are, in every row, products of two others or the cube of one.

    Indicators are none: where one is on only if another is, it would be a product by chance.
    """
    columns = likelihood.parameters - 1
    if columns > MOST_COLUMNS:
        return {}
    pairs = torch.combinations(torch.arange(columns), 2, with_replacement=True).tolist()
    ways = [*map(tuple, pairs), *((column,) * 3 for column in range(columns))]
    left: dict[int, list[tuple[int, ...]]] = {}
    for start, (design, _, _) in enumerate(likelihood.chunks()):
        own = design[:, :-1] * scale + center
        if start == 0:
            left = _candidates(own, ways, set(indicators))
        left = {column: [way for way in some if _is_product(own, column, way)] for column, some in left.items()}
    return _factors({column: some for column, some in left.items() if some})


def joint_effect(
    likelihood: Likelihood, theta: Tensor, center: Tensor, scale: Tensor, column: int, found: Products, step: float | None
) -> float:
    """Return the average difference for a step of one column, in own units, the products that hold it moving along.

    A step of None: from 0 to 1, for an indicator.
    """
    own_weight = theta[:-1] / scale
    moved = [product for product, factors in found.items() if column in factors]
    total = 0.0
    for design, _, weight in likelihood.chunks():
        own, logit = design[:, :-1] * scale + center, design @ theta
        ends = (own[:, column], own[:, column] + step) if step is not None else (own[:, column] * 0, own[:, column] * 0 + 1)
        probability = []
        for value in ends:
            new = logit + own_weight[column] * (value - own[:, column])
            for product in moved:
                others = [value if factor == column else own[:, factor] for factor in found[product]]
                new = new + own_weight[product] * (math.prod(others[1:], start=others[0]) - own[:, product])
            probability.append(torch.sigmoid(new))
        total += float(weight @ (probability[1] - probability[0]))
    return total / likelihood.rows


def _candidates(own: Tensor, ways: Sequence[tuple[int, ...]], without: set[int]) -> dict[int, list[tuple[int, ...]]]:
    """Return, for each column, the ways in which it may be a product, by a few rows.

    Among them are the rows in which it is largest: in a table that is mostly 0 any others fit everything.
    """
    padded = torch.cat([own, torch.ones_like(own[:, :1])], dim=1)  # a factor of 1 for those of two
    factors = torch.tensor([(*way, own.shape[1])[:3] for way in ways])
    some = padded[:: max(1, len(own) // SAMPLE_ROWS)]
    made = some[:, factors].prod(dim=2)
    found = {}
    for column in set(range(own.shape[1])) - without:
        largest = padded[own[:, column].abs().topk(min(LARGEST_ROWS, len(own))).indices]
        fits = _near(largest[:, factors].prod(dim=2), largest[:, column : column + 1]).all(dim=0)
        fits &= _near(made, some[:, column : column + 1]).all(dim=0) & (largest[0, column] != 0)
        found[column] = [ways[number] for number in fits.nonzero()[:, 0].tolist() if column not in ways[number]]
    return found


def _is_product(own: Tensor, column: int, way: tuple[int, ...]) -> bool:
    return bool(_near(own[:, list(way)].prod(dim=1), own[:, column]).all())


def _near(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).abs() <= ROUNDING * (one.abs() + other.abs().amax(dim=0))


def _factors(ways: Mapping[int, Sequence[tuple[int, ...]]]) -> dict[int, tuple[int, ...]]:
    """Return the factors of each product, none of them a product itself; of the later columns first."""
    found: dict[int, tuple[int, ...]] = {}

    def expanded(way: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(factor for each in way for factor in found.get(each, (each,))))

    for column in sorted(ways, reverse=True):
        possible = [expanded(way) for way in ways[column]]
        if free := [way for way in possible if column not in way]:
            found[column] = min(free, key=len)
            found = {other: tuple(sorted(f for each in way for f in found.get(each, (each,)))) for other, way in found.items()}
    return found
