"""A stopping rule for optimisers that have none: the gradient is small enough."""

import math
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from logitlab import rules
from logitlab.penalties import ElasticNet
from logitlab.solvers.solver import Solver


def convergence(tolerance: float | None = None) -> "Convergence | None":
    """Return the callback, or None for None: a callback takes 40 microseconds an epoch even where it does nothing."""
    return None if tolerance is None else Convergence(tolerance)


class Convergence(Callback):
    """Stops training where no entry of the gradient, averaged over an epoch's batches, exceeds the tolerance.

    In full-batch training that is the gradient of loss and penalty before the epoch's update. Over mini-batches the weights
    move between one batch and the next, and so do small steps blur the average: it is near the gradient for a small lr only.
    """

    def __init__(self, tolerance: float) -> None:
        rules.check("callbacks.convergence", tolerance=tolerance)
        self.tolerance = tolerance
        self._sum: Tensor | None = None
        self._batches = 0
        self._norm = math.inf

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say whether the run, as it was saved, has converged, and train no further if so; a solver of ours knows better."""
        if not isinstance(trainer.optimizers[0], Solver):
            pl_module.converged = self._norm <= self.tolerance  # type: ignore[assignment]
            trainer.should_stop = trainer.should_stop or self._norm <= self.tolerance

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any) -> None:
        """Add the gradient of a batch."""
        if isinstance(trainer.optimizers[0], Solver):
            return
        parts = [parameter.grad.reshape(-1) for parameter in pl_module.parameters() if parameter.grad is not None]
        gradient = torch.cat(parts)
        penalty: Any = pl_module.penalty
        if isinstance(penalty, ElasticNet) and penalty.l1:
            network: Any = pl_module.network
            gradient = torch.cat([penalty.minimum_norm_subgradient(network.weight.detach(), gradient[:-1]), gradient[-1:]])
        self._sum = gradient if self._sum is None else self._sum + gradient
        self._batches += 1

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop if it is time."""
        if self._sum is None:
            return
        self._norm = float(self._sum.abs().max() / self._batches)
        self._sum, self._batches = None, 0
        if self._norm <= self.tolerance:
            pl_module.converged = True  # type: ignore[assignment]
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return the gradients of an unfinished epoch, and the largest entry of the one before."""
        return {"sum": self._sum, "batches": self._batches, "norm": self._norm}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with an unfinished epoch."""
        self._sum, self._batches, self._norm = state_dict["sum"], state_dict["batches"], state_dict["norm"]
