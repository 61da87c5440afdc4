"""An end to training where the val rows gain nothing from it any more."""

import math
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping

from logitlab import rules
from logitlab.monitor import Monitor
from logitlab.training.best import Patience
from logitlab.training.module import LogisticRegression

PATIENCE_STEPS = 100
LEAST_PATIENCE = 25


def early_stopping(
    monitor: Monitor | None = None,
    patience: int | Literal["auto"] | None = None,
    min_delta: float = 0.0,
    batches: int = 1,
    stops_early: bool = True,
) -> EarlyStopping | None:
    """Return the callback; None where there are no val rows, or where `patience` is None.

    A loss that is no number is not its business: the run fails then, it does not end early.

    Args:
        monitor: the metric that has to improve.
        patience: epochs in a row without improvement after which training ends. "auto": as many as take 100 steps, and 25 at
            least: an optimiser with momentum overshoots first, and of one step an epoch 25 may all lie in that transient.
        min_delta: what counts as an improvement.
        batches: steps in an epoch.
        stops_early: there are val rows, and no solver goes to the optimum.
    """
    rules.check("callbacks.early_stopping", patience=patience)
    if monitor is None or patience is None or not stops_early:
        return None
    if patience == "auto":
        patience = max(LEAST_PATIENCE, math.ceil(PATIENCE_STEPS / batches))
    return StaysEnded(monitor, patience, min_delta)


class StaysEnded(EarlyStopping):
    """Lightning's callback, for one training or many; a training that it has ended stays ended when it is resumed.

    The patience is the one that was given now: a run is resumed that is given more of it.
    """

    def __init__(self, monitor: Monitor, patience: int, min_delta: float) -> None:
        """Take the metric, the epochs to wait, and what counts as an improvement."""
        super().__init__(monitor.name, min_delta, patience, mode=monitor.mode, check_finite=False)
        self._patience = Patience(monitor.sign, patience, min_delta)

    @property
    def state_key(self) -> str:
        """The key of its state in a checkpoint: Lightning's own."""
        return f"{EarlyStopping.__qualname__}{ {'monitor': self.monitor, 'mode': self.mode}!r}"

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train no further where the patience is at its end."""
        assert isinstance(pl_module, LogisticRegression)
        if self._patience.waited.shape != pl_module.active.shape:
            self._patience = Patience(self._patience.sign, self.patience, self.min_delta, pl_module.active.shape)
        pl_module.stop(self._patience.ended)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the metric where not every epoch has one validation."""
        if not trainer.sanity_checking and not _validates_once_an_epoch(trainer):
            self._look(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the metric after an epoch."""
        if _validates_once_an_epoch(trainer):
            self._look(trainer, pl_module)

    def _look(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, LogisticRegression)
        value = trainer.callback_metrics.get(self.monitor)
        if value is not None:
            pl_module.stop(self._patience.update(value, pl_module.active))

    def state_dict(self) -> dict[str, Any]:
        """Return how long it has waited, and for what; nothing of many trainings, of which `member_state` does."""
        return {} if self._patience.waited.ndim else self.member_state(())

    def member_state(self, member: Any) -> dict[str, Any]:
        """Return the state of one of many trainings."""
        waited, best = self._patience.waited[member], self._patience.best[member]
        return {"wait_count": int(waited), "best_score": self._patience.sign * best, "patience": self.patience}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with what was waited."""
        self._patience.waited = torch.tensor(state_dict["wait_count"])
        self._patience.best = self._patience.sign * state_dict["best_score"].double().cpu()


def _validates_once_an_epoch(trainer: pl.Trainer) -> bool:
    return trainer.val_check_interval == 1.0 and trainer.check_val_every_n_epoch == 1
