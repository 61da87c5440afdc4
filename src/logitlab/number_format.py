"""Numbers for people: with as many digits as it takes to tell them apart."""

import math
from collections.abc import Sequence

MOST_DIGITS = 9
LARGEST = 1e100


def apart(values: Sequence[float], digits: int = 3) -> list[str]:
    """Return numbers as text with at least `digits` digits each, and more where different ones, or 1 and another, read alike.

    An odds ratio of 1.0004 with the interval 1.0001 to 1.0007 is none of 1 with the interval 1 to 1.
    """
    plain = {value for value in values if math.isfinite(value)}
    for more in range(digits, MOST_DIGITS + 1):
        shown = {value: number(value, more) for value in plain}
        if len(set(shown.values())) == len(plain) and all((text == "1") == (value == 1) for value, text in shown.items()):
            break
    return [number(value, more) for value in values]


def odds_ratio(logit: float) -> float:
    """Return exp(logit), held within what a float holds; infinite and 0 only for an infinite logit, NaN for NaN."""
    return math.exp(logit) if abs(logit) == math.inf or logit != logit else math.exp(max(-700.0, min(700.0, logit)))


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many digits, thousands whole; a dash for NaN, and beyond what can be pictured a bound."""
    if value != value:
        return "-"
    if value > LARGEST:
        return "infinity" if value == math.inf else f">{LARGEST:.0e}"
    if 0 < value < 1 / LARGEST:
        return f"<{1 / LARGEST:.0e}"
    return f"{value:,.0f}" if 1000 <= value < 1e6 and digits <= 4 else f"{value:.{digits}g}"
