"""Two half moons: classes that no line divides."""

import math

import torch

from logitlab.data.examples import Examples
from logitlab.errors import UserError


def moons(rows: int = 500, noise: float = 0.25, seed: int = 0) -> Examples:
    """Return points along two half circles of radius 1, one the other way up and half a radius higher, in alternation.

    With t from 0 to pi in even steps, class 0 is at (cos t, sin t) and class 1 at (1 - cos t, 1/2 - sin t); to both coordinates
    normal noise is added. Without noise they are the points of scikit-learn's `make_moons`.

    Args:
        rows: of both classes together; class 0 has one more where the number is odd.
        noise: the standard deviation of the noise.
        seed: of the noise.

    Raises:
        UserError: fewer than four rows, or a negative noise.
    """
    if rows < 4 or noise < 0:
        raise UserError(f"data.source takes rows from 4 and noise from 0 up, and has rows={rows} and noise={noise:g}.")
    upper, lower = (torch.linspace(0, math.pi, count, dtype=torch.float64) for count in (rows - rows // 2, rows // 2))
    points = torch.empty(rows, 2, dtype=torch.float64)
    points[0::2] = torch.stack([upper.cos(), upper.sin()], dim=1)
    points[1::2] = torch.stack([1 - lower.cos(), 0.5 - lower.sin()], dim=1)
    drawn = torch.randn(rows, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    target = torch.arange(rows)[:, None] % 2
    return Examples((points + noise * drawn).float(), target.float(), ("x1", "x2"), "moon")
