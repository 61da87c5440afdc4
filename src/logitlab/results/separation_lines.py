"""How a direction that separates the classes is put into words: a rule that is printed holds for all rows as it is printed."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import torch
from torch import Tensor

from logitlab.solvers.exact import Direction, ExactRows
from logitlab.solvers.objective import Objective
from logitlab.solvers.separation import Separation

MOST_TERMS = 6
MOST_RULES = 3
MOST_NAMED = 5
SHORT, LONG = (3, 4), (6, 9, 12)
"""Digits with which a rule is tried."""
LARGEST_WHOLE = 99_999
CURE = "For a finite answer type penalty=firth optimizer=newton, or penalty.l2=0.01"


def no_optimum(table: Objective, names: Sequence[str], target: str, found: Separation) -> str:
    """Say that the loss falls for ever, along which direction, and what to do.

    Args:
        table: the rows that are separated.
        names: of the features.
        target: what 1 means.
        found: the proof.
    """
    rows = torch.arange(len(table.features)) if table.weight is None else (table.weight.reshape(-1) > 0).nonzero()[:, 0]
    if found.one_class:
        return f"none: all {len(rows):,} rows have {target} = {int(found.bias > 0)}, and the bias grows for ever"
    exact = ExactRows(table)
    if found.complete:
        joined = exact.from_scaled(torch.cat([found.weight, found.bias[None]]))
        rule = found.rules[0] if len(found.rules) == 1 else joined
        return f"none, the weights grow for ever: {_words(exact, rule, rows, names)} exactly where {target} = 1. {CURE}"
    parts = []
    for number, rule in enumerate(found.rules[:MOST_RULES]):
        which = "of them " if number else ""
        parts.append(f"no row {which}with {_words(exact, rule, rows, names)} has {target} = 0 and none below has 1")
        rows = rows[exact.sides(rule, rows) == 0]
        parts[-1] += f" ({len(rows):,} rows lie on the boundary)"
    more = f"; and {len(found.rules) - MOST_RULES} more such rules" if len(found.rules) > MOST_RULES else ""
    return f"none, some weights grow for ever: {'; '.join(parts)}{more}. {_rest(found, names)}{CURE}"


def infinite_names(found: Separation, names: Sequence[str]) -> str:
    """Return "a, b and 3 more": the coefficients that are not finite."""
    named = [[*names, "bias"][place] for place in found.infinite]
    more = f" and {len(named) - MOST_NAMED:,} more" if len(named) > MOST_NAMED else ""
    return ", ".join(named[:MOST_NAMED]) + more


def _rest(found: Separation, names: Sequence[str]) -> str:
    if found.rest is None or len(found.infinite) > len(names):
        return ""
    return f"No finite coefficient has {infinite_names(found, names)}; the others are those of the rows on the boundary. "


def _words(exact: ExactRows, rule: Direction, rows: Tensor, names: Sequence[str]) -> str:
    """Return a direction as "0.92 x1 + 0.38 x2 > 4.1", in numbers with which it holds; the largest terms of many."""
    scale = max(abs(value) for value in rule[:-1])
    rule = tuple(value / scale for value in rule)
    terms = sum(1 for value in rule[:-1] if value)
    if terms <= MOST_TERMS:
        sides = exact.sides(rule, rows)
        for numbers in _written(rule):
            if torch.equal(exact.sides(numbers, rows), sides):
                return f"{_sum(numbers[:-1], names)} > {_number(-numbers[-1])}"
    shown = sorted(sorted(range(exact.columns), key=lambda place: -abs(rule[place]))[:MOST_TERMS])
    largest = _sum([Fraction(f"{float(rule[place]):.3g}") for place in shown], [names[place] for place in shown])
    more = f" + {terms - MOST_TERMS:,} smaller terms" if terms > MOST_TERMS else ""
    return f"{largest}{more} > about {float(-rule[-1]):.3g}"


def _written(rule: Direction) -> Iterator[Direction]:
    """Yield the direction in numbers that can be written: rounded to a few digits, whole, and rounded to more."""
    for digits in SHORT:
        yield _rounded(rule, digits)
    common = math.lcm(*(value.denominator for value in rule))
    if max(abs(value * common) for value in rule) <= LARGEST_WHOLE:
        yield tuple(value * common for value in rule)
    for digits in LONG:
        yield _rounded(rule, digits)


def _rounded(rule: Direction, digits: int) -> Direction:
    return tuple(Fraction(f"{float(value):.{digits}g}") for value in rule)


def _sum(values: Sequence[Fraction], names: Sequence[str]) -> str:
    terms = [
        f"{'-' if value < 0 else '+'} {'' if abs(value) == 1 else f'{_number(abs(value))} '}{name}"
        for value, name in zip(values, names, strict=True)
        if value
    ]
    text = " ".join(terms)
    return text.removeprefix("+ ") if text.startswith("+") else f"-{text[2:]}"


def _number(value: Fraction) -> str:
    """Return a number of at most twelve digits, all of them."""
    return f"{float(value):.12g}" if value else "0"
