"""Pictures of what a network of one or two features says at one moment of its training.

Each is a class, whose `show` moves it to another moment, and a function of arrays that returns the picture of one moment.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from logitlab.plots.moving import MovingPicture, legend_below
from logitlab.plots.sigmoid import sigmoid_of
from logitlab.plots.style import CLASS_COLOURS, CLASS_MARKERS, GREEN, GREY, INK, PROBABILITY, figure, styled

Array = NDArray[np.float64]
CONTOURS = (0.1, 0.25, 0.5, 0.75, 0.9)
SEEN_THROUGH = 0.9

ROOM_FOR_WORDS = 0.06
"""Of the picture's width, between two contours that are labelled."""

SHORTEST_LABELLED = 0.5
"""Likewise: a contour that is labelled is so long."""


class SCurve(MovingPicture):
    """One feature's data, the curve sigmoid(w x + b), and where it crosses the threshold."""

    @styled
    def __init__(
        self,
        feature: ArrayLike,
        target: ArrayLike,
        *,
        name: str,
        target_name: str,
        threshold: float = 0.5,
        is_chosen_later: bool = False,
        reach: tuple[float, float] | None = None,
    ) -> None:
        """Draw what stands still.

        Args:
            feature: (rows,), in its own units.
            target: 0 or 1, (rows,).
            name: of the feature, with its unit.
            target_name: what the probability is the probability of.
            threshold: a row is of class 1 where probability >= threshold.
            is_chosen_later: the threshold is that of the fit; a rule chooses the run's own at the end.
            reach: the ends of the axis; None: the feature's, with a margin.
        """
        super().__init__(figure(6.4, 4.4)[0])
        (axes,) = self.figure.axes
        self._feature, self._target = np.asarray(feature, dtype=np.float64), np.asarray(target, dtype=np.float64)
        self._name, self._threshold = name, threshold
        low, high = reach or _reach(self._feature)
        self._x = np.linspace(low, high, 401)
        (self._curve,) = axes.plot([], [], color=GREEN, label="probability")
        self._points = _points(axes, self._feature, self._target, self._target)
        line_name = _line_name(f"threshold {threshold:.3g}", is_chosen_later)
        axes.axhline(threshold, color=GREY, linestyle=":", linewidth=1.5, label=line_name)
        self._crossing = axes.axvline(low, color=GREY, linestyle=":", linewidth=1.5)
        self._place = axes.annotate("", (low, 0.2), (5, 0), textcoords="offset points")
        self._place.set_in_layout(False)
        axes.set(xlabel=name, ylabel=f"probability of {target_name}", xlim=(low, high), ylim=(-0.06, 1.06))
        legend_below(axes)
        self.moving = [self._curve, self._crossing, *self._points, self._place]
        self.entitle(axes, f"Probability of {target_name}")

    def show(self, weight: float, bias: float, moment: str = "", feature: ArrayLike | None = None) -> "SCurve":
        """Move to a weight and bias for the feature in its own units, and to other values of the feature if there are any."""
        x = self._feature if feature is None else np.asarray(feature, dtype=np.float64)
        wrong = (sigmoid_of(weight * x + bias) >= self._threshold) != (self._target == 1)
        self._curve.set_data(self._x, sigmoid_of(weight * self._x + bias))
        _move_points(self._points, x, self._target, self._target, wrong)
        crossing = (np.log(self._threshold / (1 - self._threshold)) - bias) / weight if weight else np.inf
        is_seen = bool(self._x[0] < crossing < self._x[-1])
        self._crossing.set_visible(is_seen)
        self._place.set_visible(is_seen)
        if is_seen:
            self._crossing.set_xdata([crossing, crossing])
            self._place.xy = (crossing, 0.2)
            self._place.set_text(f"{self._name} = {crossing:.4g}")
        self.tell(moment)
        return self


