"""How much longer gradient descent would take: known near the optimum, where the objective is a parabola."""

import torch
from torch import Tensor

MOST_EPOCHS = 10_000_000
"""Beyond which nobody waits."""


def epochs_to_go(hessian: Tensor, error: Tensor, lr: float, momentum: float, nesterov: bool, gap: float) -> int | None:
    """Return after how many more steps of full-batch descent the objective is less than `gap` above its minimum.

    On the parabola f(e) = e' H e / 2 every eigenvector of H goes its own way. With eigenvalue c, error e and velocity v, a step
    of torch.optim.SGD is v <- m v + c e, then e <- e - lr v (with Nesterov's momentum e <- e - lr (c e + m v)):
    a matrix of 2 x 2, whose k-th power tells what is left after k steps. The velocity is taken to have settled at
    c e / (1 - m).
    (Polyak, Some methods of speeding up the convergence of iteration methods, 1964.)

    Args:
        hessian: at the minimum, (parameters, parameters), float64.
        error: where descent stands, less the minimum, (parameters,).
        lr: the step's length, constant.
        momentum: m, 0 or more and below 1.
        nesterov: which kind of momentum.
        gap: above 0.

    Returns:
        The number, at most `MOST_EPOCHS`; None where more would be needed or the steps are too long to settle.
    """
    curvature, directions = torch.linalg.eigh(hessian)
    curvature, error = curvature.clamp(min=0), directions.T @ error.double()
    step = _step(curvature, lr, momentum, nesterov)
    start = torch.stack([error, curvature * error / (1 - momentum)], dim=1)[..., None]

    def close(epochs: int) -> bool:
        left = (torch.linalg.matrix_power(step, epochs) @ start)[:, 0, 0]
        return float((curvature * left.square()).sum()) / 2 < gap

    enough = 1
    while not close(enough):
        enough *= 2
        if enough > MOST_EPOCHS:
            return None
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if close(middle) else (middle, enough)
    return enough


def largest_lr(hessian: Tensor, momentum: float, nesterov: bool) -> float:
    """Return the learning rate from which on descent does not settle at the minimum.

    2 (1 + m) / c for the largest eigenvalue c; with Nesterov's momentum 2 (1 + m) / (c (1 + 2 m)): there the 2 x 2 matrix of
    `epochs_to_go` gets the eigenvalue -1.
    """
    largest = float(torch.linalg.eigvalsh(hessian)[-1])
    return 2 * (1 + momentum) / (largest * (1 + 2 * momentum * nesterov))


def _step(curvature: Tensor, lr: float, momentum: float, nesterov: bool) -> Tensor:
    """Return what one step does to (error, velocity) along each eigenvector, (parameters, 2, 2)."""
    along = curvature * (1 + momentum * nesterov)
    kept = torch.full_like(curvature, momentum)
    carried = kept * (momentum if nesterov else 1)
    return torch.stack([torch.stack([1 - lr * along, -lr * carried], 1), torch.stack([curvature, kept], 1)], 1)
