"""The end of a search's run that does worse than others did: Optuna's pruners, told the metric as it comes."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from logreg.callbacks.checkpoints import monitored

PRUNED = "pruned"
"""The attribute of a trial whose run was told to end: it is pruned, however its process ends after that."""


def pruning(trial: Any = None, monitor: str | None = None, every: int = 10) -> "Pruning | None":
    """Return the callback; None where the run is no trial of a search with a pruner."""
    return None if trial is None else Pruning(trial, monitor, every)


class Pruning(Callback):
    """Reports the monitored metric to Optuna every so many epochs, and ends the training where its pruner says so.

    The training ends as at its last epoch: checkpoints, metrics and results are those of a shorter run.
    """

    def __init__(self, trial: Any, monitor: str | None, every: int) -> None:
        """Set up.

        Args:
            trial: an optuna.Trial that is running.
            monitor: the metric; None: val/loss, or train/loss where there are no val rows.
            every: epochs between two reports.
        """
        self.trial = trial
        self.monitor = monitor
        self.every = every
        self.pruned = PRUNED in trial.user_attrs
        [frozen] = [each for each in trial.study.get_trials(deepcopy=False) if each.number == trial.number]
        self._reported = set(frozen.intermediate_values)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report if it is time; what a run that goes on has reported already, Optuna has."""
        epochs = trainer.current_epoch + 1
        value = monitored(trainer, self.monitor)
        if not self.pruned and value is not None and epochs % self.every == 0:
            if epochs not in self._reported:
                self.trial.report(value, epochs)
            if self.trial.should_prune():
                self.trial.set_user_attr(PRUNED, True)
                self.pruned = True
        if self.pruned:
            trainer.should_stop = True
