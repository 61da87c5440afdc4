"""The sigmoid as numpy sees it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def sigmoid_of(z: ArrayLike) -> Array:
    """Return 1 / (1 + exp(-z)), computed without overflow; shape unchanged."""
    z = np.asarray(z, dtype=np.float64)
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1.0 + small)
