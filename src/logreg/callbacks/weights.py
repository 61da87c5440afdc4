"""The weights over time: as curves on the dashboard, and as states for the pictures of training."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

MOST_STATES_OF = 1_000
"""Features up to which states are kept: they travel in the checkpoint."""


def weights(most_features: int = 16, in_sweeps: bool = False, sweep: bool = False) -> "Weights | None":
    """Return the callback; None in a sweep, unless it is wanted there.

    Args:
        most_features: the curves are drawn of models of so many features at most.
        in_sweeps: draw them in the runs of a sweep too.
        sweep: this run is one of a sweep.
    """
    return None if sweep and not in_sweeps else Weights(most_features)


@dataclass(frozen=True)
class State:
    """A network at one moment.

    Attributes:
        epoch: how many epochs were done.
        step: how many updates.
        weight: (features,), as the network holds it.
        bias: ().
    """

    epoch: int
    step: int
    weight: Tensor
    bias: Tensor


class Weights(Callback):
    """Logs `weight/NAME` and `bias` in the data's own units, and `train/gradient_norm`, once an epoch.

    At step e stand the weights after e updates: in full-batch training those at which the `train/loss` of step e was measured.
    The gradient is that of an epoch's first batch.
    States are kept at epochs 0, 1, 3, 10, 30, 100, ...: two in every tenfold.

    Attributes:
        states: oldest first.
    """

    def __init__(self, most_features: int = 16) -> None:
        self.most_features = most_features
        self.states: list[State] = []
        self._names: list[str] = []
        self._in_own_units: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None
        self._parameters: list[Tensor] = []
        self._next = 0
        self._logged_epoch = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note where the training starts, or goes on."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if data.in_features <= self.most_features:
            self._parameters = list(pl_module.parameters())
            self._names = [f"weight/{name}" for name in data.feature_names]
            weight, bias = torch.zeros(data.in_features, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
            own_weight, _ = data.preprocessing.in_own_units(weight + 1.0, bias)
            is_identity = bool((own_weight == 1.0).all())
            self._in_own_units = None if is_identity else data.preprocessing.in_own_units
        self._next = _after(self.states[-1].epoch) if self.states else 0

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Log the weights with which an epoch begins, and its first gradient."""
        epoch = trainer.current_epoch
        if epoch == self._logged_epoch:
            return
        self._logged_epoch = epoch
        if epoch >= self._next:
            self._keep(trainer, pl_module.network)
        if self._names:
            gradients = [parameter.grad.flatten().tolist() for parameter in self._parameters if parameter.grad is not None]
            norm = math.hypot(*itertools.chain.from_iterable(gradients))
            self._log_weights(trainer, pl_module.network, {"train/gradient_norm": norm})

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log and keep the weights that the training ends with."""
        self._keep(trainer, pl_module.network)
        self._log_weights(trainer, pl_module.network, {})

    def state_dict(self) -> dict[str, Any]:
        """Return the states, for a run that goes on."""
        return {"states": [(state.epoch, state.step, state.weight, state.bias) for state in self.states]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the states of the run before."""
        self.states = [State(*parts) for parts in state_dict["states"]]

    def _log_weights(self, trainer: pl.Trainer, network: Any, others: dict[str, float]) -> None:
        if not self._names:
            return
        weight, bias = network.weight.detach(), network.bias.detach()
        if self._in_own_units is not None:
            weight, bias = self._in_own_units(weight, bias)
        values = dict(zip(self._names, weight.tolist(), strict=True))
        for logger in trainer.loggers:
            logger.log_metrics({**values, "bias": bias.item(), **others}, step=trainer.global_step)

    def _keep(self, trainer: pl.Trainer, network: Any) -> None:
        epoch = trainer.current_epoch
        self._next = _after(epoch)
        is_known = bool(self.states) and self.states[-1].epoch >= epoch
        if not is_known and len(network.weight) <= MOST_STATES_OF:
            weight, bias = network.weight.detach(), network.bias.detach()
            self.states.append(State(epoch, trainer.global_step, weight.to("cpu", copy=True), bias.to("cpu", copy=True)))


def _after(epoch: int) -> int:
    """Return the first of 0, 1, 3, 10, 30, 100, ... that is larger than `epoch`."""
    if epoch < 1:
        return epoch + 1
    power = 10 ** (len(str(epoch)) - 1)
    return next(factor * power for factor in (1, 3, 10) if factor * power > epoch)
