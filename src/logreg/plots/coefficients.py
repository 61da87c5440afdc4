"""Pictures of the coefficients: how far each one is from saying nothing."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, ScalarFormatter
from numpy.typing import ArrayLike

from logreg.plots.style import BLUE, GREY, PALE, figure, styled

MOST_SHOWN = 30


@styled
def coefficients(
    names: Sequence[str], estimate: ArrayLike, low: ArrayLike | None = None, high: ArrayLike | None = None
) -> Figure:
    """Return each coefficient as a point, with its 95 % interval where there is one; of more than 30, the largest 30.

    Args:
        names: of the features, (features,).
        estimate: per unit of its feature, in log odds, (features,).
        low: lower ends of the intervals, (features,); NaN where there is none.
        high: upper ends, (features,).
    """
    picture, axes = _forest(names, estimate, low, high, at_rest=0.0)
    axes.set_title("Coefficients" + (" with 95 % intervals" if low is not None else ""))
    axes.set(xlabel="change of the logit (log odds) per unit of the feature")
    return picture


@styled
def odds_ratios(
    names: Sequence[str], estimate: ArrayLike, low: ArrayLike | None = None, high: ArrayLike | None = None
) -> Figure:
    """Return exp(coefficient), the factor on the odds for one unit more, on a logarithmic axis.

    Args:
        names: of the features, (features,).
        estimate: the odds ratios, (features,), all above 0.
        low: lower ends of their 95 % intervals, (features,); NaN where there is none.
        high: upper ends, (features,).
    """
    picture, axes = _forest(names, estimate, low, high, at_rest=1.0, logarithmic=True)
    axes.set_title("Odds ratios" + (" with 95 % intervals" if low is not None else ""))
    axes.set(xlabel="factor on the odds per unit of the feature (logarithmic)")
    return picture


def _forest(
    names: Sequence[str],
    estimate: ArrayLike,
    low: ArrayLike | None,
    high: ArrayLike | None,
    at_rest: float,
    logarithmic: bool = False,
) -> tuple[Figure, Axes]:
    values = np.asarray(estimate, dtype=np.float64)
    size = np.abs(np.log(values)) if logarithmic else np.abs(values)
    shown = np.sort(np.argsort(-size, kind="stable")[:MOST_SHOWN])
    places = np.arange(len(shown))
    picture, (axes,) = figure(6.4, 1.4 + 0.3 * len(shown))
    if logarithmic:
        drawn = [*values, *([] if low is None else np.asarray(low)), *([] if high is None else np.asarray(high)), at_rest]
        is_narrow = np.nanmax(drawn) < 4 * np.nanmin(drawn)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(5) if is_narrow else LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter(useOffset=False) if is_narrow else "{x:g}")
    axes.axvline(at_rest, color=GREY, linestyle=":")
    if low is not None and high is not None:
        lows, highs = np.asarray(low, dtype=np.float64)[shown], np.asarray(high, dtype=np.float64)[shown]
        axes.hlines(places, lows, highs, color=BLUE, linewidth=2)
        axes.plot(lows, places, "|", highs, places, "|", color=BLUE, markersize=8)
    else:
        axes.hlines(places, at_rest, values[shown], color=PALE, linewidth=3)
    axes.plot(values[shown], places, "o", color=BLUE, markersize=7)
    axes.set_yticks(places, [_short(names[index]) for index in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.margins(x=0.12)
    if len(shown) < len(values):
        axes.annotate(
            f"the {len(shown)} largest of {len(values):,}", (1, 1.02), xycoords="axes fraction", ha="right", color=GREY
        )
    return picture, axes


def _short(name: str, length: int = 28) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