class ProbabilityField(MovingPicture):
    """Two features' probability as a field with contours, the decision line, and the rows; wrong ones are ringed."""

    @styled
    def __init__(
        self,
        features: ArrayLike,
        target: ArrayLike,
        *,
        names: Sequence[str],
        target_name: str,
        threshold: float = 0.5,
        is_chosen_later: bool = False,
    ) -> None:
        """Draw what stands still.

        Args:
            features: (rows, 2), in their own units.
            target: 0 or 1, (rows,).
            names: of the two features, with their units.
            target_name: what the probability is the probability of.
            threshold: a row is of class 1 where probability >= threshold; the decision line is where it is equal.
            is_chosen_later: the threshold is that of the fit; a rule chooses the run's own at the end.
        """
        super().__init__(figure(6.4, 4.6)[0])
        (axes,) = self.figure.axes
        axes.grid(False)
        self._features, self._target = np.asarray(features, dtype=np.float64), np.asarray(target, dtype=np.float64)
        self._threshold = threshold
        self._box = box = [_reach(self._features[:, 0]), _reach(self._features[:, 1])]
        self._first, self._second = np.meshgrid(np.linspace(*box[0], 201), np.linspace(*box[1], 201))
        shown: dict[str, Any] = {"origin": "lower", "extent": (*box[0], *box[1]), "aspect": "auto", "interpolation": "nearest"}
        self._image = axes.imshow(_coloured(np.full((201, 201), 0.5)), **shown)
        self._levels = [level for level in CONTOURS if level != threshold]
        self._contours = [axes.plot([], [], color=GREY, linewidth=0.8, alpha=0.8)[0] for _ in self._levels]
        words: dict[str, Any] = {"fontsize": 8, "color": GREY, "ha": "center", "va": "center", "in_layout": False}
        self._labels = [axes.text(box[0][0], box[1][0], f"{level:g}", **words) for level in self._levels]
        (self._line,) = axes.plot([], [], color=INK, label=_line_name(f"probability = {threshold:g}", is_chosen_later))
        self._points = _points(axes, self._features[:, 0], self._features[:, 1], self._target)
        colours = ScalarMappable(Normalize(0, 1), PROBABILITY)
        self.figure.colorbar(colours, ax=axes, alpha=SEEN_THROUGH, label=f"probability of {target_name}")
        axes.set(xlabel=names[0], ylabel=names[1], xlim=box[0], ylim=box[1])
        legend_below(axes)
        frame = [axes.spines["left"], axes.spines["bottom"]]
        self.moving = [self._image, *self._contours, *self._labels, self._line, *self._points, *frame]
        self.entitle(axes, "Probability field and decision line")

    def show(self, weight: ArrayLike, bias: float, moment: str = "") -> "ProbabilityField":
        """Move to a weight (2,) and a bias for the features in their own units."""
        weight = np.asarray(weight, dtype=np.float64)
        self._image.set_data(_coloured(sigmoid_of(weight[0] * self._first + weight[1] * self._second + bias)))
        self._show_contours(weight, bias)
        _set_line(self._line, decision_line(weight, bias, self._box, self._threshold))
        wrong = (sigmoid_of(self._features @ weight + bias) >= self._threshold) != (self._target == 1)
        _move_points(self._points, self._features[:, 0], self._features[:, 1], self._target, wrong)
        self.tell(moment)
        return self

    def _show_contours(self, weight: Array, bias: float) -> None:
        """Draw the contours, which are straight and parallel, and label those that leave room for it."""
        size = np.ptp(np.asarray(self._box), axis=1)
        steepness = float(np.linalg.norm(weight * size))
        spacing = (np.log(0.9 / 0.1) - np.log(0.75 / 0.25)) / steepness if steepness else 0.0
        for level, line, label in zip(self._levels, self._contours, self._labels, strict=True):
            ends = decision_line(weight, bias, self._box, level)
            _set_line(line, ends)
            is_long = ends is not None and float(np.linalg.norm(np.ptp(ends, axis=0) / size)) > SHORTEST_LABELLED
            label.set_visible(is_long and spacing > ROOM_FOR_WORDS)
            if ends is not None:
                label.set_position(tuple(ends.mean(axis=0)))


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


def s_curve(feature: ArrayLike, target: ArrayLike, weight: float, bias: float, moment: str = "", **words: Any) -> Figure:
    """Return the picture of SCurve at one moment."""
    return SCurve(feature, target, **words).show(weight, bias, moment).figure


def probability_field(
    features: ArrayLike, target: ArrayLike, weight: ArrayLike, bias: float, moment: str = "", **words: Any
) -> Figure:
    """Return the picture of ProbabilityField at one moment."""
    return ProbabilityField(features, target, **words).show(weight, bias, moment).figure


def _coloured(probability: Array) -> NDArray[np.uint8]:
    """Return the colours, (..., 4): colouring the points of a grid takes a third of colouring those of the picture."""
    return PROBABILITY(probability, alpha=SEEN_THROUGH, bytes=True)


def _line_name(name: str, is_chosen_later: bool) -> str:
    return f"{name}, for now" if is_chosen_later else name


def _set_line(line: Line2D, ends: Array | None) -> None:
    line.set_visible(ends is not None)
    line.set_data(*(ends.T if ends is not None else ([], [])))


def _reach(values: Array) -> tuple[float, float]:
    """Return the ends of an axis that shows all the values with a margin."""
    margin = 0.15 * float(np.ptp(values)) or 1.0
    return float(values.min()) - margin, float(values.max()) + margin


def _points(axes: Axes, x: Array, y: Array, target: Array) -> list[Line2D]:
    """Draw the rows; return them by class, and the rings around those that are wrong, of which there are none yet."""
    size = 8 if len(x) <= 100 else 4
    style: dict[str, Any] = {"markersize": size, "markeredgecolor": "white", "alpha": 1.0 if len(x) <= 100 else 0.6}
    lines = []
    for each in (0, 1):
        rows = target == each
        lines += axes.plot(x[rows], y[rows], CLASS_MARKERS[each], color=CLASS_COLOURS[each], label=f"class {each}", **style)
    ring: dict[str, Any] = {"markersize": size + (6 if size > 4 else 2), "markeredgewidth": 1.0 if size > 4 else 0.6}
    lines += axes.plot([], [], "o", color="none", markeredgecolor=INK, label="misclassified", linewidth=0, **ring)
    return lines


def _move_points(lines: list[Line2D], x: Array, y: Array, target: Array, wrong: NDArray[np.bool_]) -> None:
    for line, rows in zip(lines, (target == 0, target == 1, wrong), strict=True):
        line.set_data(x[rows], y[rows])
