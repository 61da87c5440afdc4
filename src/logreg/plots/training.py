"""Pictures of a network at one moment of its training: its curve or field, the way it came, and what each row costs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from logreg.plots.sigmoid import sigmoid_of
from logreg.plots.style import CLASS_COLOURS, CLASS_MARKERS, GREEN, GREY, INK, ORANGE, PROBABILITY, figure, styled

Array = NDArray[np.float64]
CONTOURS = (0.1, 0.25, 0.5, 0.75, 0.9)
MOST_BARS = 24


@styled
def s_curve(
    feature: ArrayLike,
    target: ArrayLike,
    weight: float,
    bias: float,
    *,
    name: str,
    target_name: str,
    threshold: float = 0.5,
    moment: str = "",
) -> Figure:
    """Return one feature's data, the curve sigmoid(w x + b), and where it crosses the threshold.

    Args:
        feature: (rows,), in its own units.
        target: 0 or 1, (rows,).
        weight: for the feature in its own units.
        bias: likewise.
        name: of the feature, with its unit.
        target_name: what the probability is the probability of.
        threshold: a row is of class 1 where probability >= threshold.
        moment: when, such as "after 100 epochs".
    """
    feature, target = np.asarray(feature, dtype=np.float64), np.asarray(target, dtype=np.float64)
    low, high = _reach(feature)
    x = np.linspace(low, high, 401)
    picture, (axes,) = figure(6.4, 4.4)
    axes.plot(x, sigmoid_of(weight * x + bias), color=GREEN, label="probability")
    wrong = (sigmoid_of(weight * feature + bias) >= threshold) != (target == 1)
    _points(axes, feature, target, target, wrong)
    axes.axhline(threshold, color=GREY, linestyle=":", linewidth=1.5, label=f"threshold {threshold:.3g}")
    crossing = (np.log(threshold / (1 - threshold)) - bias) / weight if weight else np.inf
    if low < crossing < high:
        axes.axvline(crossing, color=GREY, linestyle=":", linewidth=1.5)
        axes.annotate(f"{name} = {crossing:.4g}", (crossing, 0.2), (5, 0), textcoords="offset points")
    axes.set_title(_titled(f"Probability of {target_name} over {name}", moment))
    axes.set(xlabel=name, ylabel=f"probability of {target_name}", xlim=(low, high), ylim=(-0.06, 1.06))
    _legend_below(axes)
    return picture


@styled
def probability_field(
    features: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike,
    bias: float,
    *,
    names: Sequence[str],
    target_name: str,
    threshold: float = 0.5,
    moment: str = "",
) -> Figure:
    """Return two features' probability as a field with contours, the decision line, and the rows; wrong ones are ringed.

    Args:
        features: (rows, 2), in their own units.
        target: 0 or 1, (rows,).
        weight: (2,), for the features in their own units.
        bias: likewise.
        names: of the two features, with their units.
        target_name: what the probability is the probability of.
        threshold: a row is of class 1 where probability >= threshold; the decision line is where it is equal.
        moment: when, such as "after 100 epochs".
    """
    features, target = np.asarray(features, dtype=np.float64), np.asarray(target, dtype=np.float64)
    weight = np.asarray(weight, dtype=np.float64)
    box = [_reach(features[:, 0]), _reach(features[:, 1])]
    first, second = np.meshgrid(np.linspace(*box[0], 201), np.linspace(*box[1], 201))
    field = sigmoid_of(weight[0] * first + weight[1] * second + bias)
    picture, (axes,) = figure(6.4, 4.6)
    axes.grid(False)
    image = axes.imshow(
        field, cmap=PROBABILITY, vmin=0, vmax=1, origin="lower", extent=(*box[0], *box[1]), aspect="auto", alpha=0.9
    )
    levels = axes.contour(
        first, second, field, levels=[level for level in CONTOURS if level != threshold], colors=GREY, linewidths=0.8, alpha=0.8
    )
    axes.clabel(levels, fmt="%g", fontsize=8)
    line = decision_line(weight, bias, box, threshold)
    if line is not None:
        axes.plot(*line.T, color=INK, label=f"probability = {threshold:g}")
    wrong = (sigmoid_of(features @ weight + bias) >= threshold) != (target == 1)
    _points(axes, features[:, 0], features[:, 1], target, wrong)
    picture.colorbar(image, ax=axes, label=f"probability of {target_name}")
    axes.set_title(_titled("Probability field and decision line", moment))
    axes.set(xlabel=names[0], ylabel=names[1], xlim=box[0], ylim=box[1])
    _legend_below(axes)
    return picture


def decision_line(weight: ArrayLike, bias: float, box: Sequence[tuple[float, float]], threshold: float = 0.5) -> Array | None:
    """Return the two ends, (2, 2), of the line where sigmoid(w x + b) = threshold inside a box; None where it is outside.

    Args:
        weight: (2,).
        bias: ().
        box: (low, high) of the first and of the second feature.
        threshold: the probability on the line.
    """
    w = np.asarray(weight, dtype=np.float64)
    level = np.log(threshold / (1 - threshold)) - bias
    ends = []
    for along in (0, 1):  # cut each side of the box
        across = 1 - along
        if w[along] == 0:
            continue
        for side in box[across]:
            at = (level - w[across] * side) / w[along]
            if box[along][0] <= at <= box[along][1]:
                ends.append((at, side) if along == 0 else (side, at))
    if len(ends) < 2:
        return None
    points = np.array(ends)
    apart = np.linalg.norm((points - points[0]) / np.ptp(np.asarray(box), axis=1), axis=1)
    return points[[0, int(apart.argmax())]] if apart.max() > 0 else None


@styled
def loss_surface(
    first: ArrayLike,
    second: ArrayLike,
    loss: ArrayLike,
    path: ArrayLike,
    *,
    names: Sequence[str],
    moment: str = "",
) -> Figure:
    """Return the loss over two directions of the weights, the bias at its best, with the way that the descent took.

    Args:
        first: values along the first direction, (m,).
        second: values along the second, (n,).
        loss: mean cross-entropy in nats, (n, m), all above 0.
        path: where the weights have been, oldest first, (moments, 2).
        names: of the two directions.
        moment: when, such as "after 100 epochs".
    """
    path, loss = np.asarray(path, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    picture, (axes,) = figure(6.4, 4.6)
    axes.grid(False)
    levels = np.geomspace(max(loss.min(), 1e-6), loss.max(), 14)
    levels[-1] *= 1.0001
    filled = axes.contourf(first, second, np.maximum(loss, levels[0]), levels=levels, cmap="cividis", norm="log")
    bar = picture.colorbar(filled, ax=axes, label="loss (nats, logarithmic), bias at its best", format="%.2g")
    bar.ax.minorticks_off()
    bar.set_ticks(levels[::3].tolist())
    axes.plot(*path.T, color="white", linewidth=3)
    axes.plot(*path.T, color=ORANGE, linewidth=1.6, marker=".", markersize=7, markeredgecolor="white", markeredgewidth=0.5)
    axes.plot(*path[0], "o", color="white", markeredgecolor=INK, markersize=8, label="start")
    axes.plot(*path[-1], "D", color=ORANGE, markeredgecolor=INK, markersize=8, label="here")
    axes.set_title(_titled("The descent on the loss surface", moment))
    axes.set(xlabel=names[0], ylabel=names[1])
    _legend_below(axes)
    return picture


@styled
def row_losses(loss: ArrayLike, target: ArrayLike, *, moment: str = "") -> Figure:
    """Return what each row costs, one bar a row; of more than 24 rows, the 24 dearest.

    Args:
        loss: of each row in nats, (rows,).
        target: 0 or 1, (rows,).
        moment: when, such as "after 100 epochs".
    """
    loss, target = np.asarray(loss, dtype=np.float64), np.asarray(target, dtype=np.float64)
    dearest = np.sort(np.argsort(-loss, kind="stable")[:MOST_BARS]) if len(loss) > MOST_BARS else np.arange(len(loss))
    picture, (axes,) = figure(6.4, 3.6)
    places = np.arange(len(dearest))
    for each in (0, 1):
        chosen = target[dearest] == each
        hatch = "" if each == 0 else "///"
        axes.bar(
            places[chosen],
            loss[dearest][chosen],
            color=CLASS_COLOURS[each],
            hatch=hatch,
            edgecolor="white",
            label=f"class {each}",
        )
    axes.axhline(loss.mean(), color=INK, linestyle=":", linewidth=1.5, label=f"mean {loss.mean():.4f}")
    axes.set_xticks(places, [str(row + 1) for row in dearest], rotation=90 if len(dearest) > 12 else 0)
    axes.grid(False, axis="x")
    which = "What each row costs" if len(loss) <= MOST_BARS else f"The {MOST_BARS} dearest of {len(loss):,} rows"
    axes.set_title(_titled(which, moment))
    axes.set(xlabel="row", ylabel="loss (nats)")
    axes.legend(loc="upper right", ncols=3)
    axes.margins(y=0.2)
    return picture


def _legend_below(axes: Axes) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=5, handletextpad=0.4, columnspacing=1.2)


def _reach(values: Array) -> tuple[float, float]:
    """Return the ends of an axis that shows all the values with a margin."""
    margin = 0.15 * float(np.ptp(values)) or 1.0
    return float(values.min()) - margin, float(values.max()) + margin


def _titled(words: str, moment: str) -> str:
    return f"{words}, {moment}" if moment else words


def _points(axes: Axes, x: Array, y: Array, target: Array, wrong: NDArray[np.bool_]) -> None:
    size = 8 if len(x) <= 100 else 4
    for each in (0, 1):
        rows = target == each
        style: dict[str, Any] = {"markersize": size, "markeredgecolor": "white", "alpha": 1.0 if len(x) <= 100 else 0.6}
        axes.plot(x[rows], y[rows], CLASS_MARKERS[each], color=CLASS_COLOURS[each], label=f"class {each}", **style)
    if wrong.any():
        ring: dict[str, Any] = {"markersize": size + (6 if size > 4 else 2), "markeredgewidth": 1.0 if size > 4 else 0.6}
        axes.plot(x[wrong], y[wrong], "o", color="none", markeredgecolor=INK, label="misclassified", linewidth=0, **ring)
