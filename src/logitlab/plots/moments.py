"""Which pictures of training a model gets: its probability, what each row costs, and its way over the loss surface."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from logitlab.plots import surface
from logitlab.plots.descent import LossSurface, RowLosses
from logitlab.plots.moving import MovingPicture
from logitlab.plots.names import short
from logitlab.plots.rows import Moment, Rows
from logitlab.plots.training import ProbabilityField, SCurve

Array = NDArray[np.float64]

GRID = 41
"""Points of the loss surface along each of its directions."""

LOGITS = (-10.0, 10.0)
"""The axis over which more than two features are drawn; rows beyond it stand at its ends."""


class TrainingPictures:
    """Draws a network at any moment of its training, on the rows it was trained on."""

    def __init__(self, rows: Rows) -> None:
        """Lay out the pictures of one moment; the loss surface waits until its path is known."""
        self.rows = rows
        self._z, self._y = rows.features.astype(np.float64), rows.target.astype(np.float64)
        self._scale, self._center = np.asarray(rows.scale), np.asarray(rows.center)
        x = self._z * self._scale + self._center
        names = [short(name) for name in rows.names]
        words = {"target_name": short(rows.target_name), "threshold": rows.threshold, "is_chosen_later": rows.is_chosen_later}
        self._probability: SCurve | ProbabilityField
        if len(rows.names) == 2:
            self._probability = ProbabilityField(x, self._y, names=names, **words)  # type: ignore[arg-type]
        elif len(rows.names) == 1:
            self._probability = SCurve(x[:, 0], self._y, name=names[0], **words)  # type: ignore[arg-type]
        else:  # no picture has three axes that print: all features at once, as the logit
            self._probability = SCurve(np.zeros(len(x)), self._y, name="the logit", reach=LOGITS, **words)  # type: ignore[arg-type]
        self._losses = RowLosses(self._y, rows.every)

    def lay_out(self) -> None:
        """Draw what stands still, before the first moment comes."""
        self._probability.lay_out()
        self._losses.lay_out()

    def at(self, moment: Moment) -> dict[str, MovingPicture]:
        """Return the pictures of one moment, the loss surface excepted; they stay as they are until the next call."""
        weight, bias = moment.weight.astype(np.float64), moment.bias
        logit = self._z @ weight + bias
        when = _words(moment) + (f", 1 row in {self.rows.every:,}" if self.rows.every > 1 else "")
        if isinstance(self._probability, ProbabilityField):
            self._probability.show(*self._in_own_units(weight, bias), when)
        elif len(weight) == 1:
            own, own_bias = self._in_own_units(weight, bias)
            self._probability.show(float(own[0]), own_bias, when)
        else:
            self._probability.show(1.0, 0.0, when, np.clip(logit, *LOGITS))
        self._losses.show(np.logaddexp(0, logit) - self._y * logit, when)
        return {"probability": self._probability, "row_losses": self._losses}

    @property
    def figures(self) -> list[Figure]:
        """The pictures of one moment, the loss surface excepted."""
        return [self._probability.figure, self._losses.figure]

    @property
    def has_surface(self) -> bool:
        """Whether there is a loss surface: not of one feature, nor of rows that are all of one class."""
        return len(self.rows.names) > 1 and 0 < self._y.sum() < len(self._y)

    def _in_own_units(self, weight: Array, bias: float) -> tuple[Array, float]:
        own = weight / self._scale
        return own, bias - float((own * self._center).sum())


class Descent:
    """The loss surface around a path, and the path on it as far as it goes."""

    def __init__(self, rows: Rows, moments: Sequence[Moment], ahead: bool = False) -> None:
        """Work out the surface around the moments, oldest first, and lay it out.

        Args:
            rows: what the loss is of.
            moments: of the path.
            ahead: leave room for the rest of the path: twice the last step between moments that are shown, each of which is
                four times as late.
        """
        last = moments[-1]
        x, y = surface.evenly(rows.features.astype(np.float64), rows.target.astype(np.float64))
        self._plane = surface.plane(x, last.weight.astype(np.float64), last.bias, [short(name, 20) for name in rows.names])
        path = self._coordinates(moments)
        if ahead:
            before, here = self._coordinates([moment for moment in moments if moment.is_shown])[-2:]
            path = np.vstack([path, here + 2 * (here - before)])
        self._ends = first, second = tuple(surface.reach(path[:, each], GRID) for each in (0, 1))
        is_scaled = any(scale != 1 for scale in rows.scale)
        names = [f"{name} (scaled)" if is_scaled else name for name in self._plane.names]
        self._picture = LossSurface(first, second, surface.loss_on(self._plane, x, y, first, second), names=names)

    def holds(self, moment: Moment) -> bool:
        """Tell whether a later moment lies well inside the picture, and on its plane."""
        if len(moment.weight) > 2:
            return False
        place = self._coordinates([moment])[0]
        return all(ends[4] < at < ends[-5] for ends, at in zip(self._ends, place, strict=True))

    def at(self, moments: Sequence[Moment]) -> LossSurface:
        """Return the picture of the way through the moments."""
        return self._picture.show(self._coordinates(moments), _words(moments[-1]))

    def _coordinates(self, moments: Sequence[Moment]) -> Array:
        return self._plane.coordinates(np.stack([moment.weight.astype(np.float64) for moment in moments]))


def _words(moment: Moment) -> str:
    return f"after {moment.epoch:,} epoch{'' if moment.epoch == 1 else 's'}"
