"""A stopping rule for optimisers that have none: the gradient is small enough."""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from logitlab import rules
from logitlab.penalties import Firth
from logitlab.solvers.solver import Solver
from logitlab.training.best import YES
from logitlab.training.module import LogisticRegression


def convergence(tolerance: float | None = None) -> "Convergence | None":
    """Return the callback, or None for None: a callback takes 40 microseconds an epoch even where it does nothing."""
    return None if tolerance is None else Convergence(tolerance)


class Convergence(Callback):
    """Stops a training where no entry of the gradient, averaged over an epoch's batches, exceeds the tolerance.

    In full-batch training that is the gradient of loss and penalty before the epoch's update. Over mini-batches the weights
    move between one batch and the next, and so do small steps blur the average: it is near the gradient for a small lr only.

    Attributes:
        norm: the largest entry in the last epoch, () or (members,); inf before the first.
    """

    def __init__(self, tolerance: float) -> None:
        rules.check("callbacks.convergence", tolerance=tolerance)
        self.tolerance = tolerance
        self.norm = torch.tensor(torch.inf)
        self._sum: Tensor | None = None
        self._batches = 0

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say whether the run, as it was saved, has converged, and train no further if so; a solver of ours knows better."""
        assert isinstance(pl_module, LogisticRegression)
        if not isinstance(trainer.optimizers[0], Solver):
            self.norm = self.norm.expand(pl_module.active.shape)
            self._stop(pl_module, YES)

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any) -> None:
        """Add the gradient of a batch."""
        assert isinstance(pl_module, LogisticRegression)
        if isinstance(trainer.optimizers[0], Solver):
            return
        shape, penalty = pl_module.active.shape, pl_module.penalty
        gradients = [each.grad.reshape(*shape, -1) for each in pl_module.parameters() if each.grad is not None]
        gradient = torch.cat(gradients, dim=-1)
        if not isinstance(penalty, Firth) and torch.as_tensor(penalty.l1).any():
            network: Any = pl_module.network
            weight = network.weight.detach()
            parts = penalty.minimum_norm_subgradient(weight, gradient[..., :-1]), gradient[..., -1:]
            gradient = torch.cat(parts, dim=-1)
        self._sum = gradient if self._sum is None else self._sum + gradient
        self._batches += 1

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop if it is time."""
        assert isinstance(pl_module, LogisticRegression)
        if self._sum is None:
            return
        norm = self._sum.abs().amax(-1).cpu() / self._batches
        self.norm = torch.where(pl_module.active, norm, self.norm)
        self._sum, self._batches = None, 0
        self._stop(pl_module, pl_module.active)

    def _stop(self, module: LogisticRegression, among: Tensor) -> None:
        ended = among & (self.norm <= self.tolerance)
        module.converged = bool(ended) if not ended.ndim else None
        module.stop(ended)

    def state_dict(self) -> dict[str, Any]:
        """Return the gradients of an unfinished epoch, and the largest entry of the one before, of a single training."""
        return {} if self.norm.ndim else self.member_state(())

    def member_state(self, member: Any) -> dict[str, Any]:
        """Return the state of one of many trainings."""
        return {"sum": self._sum, "batches": self._batches, "norm": float(self.norm[member])}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with an unfinished epoch."""
        self._sum, self._batches = state_dict["sum"], state_dict["batches"]
        self.norm = torch.tensor(state_dict["norm"])
