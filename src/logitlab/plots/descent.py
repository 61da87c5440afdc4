"""Pictures of the descent: its way over the loss surface, and what each row costs at one moment."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from logitlab.plots.moving import MovingPicture, legend_below
from logitlab.plots.style import CLASS_COLOURS, INK, ORANGE, figure, log_ticks, styled

MOST_BARS = 24
LOSSES = (1e-4, 20.0)
"""The axis of the row losses, the same at every moment; what costs less has no bar, what costs more leaves the picture."""


class LossSurface(MovingPicture):
    """The loss over two directions of the weights, the bias at its best, with the way that the descent took."""

    @styled
    def __init__(self, first: ArrayLike, second: ArrayLike, loss: ArrayLike, *, names: Sequence[str]) -> None:
        """Draw what stands still.

        Args:
            first: values along the first direction, (m,).
            second: values along the second, (n,).
            loss: mean cross-entropy in nats, (n, m), all above 0.
            names: of the two directions.
        """
        super().__init__(figure(6.4, 4.6)[0])
        (axes,) = self.figure.axes
        loss = np.asarray(loss, dtype=np.float64)
        axes.grid(False)
        levels = np.geomspace(max(loss.min(), 1e-6), loss.max(), 14)
        levels[-1] *= 1.0001
        filled = axes.contourf(first, second, np.maximum(loss, levels[0]), levels=levels, cmap="cividis", norm="log")
        bar = self.figure.colorbar(filled, ax=axes, label="loss (nats, logarithmic), bias at its best", format="{x:g}")
        bar.ax.minorticks_off()
        bar.set_ticks(log_ticks(levels[0], levels[-1]))
        dots: dict[str, Any] = {"marker": ".", "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.5}
        (self._edge,) = axes.plot([], [], color="white", linewidth=2.4)
        (self._path,) = axes.plot([], [], color=ORANGE, linewidth=1.2, **dots)
        (self._start,) = axes.plot([], [], "o", color="white", markeredgecolor=INK, markersize=8, label="start")
        (self._here,) = axes.plot([], [], "D", color=ORANGE, markeredgecolor=INK, markersize=8, label="here")
        axes.set(xlabel=names[0], ylabel=names[1])
        legend_below(axes)
        self.moving = [self._edge, self._path, self._start, self._here]
        self.entitle(axes, "The descent on the loss surface")

    def show(self, path: ArrayLike, moment: str = "") -> "LossSurface":
        """Move to the end of a path (moments, 2): where the weights have been, oldest first."""
        path = np.asarray(path, dtype=np.float64)
        for line, part in ((self._edge, path), (self._path, path), (self._start, path[:1]), (self._here, path[-1:])):
            line.set_data(*part.T)
        self.tell(moment)
        return self


class RowLosses(MovingPicture):
    """What each row costs, one bar a row; of more than 24 rows, the 24 that cost most at the moment."""

    @styled
    def __init__(self, target: ArrayLike, every: int = 1) -> None:
        """Draw what stands still.

        Args:
            target: 0 or 1, (rows,).
            every: the rows are each `every`-th of the table, the first one first.
        """
        super().__init__(figure(6.4, 3.8)[0])
        (axes,) = self.figure.axes
        self._target, self._every = np.asarray(target, dtype=np.float64), every
        rows = len(self._target)
        places = range(min(rows, MOST_BARS))
        self._bars = list(axes.bar(places, np.ones(len(places)), edgecolor="white"))
        below: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "top", "fontsize": 9}
        longest = f"{(rows - 1) * every + 1}"
        turned = 90 if len(places) > 12 else 0
        words = [longest if rows > MOST_BARS else str(place * every + 1) for place in places]
        self._numbers = [axes.text(at, -0.03, words[at], rotation=turned, color=INK, **below) for at in places]
        self._mean = axes.axhline(1.0, color=INK, linestyle=":", linewidth=1.5)
        few = f"The {MOST_BARS} of {rows:,} rows that cost most"
        axes.set_xticks([])
        axes.set_yscale("log")
        axes.set_ylim(LOSSES)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.grid(False, axis="x")
        axes.set_xlabel("row", labelpad=14 + 6 * len(longest) if turned else 18)
        axes.set_ylabel("loss (nats, logarithmic)")
        classes = [Patch(facecolor=CLASS_COLOURS[each], hatch=("", "///")[each], edgecolor="white") for each in (0, 1)]
        axes.legend([*classes, self._mean], ["class 0", "class 1", "mean"], loc="upper right", ncols=3)
        self.moving = [*self._bars, self._mean]
        self.entitle(axes, f"What each of {rows:,} rows costs" if rows <= MOST_BARS else few)
        if rows > MOST_BARS:  # else each bar stays with its row
            self.moving += self._numbers

    def show(self, loss: ArrayLike, moment: str = "") -> "RowLosses":
        """Move to other losses in nats, (rows,)."""
        loss = np.asarray(loss, dtype=np.float64)
        shown = np.sort(np.argsort(-loss, kind="stable")[:MOST_BARS])
        for row, bar, number in zip(shown, self._bars, self._numbers, strict=True):
            each = int(self._target[row])
            bar.set(height=loss[row], facecolor=CLASS_COLOURS[each], hatch=("", "///")[each])
            number.set_text(str(row * self._every + 1))
        self._mean.set_ydata([loss.mean(), loss.mean()])
        self.tell(", ".join(filter(None, [moment, f"mean {loss.mean():.4f}"])))
        return self


def loss_surface(
    first: ArrayLike, second: ArrayLike, loss: ArrayLike, path: ArrayLike, names: Sequence[str], moment: str = ""
) -> Figure:
    """Return the picture of LossSurface at one moment."""
    return LossSurface(first, second, loss, names=names).show(path, moment).figure


def row_losses(loss: ArrayLike, target: ArrayLike, moment: str = "") -> Figure:
    """Return the picture of RowLosses at one moment."""
    return RowLosses(target).show(loss, moment).figure
