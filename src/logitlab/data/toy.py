"""The tutorials' toy table."""

import torch

from logitlab.data.examples import Examples


def toy() -> Examples:
    """Return six rows with two features; the first three are of class 0, the last three of class 1."""
    return Examples(
        features=torch.tensor([[1.0, 2.0], [2.0, 3.0], [3.0, 1.0], [4.0, 3.0], [5.0, 3.0], [6.0, 2.0]]),
        target=torch.tensor([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]]),
        feature_names=("x1", "x2"),
        target_name="y",
    )
