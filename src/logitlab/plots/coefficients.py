"""Pictures of the coefficients: how far each one is from saying nothing."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from logitlab.plots.names import short
from logitlab.plots.style import BLUE, GREY, PALE, figure, log_ticks, styled

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
    picture = _forest("Coefficients", names, estimate, low, high, at_rest=0.0)
    picture.axes[0].set_xlabel("change of the logit (log odds) per unit of the feature")
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
    picture = _forest("Odds ratios", names, estimate, low, high, at_rest=1.0, logarithmic=True)
    picture.axes[0].set_xlabel("factor on the odds per unit of the feature (logarithmic)")
    return picture


def _forest(
    title: str,
    names: Sequence[str],
    estimate: ArrayLike,
    low: ArrayLike | None,
    high: ArrayLike | None,
    at_rest: float,
    logarithmic: bool = False,
) -> Figure:
    values = np.asarray(estimate, dtype=np.float64)
    size = np.abs(np.log(values)) if logarithmic else np.abs(values)
    shown = np.sort(np.argsort(-size, kind="stable")[:MOST_SHOWN])
    places = np.arange(len(shown))
    picture, (axes,) = figure(6.4, 1.4 + 0.3 * len(shown))
    if logarithmic:
        drawn = [*values, *([] if low is None else np.asarray(low)), *([] if high is None else np.asarray(high)), at_rest]
        axes.set_xscale("log")
        axes.set_xticks(log_ticks(np.nanmin(drawn), np.nanmax(drawn)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
    axes.axvline(at_rest, color=GREY, linestyle=":")
    if low is not None and high is not None:
        lows, highs = np.asarray(low, dtype=np.float64)[shown], np.asarray(high, dtype=np.float64)[shown]
        axes.hlines(places, lows, highs, color=BLUE, linewidth=2)
        axes.plot(lows, places, "|", highs, places, "|", color=BLUE, markersize=8)
    else:
        axes.hlines(places, at_rest, values[shown], color=PALE, linewidth=3)
    axes.plot(values[shown], places, "o", color=BLUE, markersize=7)
    axes.set_yticks(places, [short(names[index], 28) for index in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.margins(x=0.12)
    few = f", the {len(shown)} largest of {len(values):,}" if len(shown) < len(values) else ""
    axes.set_title(title + (" with 95 % intervals" if low is not None else "") + few)
    return picture
