"""Which pictures a model gets: from tensors to the drawing functions in plots/. Imported only where pictures are wanted."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from logreg.callbacks.weights import State
from logreg.data.examples import Examples
from logreg.data.scaling import Scaling
from logreg.metrics import ranking
from logreg.plots import coefficients, scores, surface, training
from logreg.statistics.calibration import bin_edges, reliability

Array = NDArray[np.float64]

MOST_POINTS = 1_000
"""Rows drawn as points; of more, as many evenly spaced."""

GRID = 41
"""Points of the loss surface along each of its directions."""


def of_scores(
    probability: Tensor, target: Tensor, threshold: float, target_name: str, weight: Tensor | None = None
) -> dict[str, Figure]:
    """Return the pictures of how probabilities and classes agree; none where all rows are of one class.

    Args:
        probability: of class 1, (rows,).
        target: 0 or 1, (rows,).
        threshold: a row is of class 1 where probability >= threshold.
        target_name: what class 1 means.
        weight: of the rows, (rows,), for the curves and bins; None: all 1. Counts are of rows.
    """
    called = probability >= threshold  # in the probabilities' own precision, as everywhere
    p, y = probability.double(), target.double()
    w = torch.ones_like(p) if weight is None else weight.double()
    if not 0 < float(y.sum()) < len(y):
        return {}
    curve = ranking(p, y, w)
    tp, fp = curve.true_positives, curve.false_positives
    chosen_tp, chosen_fp = float((w * y * called).sum()), float((w * (1 - y) * called).sum())
    fpr, tpr = chosen_fp / float(fp[-1]), chosen_tp / float(tp[-1])
    precision = chosen_tp / (chosen_tp + chosen_fp) if chosen_tp + chosen_fp else 1.0
    bins = reliability(p, y, bin_edges(p, 10), weight)
    counts = [[int(((y == true) & (called == said)).sum()) for said in (0, 1)] for true in (0, 1)]
    return {
        "roc": scores.roc(np.append(0, fp / fp[-1]), np.append(0, tp / tp[-1]), (fpr, tpr), threshold),
        "precision_recall": scores.precision_recall(
            (tp / tp[-1]).numpy(), (tp / (tp + fp)).numpy(), (tpr, precision), threshold, float((w * y).sum() / w.sum())
        ),
        "reliability": scores.reliability(
            *(each.numpy() for each in (bins.probability, bins.observed, bins.observed_low, bins.observed_high, bins.count))
        ),
        "confusion_matrix": scores.confusion_matrix(counts, threshold, target_name),
        "score_distribution": scores.score_distribution(p.numpy(), y.numpy(), threshold),
    }


def of_coefficients(table: Path) -> dict[str, Figure]:
    """Return the pictures of a coefficients.csv; none where there is no such file."""
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["name"] != "bias"]
    names = [row["name"] for row in rows]

    def column(name: str) -> Array | None:
        values = np.array([_number(row.get(name)) for row in rows])
        return None if np.isnan(values).all() else values

    estimate = column("estimate")
    if estimate is None:
        return {}
    pictures = {"coefficients": coefficients.coefficients(names, estimate, column("ci_low"), column("ci_high"))}
    if float(np.abs(estimate).max()) < 300:  # beyond, an odds ratio is no number to draw
        ends = [column(name) for name in ("odds_ratio_low", "odds_ratio_high")]
        pictures["odds_ratios"] = coefficients.odds_ratios(names, np.exp(estimate), *ends)
    return pictures


class TrainingPictures:
    """Draws a network at any moment of its training, on the training rows: its probability, its way, what each row costs."""

    def __init__(self, examples: Examples, scaling: Scaling, states: Sequence[State], threshold: float) -> None:
        """Work out what all moments share, the loss surface.

        Args:
            examples: the training rows as the network sees them.
            scaling: from the rows' own units to that.
            states: of the network, oldest first.
            threshold: a row is of class 1 where probability >= threshold.
        """
        self.examples = examples
        self.scaling = scaling
        self.states = states
        self.threshold = threshold
        self._every = every = -(-len(examples) // MOST_POINTS)
        self._z = examples.features[::every].double().numpy()
        self._y = examples.target[::every, 0].double().numpy()
        if examples.features.shape[1] >= 2 and 0 < self._y.sum() < len(self._y):
            self._surface = self._make_surface()

    def at(self, moment: int) -> dict[str, Figure]:
        """Return the pictures of one of the states."""
        state = self.states[moment]
        epochs = f"after {state.epoch:,} epoch{'' if state.epoch == 1 else 's'}"
        weight, bias = state.weight.double().numpy(), float(state.bias)
        logit = (self.examples.features.double() @ state.weight.double() + state.bias).numpy()
        target = self.examples.target[:, 0].double().numpy()
        shown = f"{epochs}, 1 row in {self._every:,}" if self._every > 1 else epochs
        pictures = {
            "probability": self._probability(weight, bias, logit[:: self._every], shown),
            "row_losses": training.row_losses(np.logaddexp(0, logit) - target * logit, target, moment=epochs),
        }
        if hasattr(self, "_surface"):
            first, second, values, path, names = self._surface
            pictures["loss_surface"] = training.loss_surface(
                first, second, values, path[: moment + 1], names=names, moment=epochs
            )
        return pictures

    def _probability(self, weight: Array, bias: float, logit: Array, epochs: str) -> Figure:
        names, target_name = self.examples.feature_names, self.examples.target_name
        shared = {"target_name": target_name, "threshold": self.threshold, "moment": epochs}
        if len(names) > 2:  # no picture has three axes that print: all features at once, as the logit
            return training.s_curve(logit, self._y, 1.0, 0.0, name="the logit", **shared)  # type: ignore[arg-type]
        center, scale = np.asarray(self.scaling.center), np.asarray(self.scaling.scale)
        x = self._z * scale + center
        own, own_bias = weight / scale, bias - float((weight * center / scale).sum())
        if len(names) == 1:
            return training.s_curve(x[:, 0], self._y, float(own[0]), own_bias, name=names[0], **shared)  # type: ignore[arg-type]
        return training.probability_field(x, self._y, own, own_bias, names=names, **shared)  # type: ignore[arg-type]

    def _make_surface(self) -> tuple[Array, Array, Array, Array, tuple[str, str]]:
        last = self.states[-1]
        x, y = surface.evenly(self._z, self._y)
        where = surface.plane(x, last.weight.double().numpy(), float(last.bias), self.examples.feature_names)
        path = where.coordinates(np.stack([state.weight.double().numpy() for state in self.states]))
        first, second = (surface.reach(path[:, each], GRID) for each in (0, 1))
        is_scaled = any(scale != 1 for scale in self.scaling.scale)
        names = tuple(f"{name} (features scaled)" if is_scaled else name for name in where.names)
        return first, second, surface.loss_on(where, x, y, first, second), path, names  # type: ignore[return-value]


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")
