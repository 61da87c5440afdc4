"""The weights over time: as curves on the dashboard, and as moments for the pictures of training."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from logitlab import rules
from logitlab.networks import LinearNetwork
from logitlab.plots.moment import Moment

MOST_MOMENTS_OF = 1_000
"""Features up to which moments are kept: they travel in the checkpoint."""

PATH_GROWTH = 1.1
"""From the epoch of one point of the descent's path to that of the next: the first ten epochs all, and 25 for each tenfold."""


def weights(most_features: int = 16, growth: float = 4.0, in_sweeps: bool = False, sweep: bool = False) -> "Weights | None":
    """Return the callback; None in a sweep, unless it is wanted there.

    Args:
        most_features: the curves are drawn of models of so many features at most.
        growth: from the epoch of one picture of the training to that of the next.
        in_sweeps: draw the curves in the runs of a sweep too.
        sweep: this run is one of a sweep.
    """
    return None if sweep and not in_sweeps else Weights(most_features, growth)


class Weights(Callback):
    """Logs `weight/NAME` and `bias` in the data's own units, and `train/gradient_norm`, once an epoch.

    At step e stand the weights after e updates: in full-batch training those at which the `train/loss` of step e was measured.
    The gradient is that of an epoch's first batch; of a network that is not linear its norm alone is logged.
    Moments are kept as points of the path, ever fewer; those at epochs 0, 1, 4, 16, 64, ... and at the end have pictures
    where they are asked for (results=pictures).

    Attributes:
        moments: oldest first.
        resumed_at: the step from which a resumed run went on; 0 for a fresh one.
    """

    def __init__(self, most_features: int = 16, growth: float = 4.0) -> None:
        rules.check("callbacks.weights", most_features=most_features, growth=growth)
        self.most_features = most_features
        self.growth = growth
        self.moments: list[Moment] = []
        self.resumed_at = 0
        self._is_linear = True
        self._names: list[str] = []
        self._in_own_units: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None
        self._parameters: list[Tensor] = []
        self._views: tuple[Tensor, Tensor] | None = None
        self._next = self._next_shown = 0
        self._logged_epoch = -1

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Learn the features' names and units."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        self._is_linear = isinstance(pl_module.network, LinearNetwork)
        if data.in_features <= self.most_features:
            self._parameters = list(pl_module.parameters())
        if self._parameters and self._is_linear:
            self._names = [f"weight/{name}" for name in data.feature_names]
            weight, bias = torch.zeros(data.in_features, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
            own_weight, _ = data.preprocessing.in_own_units(weight + 1.0, bias)
            is_identity = bool((own_weight == 1.0).all())
            self._in_own_units = None if is_identity else data.preprocessing.in_own_units

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note where the training starts, or is resumed."""
        if self.moments:
            self._next_shown = _after(max(each.epoch for each in self.moments if each.is_shown), self.growth)
            self._next = _after(self.moments[-1].epoch, PATH_GROWTH)
        self.resumed_at = trainer.global_step
        network: Any = pl_module.network
        if self._is_linear:
            self._views = network.weight.detach(), network.bias.detach()  # of what optimisers change in place

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Log the weights with which an epoch begins, and its first gradient."""
        epoch = trainer.current_epoch
        if epoch == self._logged_epoch:
            return
        self._logged_epoch = epoch
        if self._is_linear and epoch >= min(self._next, self._next_shown):
            self._keep(trainer, pl_module.network)
        if self._parameters:
            gradients = [parameter.grad.flatten().tolist() for parameter in self._parameters if parameter.grad is not None]
            norm = math.hypot(*itertools.chain.from_iterable(gradients))
            self._log_weights(trainer, pl_module.network, {"train/gradient_norm": norm})

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the weights that the training ends with, for the last checkpoint."""
        if self._is_linear:
            self._next_shown = 0
            self._keep(trainer, pl_module.network)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the weights that the fit ends with, also where a finished run had nothing left to train."""
        self._views = None  # the module may have moved to another device
        self._log_weights(trainer, pl_module.network, {})

    def state_dict(self) -> dict[str, Any]:
        """Return the moments, and the epoch whose weights are logged, for a run that is resumed."""
        epoch, step, weight, bias, is_shown = zip(*self.moments, strict=True) if self.moments else [()] * len(Moment._fields)
        weights = torch.from_numpy(np.array(weight))
        return {
            "epoch": epoch,
            "step": step,
            "weight": weights,
            "bias": bias,
            "is_shown": is_shown,
            "logged": self._logged_epoch,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the moments of the run before."""
        columns = {**state_dict, "weight": state_dict["weight"].numpy()}
        self.moments = [Moment(*each) for each in zip(*(columns[name] for name in Moment._fields), strict=True)]
        self._logged_epoch = state_dict.get("logged", -1)
        self.resumed_at = self.moments[-1].step if self.moments else 0  # a finished run has no start of training to note it

    def _log_weights(self, trainer: pl.Trainer, network: Any, others: dict[str, float]) -> None:
        values = dict(others)
        if self._names:
            weight, bias = self._views or (network.weight.detach(), network.bias.detach())
            if self._in_own_units is not None:
                weight, bias = self._in_own_units(weight, bias)
            values = {**dict(zip(self._names, weight.tolist(), strict=True)), "bias": bias.item(), **others}
        for logger in trainer.loggers if values else ():
            logger.log_metrics(values, step=trainer.global_step)

    def _keep(self, trainer: pl.Trainer, network: Any) -> None:
        epoch = trainer.current_epoch
        is_shown = epoch >= self._next_shown
        is_known = bool(self.moments) and self.moments[-1].epoch >= epoch
        if not is_known and len(network.weight) <= MOST_MOMENTS_OF:
            weight, bias = network.weight.detach().to("cpu", copy=True), network.bias.item()
            self.moments.append(Moment(epoch, trainer.global_step, weight.numpy(), bias, is_shown))
        self._next = _after(epoch, PATH_GROWTH)
        if is_shown:
            self._next_shown = _after(epoch, self.growth)


def _after(epoch: int, growth: float) -> int:
    """Return the first epoch after `epoch` that is at least `growth` times as late."""
    return max(epoch + 1, math.ceil(growth * epoch))
