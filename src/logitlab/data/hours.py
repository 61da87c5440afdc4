"""Hours studied and whether the exam was passed."""

import torch

from logitlab.data.examples import Examples


def hours() -> Examples:
    """Return four rows: 1 and 2 hours failed, 3 and 4 hours passed."""
    return Examples(
        features=torch.tensor([[1.0], [2.0], [3.0], [4.0]]),
        target=torch.tensor([[0.0], [0.0], [1.0], [1.0]]),
        feature_names=("hours",),
        target_name="passed",
    )
