"""Which pictures of training a model gets: its probability, what each row costs, and its way over the loss surface."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from logitlab.data.examples import Examples
from logitlab.data.scaling import Scaling
from logitlab.plots import surface
from logitlab.plots.descent import loss_surface, row_losses
from logitlab.plots.moment import Moment
from logitlab.plots.names import short
from logitlab.plots.surface import Array
from logitlab.plots.training import probability_field, s_curve

MOST_ROWS = 1_000
MOST_NUMBERS = 32_768
"""Rows drawn, and rows times features: of more, rows evenly spaced over the table."""

GRID = 41
"""Points of the loss surface along each of its directions."""

LOGITS = (-10.0, 10.0)
"""The axis over which more than two features are drawn; rows beyond it stand at its ends."""


class TrainingPictures:
    """Draws a network at the moments of its training, on the rows that it was trained on."""

    def __init__(self, examples: Examples, scaling: Scaling, threshold: float, moments: Sequence[Moment]) -> None:
        """Choose the rows, and work out the loss surface around the path.

        Args:
            examples: the training rows, as the network sees them.
            scaling: what brings them back to their own units.
            threshold: a row is of class 1 where probability >= threshold.
            moments: of the training, oldest first, at least one.
        """
        count, features = examples.exact.shape
        self.every = -(-count // max(1, min(MOST_ROWS, MOST_NUMBERS // features)))
        self._z = examples.exact[:: self.every].double().float().cpu().numpy().astype(np.float64)
        self._y = examples.target[:: self.every, 0].cpu().numpy().astype(np.float64)
        self._scale, self._center = np.asarray(scaling.scale), np.asarray(scaling.center)
        self._names, self._target_name = [short(name) for name in examples.feature_names], short(examples.target_name)
        self._threshold = threshold
        self._moments = moments
        self._has_surface = features > 1 and 0 < self._y.sum() < len(self._y)
        if self._has_surface:
            self._work_out_surface([short(name, 20) for name in examples.feature_names])

    def at(self, place: int) -> dict[str, Figure]:
        """Return the pictures of the moment at that place; no loss surface of one feature, nor of rows all of one class."""
        moment = self._moments[place]
        weight, bias = moment.weight.astype(np.float64), moment.bias
        epochs = f"after {moment.epoch:,} epoch{'' if moment.epoch == 1 else 's'}"
        when = epochs + (f", 1 row in {self.every:,}" if self.every > 1 else "")
        logit = self._z @ weight + bias
        drawn = {
            "probability": self._probability(weight, bias, logit, when),
            "row_losses": row_losses(surface.cross_entropy(logit, self._y), self._y, when, self.every),
        }
        if self._has_surface:
            drawn["loss_surface"] = loss_surface(*self._surface, self._path[: place + 1], self._axes, epochs)
        return drawn

    def _probability(self, weight: Array, bias: float, logit: Array, when: str) -> Figure:
        own = weight / self._scale
        own_bias = bias - float((own * self._center).sum())
        x = self._z * self._scale + self._center
        if len(weight) == 2:
            return probability_field(
                x,
                self._y,
                lambda points: points @ own + own_bias,
                when,
                names=self._names,
                target_name=self._target_name,
                threshold=self._threshold,
            )
        if len(weight) == 1:
            feature, slope, start, name, limits = x[:, 0], float(own[0]), own_bias, self._names[0], None
        else:  # no picture has three axes that print: all features at once, as the logit
            feature, slope, start, name, limits = np.clip(logit, *LOGITS), 1.0, 0.0, "the logit", LOGITS
        words = {"name": name, "target_name": self._target_name}
        return s_curve(feature, self._y, slope, start, when, threshold=self._threshold, limits=limits, **words)

    def _work_out_surface(self, names: list[str]) -> None:
        x, y = surface.evenly(self._z, self._y)
        weights = np.stack([moment.weight.astype(np.float64) for moment in self._moments])
        plane = surface.plane(x, weights[-1], self._moments[-1].bias, names)
        self._path = plane.coordinates(weights)
        first, second = (surface.axis(self._path[:, each], GRID) for each in (0, 1))
        self._surface = first, second, surface.loss_on(plane, x, y, first, second)
        self._axes = [f"{name} (scaled)" if (self._scale != 1).any() else name for name in plane.names]
