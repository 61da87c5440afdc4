"""Exam scores and the result; the pass mark is not given, the model has to find it."""

import torch

from logitlab.data.examples import Examples


def scores() -> Examples:
    """Return six rows: 45, 50 and 55 points failed, 60, 65 and 70 passed."""
    return Examples(
        features=torch.tensor([[45.0], [50.0], [55.0], [60.0], [65.0], [70.0]]),
        target=torch.tensor([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]]),
        feature_names=("score",),
        target_name="passed",
    )
