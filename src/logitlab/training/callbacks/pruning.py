"""The end of a search's run that does worse than others did: Optuna's pruners, told the metric as it comes."""

from typing import Any, Protocol

import lightning.pytorch as pl
from lightning.pytorch.callbacks import EarlyStopping

from logitlab.monitor import Monitor


class TrialReporter(Protocol):
    """What a run reports to, and what tells it to end (logitlab.sweeps.study.OptunaTrial)."""

    @property
    def pruned(self) -> bool:
        """Whether the run has been told to end."""
        ...

    def report(self, value: float, epochs: int) -> None:
        """Take the metric after so many epochs."""
        ...


def pruning(trial: TrialReporter | None = None, monitor: Monitor | None = None, every: int = 10) -> "Pruning | None":
    """Return the callback; None where the run is no trial of a search with a pruner."""
    return None if trial is None or monitor is None else Pruning(trial, monitor, every)


class Pruning(EarlyStopping):
    """Reports the monitored metric to Optuna every so many epochs, and ends the training where its pruner says so.

    The training ends as at its last epoch: checkpoints, metrics and results are those of a shorter run. Lightning calls an
    EarlyStopping behind the module, when the metrics of the epoch are there.
    """

    def __init__(self, trial: TrialReporter, monitor: Monitor, every: int) -> None:
        """Set up.

        Args:
            trial: of the search.
            monitor: the metric.
            every: epochs between two reports.
        """
        super().__init__(monitor=monitor.name, mode=monitor.mode, check_on_train_epoch_end=True)
        self._metric = monitor
        self.trial = trial
        self.every = every

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report if it is time."""
        epochs = trainer.current_epoch + 1
        value = self._metric.value(trainer.callback_metrics)
        if value is not None and epochs % self.every == 0:
            self.trial.report(value, epochs)
        if self.trial.pruned:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: what there is to keep is in the study."""
        return {}
