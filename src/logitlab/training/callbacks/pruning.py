"""The end of a search's run that does worse than others did: Optuna's pruners, given the metric as it comes."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping

from logitlab.monitor import Monitor
from logitlab.training.module import LogisticRegression


class TrialReporter(Protocol):
    """What a run reports to, and what ends it (logitlab.sweeps.study.OptunaTrial)."""

    @property
    def pruned(self) -> bool:
        """Whether the run is to end."""
        ...

    def report(self, value: float, epochs: int) -> None:
        """Take the metric after so many epochs."""
        ...


def pruning(trial: TrialReporter | None = None, monitor: Monitor | None = None, every: int = 10) -> "Pruning | None":
    """Return the callback; None where the run is no trial of a search with a pruner."""
    return None if trial is None or monitor is None else Pruning([trial], monitor, every)


class Pruning(EarlyStopping):
    """Reports the monitored metric to Optuna every so many epochs, and ends the training where its pruner says so.

    The training ends as at its last epoch: checkpoints, metrics and results are those of a shorter run. Lightning calls an
    EarlyStopping behind the module, when the metrics of the epoch are there.
    """

    def __init__(self, trials: Sequence[TrialReporter], monitor: Monitor, every: int) -> None:
        """Set up.

        Args:
            trials: of the search: that of the run, or that of each member.
            monitor: the metric.
            every: epochs between two reports.
        """
        super().__init__(monitor=monitor.name, mode=monitor.mode, check_on_train_epoch_end=True)
        self._metric = monitor
        self.trials = trials
        self.every = every

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report if it is time."""
        assert isinstance(pl_module, LogisticRegression)
        epochs, active = trainer.current_epoch + 1, pl_module.active.reshape(-1).tolist()
        value = trainer.callback_metrics.get(self._metric.name)
        if value is not None and epochs % self.every == 0:
            for trial, each, trains in zip(self.trials, value.reshape(-1).tolist(), active, strict=True):
                if trains and math.isfinite(each):
                    trial.report(each, epochs)
        pl_module.stop(torch.tensor([trial.pruned for trial in self.trials]).reshape(pl_module.active.shape))

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: what there is to keep is in the study."""
        return {}

    def member_state(self, member: Any) -> dict[str, Any]:
        """Return the same."""
        return {}
