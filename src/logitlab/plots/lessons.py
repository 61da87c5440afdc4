"""The seven pictures by which the tutorials explain logistic regression."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from logitlab.plots.style import BLUE, CLASS_COLOURS, CLASS_MARKERS, GREEN, GREY, INK, ORANGE, VERMILION, figure, styled
from logitlab.plots.surface import Array, cross_entropy, sigmoid_of

LINES = ((BLUE, "-"), (VERMILION, "--"), (GREEN, "-."))
"""Colour and dash of the first, second and third curve in one picture."""


@styled
def sigmoid() -> Figure:
    """Return 1 / (1 + exp(-x)) on [-5, 5), with a dotted line at x = 0."""
    picture, (axes,) = figure()
    x = np.arange(-5.0, 5.0, 0.1)
    axes.plot(x, sigmoid_of(x), color=BLUE)
    axes.axvline(0, color=GREY, linestyle=":")
    axes.plot([0], [0.5], "o", color=INK)
    axes.annotate("x = 0 gives exactly 0.5", (0, 0.5), (0.5, 0.44), color=INK)
    axes.set_title("The sigmoid turns any number into a probability")
    axes.set(xlabel="x (the logit)", ylabel="1 / (1 + exp(-x))", xlim=(-5, 5), ylim=(-0.03, 1.03))
    return picture


@styled
def sigmoid_slope(weights: tuple[float, ...] = (0.5, 1.0, 2.0)) -> Figure:
    """Return sigmoid(w x) for each of three weights: w is the steepness."""
    picture, (axes,) = figure()
    x = np.arange(-5.0, 5.0, 0.1)
    _curves(axes, x, [(f"w = {w:g}", sigmoid_of(w * x)) for w in weights])
    axes.axvline(0, color=GREY, linestyle=":")
    axes.set_title("The weight is the steepness of the curve")
    axes.set(xlabel="x", ylabel="sigmoid(w x)")
    return picture


@styled
def sigmoid_shift(biases: tuple[float, ...] = (0.5, 1.0, 1.5)) -> Figure:
    """Return sigmoid(x + b) for each of three biases: b moves the curve left and right."""
    picture, (axes,) = figure()
    x = np.arange(-5.0, 5.0, 0.1)
    _curves(axes, x, [(f"b = {b:g}: 0.5 at x = {-b:g}", sigmoid_of(x + b)) for b in biases])
    axes.axhline(0.5, color=GREY, linestyle=":")
    for (colour, _), b in zip(LINES, biases, strict=True):
        axes.plot([-b], [0.5], "o", color=colour)
    axes.set_title("The bias moves the curve left and right")
    axes.set(xlabel="x", ylabel="sigmoid(x + b)")
    return picture


@styled
def threshold(cut: float = 0.5) -> Figure:
    """Return the sigmoid cut at a threshold: below it class 0, from it up class 1."""
    picture, (axes,) = figure()
    x = np.linspace(-5, 5, 401)
    p = sigmoid_of(x)
    at = np.log(cut / (1 - cut))
    for each, (low, high) in enumerate(((-5, at), (at, 5))):
        axes.axvspan(low, high, color=CLASS_COLOURS[each], alpha=0.1, linewidth=0)
        inside = (p >= cut) == bool(each)
        axes.plot(x[inside], p[inside], color=CLASS_COLOURS[each])
        axes.text((low + high) / 2, 0.92 if each == 0 else 0.08, f"class {each}", ha="center", color=CLASS_COLOURS[each])
    axes.axhline(cut, color=GREY, linestyle=":")
    axes.axvline(at, color=GREY, linestyle=":")
    axes.set_title(f"The threshold cuts probabilities into classes (here at {cut:g})")
    axes.set(xlabel="logit", ylabel="probability", xlim=(-5, 5), ylim=(-0.03, 1.03))
    return picture


@styled
def scores_fit(scores: ArrayLike, passed: ArrayLike, weight: float, bias: float) -> Figure:
    """Return the scores with the fitted S-curve, and the least-squares line that does not fit.

    Args:
        scores: exam scores, (rows,).
        passed: 0 or 1, (rows,).
        weight: of the logistic regression, per point.
        bias: of the logistic regression.
    """
    scores, passed = np.asarray(scores, dtype=np.float64), np.asarray(passed, dtype=np.float64)
    slope, intercept = np.polyfit(scores, passed, 1)
    x = np.linspace(scores.min() - 10, scores.max() + 10, 401)
    picture, (axes,) = figure(6.4, 4.2)
    line = slope * x + intercept
    axes.fill_between(x, line, np.clip(line, 0, 1), color=ORANGE, alpha=0.3, linewidth=0, label="no probability any more")
    axes.plot(x, line, color=ORANGE, linestyle="--", label="straight line (least squares)")
    axes.plot(x, sigmoid_of(weight * x + bias), color=GREEN, label="logistic regression")
    for each, word in enumerate(("failed", "passed")):
        rows = passed == each
        axes.plot(scores[rows], passed[rows], CLASS_MARKERS[each], color=CLASS_COLOURS[each], markersize=8, label=word)
    axes.axvline(-bias / weight, color=GREY, linestyle=":")
    axes.annotate(f"even odds at {-bias / weight:.1f}", (-bias / weight, 0.06), (4, 0), textcoords="offset points", color=INK)
    axes.set_title("A straight line does not fit a yes or no; an S-curve does")
    axes.set(xlabel="exam score (points)", ylabel="probability of passing", xlim=(x[0], x[-1]))
    axes.legend(loc="upper left")
    return picture


@styled
def cost_surface(x: ArrayLike, y: ArrayLike, weights: ArrayLike, biases: ArrayLike) -> Figure:
    """Return both costs of sigmoid(w x + b) over w and b: the squared error, wavy, beside the cross-entropy, a bowl.

    Args:
        x: the feature, (rows,).
        y: 0 or 1, (rows,).
        weights: where to evaluate, (w,).
        biases: where to evaluate, (b,).
    """
    w, b = np.meshgrid(np.asarray(weights, dtype=np.float64), np.asarray(biases, dtype=np.float64))
    picture = Figure(figsize=(9.6, 4.4), layout="constrained")
    titles = ("Squared error: waves and flat stretches", "Cross-entropy: one bowl")
    for place, (title, cost) in enumerate(zip(titles, costs(x, y, w, b), strict=True), start=1):
        axes = picture.add_subplot(1, 2, place, projection="3d")
        axes.plot_surface(w, b, cost, cmap="cividis", linewidth=0, antialiased=True, rcount=90, ccount=90, rasterized=True)
        axes.set_title(title)
        axes.set(xlabel="weight", ylabel="bias", zlabel="cost (mean over rows)")
        axes.view_init(elev=32, azim=-58)
        axes.set_box_aspect(None, zoom=0.86)
    return picture


def costs(x: ArrayLike, y: ArrayLike, weight: ArrayLike, bias: ArrayLike) -> tuple[Array, Array]:
    """Return the mean squared error and the mean cross-entropy of sigmoid(w x + b).

    Args:
        x: the feature, (rows,).
        y: 0 or 1, (rows,).
        weight: of any shape.
        bias: of the same shape.

    Returns:
        Two arrays of the shape of `weight`.
    """
    weight, bias = np.asarray(weight, dtype=np.float64)[..., None], np.asarray(bias, dtype=np.float64)[..., None]
    y = np.asarray(y, dtype=np.float64)
    logit = weight * np.asarray(x, dtype=np.float64) + bias
    return ((sigmoid_of(logit) - y) ** 2).mean(-1), cross_entropy(logit, y).mean(-1)


@styled
def bce_parts() -> Figure:
    """Return the two halves of the cross-entropy: -log(h) where y = 1 and -log(1 - h) where y = 0."""
    picture, (axes,) = figure()
    h = np.linspace(0.001, 0.999, 999)
    axes.plot(h, -np.log(h), color=CLASS_COLOURS[1], label="y = 1: -log(h)")
    axes.plot(h, -np.log(1 - h), color=CLASS_COLOURS[0], linestyle="--", label="y = 0: -log(1 - h)")
    axes.plot([0.5], [np.log(2)], "o", color=INK)
    axes.annotate("undecided: log 2 = 0.6931", (0.5, np.log(2)), (0, -30), textcoords="offset points", ha="center")
    axes.set_title("What a row costs: nothing if right, without limit if surely wrong")
    axes.set(xlabel="h, the predicted probability of class 1", ylabel="cost of the row (nats)", xlim=(0, 1), ylim=(0, 5))
    axes.legend(loc="upper center")
    return picture


def _curves(axes: Axes, x: Array, curves: Sequence[tuple[str, Array]]) -> None:
    for (colour, dash), (label, y) in zip(LINES, curves, strict=True):
        axes.plot(x, y, color=colour, linestyle=dash, label=label)
    axes.set(xlim=(-5, 5), ylim=(-0.03, 1.03))
    axes.legend(loc="upper left")
