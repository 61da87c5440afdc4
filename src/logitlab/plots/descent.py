"""Pictures of the descent: its way over the loss surface, and what each row costs at one moment."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from logitlab.plots.style import CLASS_COLOURS, INK, ORANGE, entitle, figure, legend_below, log_ticks, styled

MOST_BARS = 24
LOSSES = (1e-4, 20.0)
"""The axis of the row losses, the same at every moment; what costs less has no bar, what costs more leaves the picture."""


@styled
def loss_surface(
    first: ArrayLike, second: ArrayLike, loss: ArrayLike, path: ArrayLike, names: Sequence[str], moment: str = ""
) -> Figure:
    """Return the loss over two directions of the weights, the bias at its best, with the way that the descent took.

    Args:
        first: values along the first direction, (m,).
        second: values along the second, (n,).
        loss: mean cross-entropy in nats, (n, m), all above 0.
        path: where the weights have been, oldest first, (moments, 2).
        names: of the two directions.
        moment: at the end of the path, such as "after 100 epochs".
    """
    loss, path = np.asarray(loss, dtype=np.float64), np.asarray(path, dtype=np.float64)
    picture, (axes,) = figure(6.4, 4.6)
    axes.grid(False)
    levels = np.geomspace(max(loss.min(), 1e-6), loss.max(), 14)
    levels[-1] *= 1.0001
    filled = axes.contourf(first, second, np.maximum(loss, levels[0]), levels=levels, cmap="cividis", norm="log")
    bar = picture.colorbar(filled, ax=axes, label="loss (nats, logarithmic), bias at its best", format="{x:g}")
    bar.ax.minorticks_off()
    bar.set_ticks(log_ticks(levels[0], levels[-1]))
    dots: dict[str, Any] = {"marker": ".", "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.5}
    axes.plot(*path.T, color="white", linewidth=2.4)
    axes.plot(*path.T, color=ORANGE, linewidth=1.2, **dots)
    axes.plot(*path[:1].T, "o", color="white", markeredgecolor=INK, markersize=8, label="start")
    axes.plot(*path[-1:].T, "D", color=ORANGE, markeredgecolor=INK, markersize=8, label="here")
    axes.set(xlabel=names[0], ylabel=names[1])
    legend_below(axes)
    entitle(axes, "The descent on the loss surface", moment)
    return picture


@styled
def row_losses(loss: ArrayLike, target: ArrayLike, moment: str = "", every: int = 1) -> Figure:
    """Return what each row costs, one bar a row; of more than 24 rows, the 24 that cost most.

    Args:
        loss: of each row in nats, (rows,).
        target: 0 or 1, (rows,).
        moment: of the training, such as "after 100 epochs".
        every: the rows are each `every`-th of the table, the first one first.
    """
    loss, target = np.asarray(loss, dtype=np.float64), np.asarray(target, dtype=np.int64)
    rows = len(target)
    shown = np.sort(np.argsort(-loss, kind="stable")[:MOST_BARS])
    picture, (axes,) = figure(6.4, 3.8)
    colours, hatches = [CLASS_COLOURS[each] for each in target[shown]], [("", "///")[each] for each in target[shown]]
    axes.bar(range(len(shown)), loss[shown], color=colours, hatch=hatches, edgecolor="white")
    axes.set_xticks(range(len(shown)), [str(row * every + 1) for row in shown], rotation=90 if len(shown) > 12 else 0)
    axes.tick_params(axis="x", length=0)
    mean = axes.axhline(loss.mean(), color=INK, linestyle=":", linewidth=1.5)
    axes.set_yscale("log")
    axes.set_ylim(LOSSES)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.grid(False, axis="x")
    axes.set(xlabel="row", ylabel="loss (nats, logarithmic)")
    classes = [Patch(facecolor=CLASS_COLOURS[each], hatch=("", "///")[each], edgecolor="white") for each in (0, 1)]
    axes.legend([*classes, mean], ["class 0", "class 1", "mean"], loc="upper right", ncols=3)
    title = f"What each of {rows:,} rows costs" if rows <= MOST_BARS else f"The {MOST_BARS} of {rows:,} rows that cost most"
    entitle(axes, title, ", ".join(filter(None, [moment, f"mean {loss.mean():.4f}"])))
    return picture
