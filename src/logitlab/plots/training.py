"""Pictures of what a network says at one moment of its training: functions of arrays that return a Figure."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from logitlab.plots.style import (
    CLASS_COLOURS,
    CLASS_MARKERS,
    GREEN,
    GREY,
    INK,
    PROBABILITY,
    entitle,
    figure,
    legend_below,
    styled,
)
from logitlab.plots.surface import Array, sigmoid_of

CONTOURS = (0.1, 0.25, 0.5, 0.75, 0.9)
OPACITY = 0.9
GRID = 201
"""Points of the field along each axis."""


@styled
def s_curve(
    feature: ArrayLike,
    target: ArrayLike,
    weight: float,
    bias: float,
    moment: str = "",
    *,
    name: str,
    target_name: str,
    threshold: float = 0.5,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Return one feature's data, the curve sigmoid(w x + b), and where it crosses the threshold.

    Args:
        feature: (rows,), in its own units.
        target: 0 or 1, (rows,).
        weight: per unit of the feature.
        bias: the logit at 0.
        moment: of the training, such as "after 100 epochs".
        name: of the feature, with its unit.
        target_name: what the probability is the probability of.
        threshold: a row is of class 1 where probability >= threshold.
        limits: the ends of the axis; None: the feature's, with a margin.
    """
    x, y = np.asarray(feature, dtype=np.float64), np.asarray(target, dtype=np.float64)
    picture, (axes,) = figure(6.4, 4.4)
    low, high = limits or _limits(x)
    along = np.linspace(low, high, 401)
    axes.plot(along, sigmoid_of(weight * along + bias), color=GREEN, label="probability")
    _draw_rows(axes, x, y, y, (sigmoid_of(weight * x + bias) >= threshold) != (y == 1))
    axes.axhline(threshold, color=GREY, linestyle=":", linewidth=1.5, label=f"threshold {threshold:.3g}")
    crossing = (np.log(threshold / (1 - threshold)) - bias) / weight if weight else np.inf
    if low < crossing < high:
        axes.axvline(crossing, color=GREY, linestyle=":", linewidth=1.5)
        text = axes.annotate(f"{name} = {crossing:.4g}", (crossing, 0.2), (5, 0), textcoords="offset points")
        text.set_in_layout(False)
    axes.set(xlabel=name, ylabel=f"probability of {target_name}", xlim=(low, high), ylim=(-0.06, 1.06))
    legend_below(axes)
    entitle(axes, f"Probability of {target_name}", moment)
    return picture


@styled
def probability_field(
    features: ArrayLike,
    target: ArrayLike,
    logit: Callable[[Array], Array],
    moment: str = "",
    *,
    names: Sequence[str],
    target_name: str,
    threshold: float = 0.5,
    title: str = "Probability field and decision line",
) -> Figure:
    """Return two features' probability as a field with contours and decision line, and the rows; wrong ones are ringed.

    Args:
        features: (rows, 2), in their own units.
        target: 0 or 1, (rows,).
        logit: of points (n, 2) in the features' own units, (n,).
        moment: of the training, such as "after 100 epochs".
        names: of the two features, with their units.
        target_name: what the probability is the probability of.
        threshold: a row is of class 1 where probability >= threshold.
        title: of the picture.
    """
    x, y = np.asarray(features, dtype=np.float64), np.asarray(target, dtype=np.float64)
    picture, (axes,) = figure(6.4, 4.6)
    axes.grid(False)
    box = [_limits(x[:, 0]), _limits(x[:, 1])]
    across, up = np.meshgrid(*(np.linspace(*ends, GRID) for ends in box))
    field = logit(np.stack([across.ravel(), up.ravel()], axis=1)).reshape(GRID, GRID)
    shown: dict[str, Any] = {"origin": "lower", "extent": (*box[0], *box[1]), "aspect": "auto", "interpolation": "nearest"}
    axes.imshow(PROBABILITY(sigmoid_of(field), alpha=OPACITY, bytes=True), **shown)
    levels = {float(np.log(level / (1 - level))): f"{level:g}" for level in CONTOURS if level != threshold}
    passed = {level: text for level, text in levels.items() if field.min() < level < field.max()}
    if passed:
        contours = axes.contour(
            across, up, field, levels=list(passed), colors=GREY, linewidths=0.8, linestyles="solid", alpha=0.8
        )
        axes.clabel(contours, fmt=passed, fontsize=8, colors=GREY)
    boundary = float(np.log(threshold / (1 - threshold)))
    if field.min() < boundary < field.max():
        axes.contour(across, up, field, levels=[boundary], colors=INK, linewidths=2, linestyles="solid")
    axes.plot([], [], color=INK, label=f"probability = {threshold:g}")
    _draw_rows(axes, x[:, 0], x[:, 1], y, (sigmoid_of(logit(x)) >= threshold) != (y == 1))
    colours = ScalarMappable(Normalize(0, 1), PROBABILITY)
    picture.colorbar(colours, ax=axes, alpha=OPACITY, label=f"probability of {target_name}")
    axes.set(xlabel=names[0], ylabel=names[1], xlim=box[0], ylim=box[1])
    legend_below(axes)
    entitle(axes, title, moment)
    return picture


def _limits(values: Array) -> tuple[float, float]:
    """Return the ends of an axis that shows all the values with a margin."""
    margin = 0.15 * float(np.ptp(values)) or 1.0
    return float(values.min()) - margin, float(values.max()) + margin


def _draw_rows(axes: Axes, x: Array, y: Array, target: Array, wrong: NDArray[np.bool_]) -> None:
    """Draw the rows by class, and a ring around each that is wrong."""
    size = 8 if len(x) <= 100 else 4
    style: dict[str, Any] = {"markersize": size, "markeredgecolor": "white", "alpha": 1.0 if len(x) <= 100 else 0.6}
    for each in (0, 1):
        rows = target == each
        axes.plot(x[rows], y[rows], CLASS_MARKERS[each], color=CLASS_COLOURS[each], label=f"class {each}", **style)
    ring: dict[str, Any] = {"markersize": size + (6 if size > 4 else 2), "markeredgewidth": 1.0 if size > 4 else 0.6}
    axes.plot(x[wrong], y[wrong], "o", color="none", markeredgecolor=INK, label="misclassified", linewidth=0, **ring)
