"""The picture of a penalty that was chosen along a path."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from logitlab.plots.names import short
from logitlab.plots.style import BLUE, GREEN, GREY, INK, PALE, PURPLE, SKY, VERMILION, figure, styled

MOST_NAMED = 6
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, SKY, INK)


@styled
def penalty_path(
    strength: ArrayLike,
    loss: ArrayLike,
    error: ArrayLike,
    chosen: Mapping[str, float],
    names: Sequence[str],
    coefficients: ArrayLike,
    what: str = "penalty",
) -> Figure:
    """Return the cross-validated loss with its standard errors, and beside it every coefficient, over the penalty.

    Args:
        strength: of the penalties, above 0, (penalties,).
        loss: the mean loss over the folds, (penalties,).
        error: its standard error, (penalties,).
        chosen: the strengths that were chosen, by the names of the rules.
        names: of the features, (features,).
        coefficients: of all rows, of the features as the network sees them, (penalties, features).
        what: the name of the penalty.
    """
    x, mean, spread, paths = (np.asarray(each, dtype=np.float64) for each in (strength, loss, error, coefficients))
    picture, (left, right) = figure(10.5, 4.2, panels=2)
    left.fill_between(x, mean - spread, mean + spread, color=PALE, alpha=0.7, linewidth=0, label="one standard error")
    left.plot(x, mean, color=BLUE, marker="o", markersize=3, linewidth=1.2, label="mean over the folds")
    low, high = float((mean - spread).min()), float((mean + spread).max())
    left.set_ylim(low - 0.05 * (high - low), min(high, 2.5 * float(mean.max()) - 1.5 * low) + 0.08 * (high - low))
    left.set_title("Log loss of the rows held out")
    left.legend(loc="best")
    largest = np.argsort(-np.abs(paths).max(axis=0), kind="stable") if paths.shape[1] else np.empty(0, dtype=int)
    named = list(largest[:MOST_NAMED])
    right.plot(x, paths[:, largest[MOST_NAMED:]], color=GREY, alpha=0.35, linewidth=0.8)
    for place, colour in zip(named, COLOURS, strict=False):
        right.plot(x, paths[:, place], color=colour, linewidth=1.6, label=short(names[place], 22))
    right.set_title("Coefficients of all rows" + (f", the largest {MOST_NAMED} named" if len(names) > MOST_NAMED else ""))
    if named:
        right.legend(loc="best")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.invert_xaxis()
        axes.set_xlabel(f"{what} (logarithmic), from strong to weak")
        for name, value in chosen.items():
            axes.axvline(value, color=GREY, linestyle=":", linewidth=1.2)
            axes.annotate(
                name,
                (value, 1),
                xycoords=("data", "axes fraction"),
                xytext=(2, -9),
                textcoords="offset points",
                color=GREY,
                fontsize=8,
            )
    return picture
