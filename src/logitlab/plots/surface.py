"""The loss over a plane of weights, the bias at its best in every point: what the descent would see if biases cost no time.

Conventions: x is (rows, features), y (rows,) 0 or 1 and of both classes. The plane is origin + a * first + b * second.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

MOST_ROWS = 400
"""Rows that a surface is worked out from; of more, as many evenly spaced."""

HALVINGS = 40


def sigmoid_of(z: ArrayLike) -> Array:
    """Return 1 / (1 + exp(-z)), computed without overflow; shape unchanged."""
    z = np.asarray(z, dtype=np.float64)
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1.0 + small)


def cross_entropy(logit: Array, y: Array) -> Array:
    """Return log(1 + exp(logit)) - y logit of each row in nats; the shape of `logit`, (..., rows)."""
    return np.logaddexp(0, logit) - y * logit


@dataclass(frozen=True)
class Plane:
    """Two directions in the space of the weights.

    Attributes:
        origin: (features,).
        directions: (2, features), orthonormal.
        names: of the two directions.
    """

    origin: Array
    directions: Array
    names: tuple[str, str]

    def coordinates(self, weights: Array) -> Array:
        """Return where weights (moments, features) lie on the plane, or beneath or above it: (moments, 2)."""
        return (weights - self.origin) @ self.directions.T


def plane(x: Array, weight: Array, bias: float, names: Sequence[str]) -> Plane:
    """Return the plane to look at: both weights of two features, or the two directions in which the loss curves most.

    The curvature is that of the loss with the bias at its best, X^T V X / rows with V = p (1 - p) and X centred by V, at the
    given weights, (features,), and bias.
    """
    if x.shape[1] == 2:
        return Plane(np.zeros(2), np.eye(2), (f"weight of {names[0]}", f"weight of {names[1]}"))
    p = sigmoid_of(x @ weight + bias)
    v = np.maximum(p * (1 - p), 1e-12)
    centred = x - (v @ x) / v.sum()
    _, vectors = np.linalg.eigh((centred * v[:, None]).T @ centred / len(x))
    largest = vectors[:, ::-1][:, :2].T
    signs = np.sign(largest[np.arange(2), np.abs(largest).argmax(1)])
    words = ("direction of largest curvature", "direction of second largest curvature")
    return Plane(weight, largest * signs[:, None], words)


def evenly(x: Array, y: Array, most: int = MOST_ROWS) -> tuple[Array, Array]:
    """Return at most `most` rows, evenly spaced, with both classes in the same shares."""
    if len(x) <= most:
        return x, y
    order = np.argsort(y, kind="stable")
    chosen = np.sort(order[np.linspace(0, len(x) - 1, most).astype(int)])
    return x[chosen], y[chosen]


def loss_on(where: Plane, x: Array, y: Array, first: Array, second: Array) -> Array:
    """Return the mean cross-entropy in nats at each point of the plane, (second, first), the bias at its best."""
    across, up = np.meshgrid(first, second)
    weights = where.origin + across[..., None] * where.directions[0] + up[..., None] * where.directions[1]
    logit = weights @ x.T
    logit = logit + best_bias(logit, y)[..., None]
    return cross_entropy(logit, y).mean(-1)


def best_bias(logit: Array, y: Array) -> Array:
    """Return the bias that is best for logits (..., rows) without one: where the mean probability is the share of class 1.

    The mean probability rises with the bias, so the place is found by halving an interval that must hold it, 40 times.
    """
    share = y.mean()
    middle = np.log(share / (1 - share))
    low, high = middle - logit.max(-1), middle - logit.min(-1)
    for _ in range(HALVINGS):
        guess = (low + high) / 2
        too_high = sigmoid_of(logit + guess[..., None]).mean(-1) > share
        low, high = np.where(too_high, low, guess), np.where(too_high, guess, high)
    return (low + high) / 2


def axis(values: Array, points: int) -> Array:
    """Return evenly spaced points along an axis that shows all the values with room around them."""
    margin = max(0.4 * float(np.ptp(values)), 0.5)
    return np.linspace(values.min() - margin, values.max() + margin, points)
