"""When a run is saved: every few seconds, at its end, and when a signal asks it to stop."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint

from logitlab import rules
from logitlab.errors import Interrupted, RunError
from logitlab.monitor import Monitor
from logitlab.runs import signals
from logitlab.solvers.solver import Solver
from logitlab.training.best import Best


class Checkpoints(Checkpoint):
    """Keeps last.ckpt, from which a run is resumed bit for bit, and best.ckpt, the weights at the end of the best epoch.

    Lightning's ModelCheckpoint writes at every improvement, which in the tutorials is at every epoch: 1,001 files. Here an
    improvement is a copy in memory, and files are written by the clock.
    """

    def __init__(self, dirpath: str | Path, monitor: Monitor, every_n_seconds: float = 5.0) -> None:
        """Set up; nothing is written before training.

        Args:
            dirpath: the folder of the checkpoints.
            monitor: the metric that names the best epoch.
            every_n_seconds: between two savings while training continues.
        """
        rules.check("callbacks.checkpoints", every_n_seconds=every_n_seconds)
        self.dirpath = Path(dirpath)
        self.monitor = monitor
        self.every_n_seconds = every_n_seconds
        self.best = Best(monitor.sign)
        self._state: dict[str, torch.Tensor] = {}
        self._best_is_written = True
        self._metrics: dict[str, float] = {}
        self._saved_at = 0.0
        self._pending = signals.PendingSignal()
        self._exit = ExitStack()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let a resumed run have the metrics of its last epoch: schedules, early stopping and results ask for them."""
        self._state = dict([*pl_module.named_parameters(), *pl_module.named_buffers()])
        trainer.callback_metrics.update({name: torch.tensor(each, dtype=torch.float64) for name, each in self._metrics.items()})

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Clear what a killed process left half written, and take over the signals."""
        for stale in self.dirpath.glob(".*.tmp"):
            stale.unlink(missing_ok=True)
        self._saved_at = time.monotonic()
        self._pending = self._exit.enter_context(signals.held())

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Save inside an epoch; the end of an epoch waits until its metrics are logged."""
        if not trainer.is_last_batch:
            self._save_if_due(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the weights of the best epoch, and save if it is time.

        The best of a solver's points is the last: those before it are on the way to the optimum, and which of them suits the
        val rows is chance.
        """
        value, is_solver = trainer.callback_metrics.get(self.monitor.name), isinstance(trainer.optimizers[0], Solver)
        if value is not None and self.best.update(value, trainer.current_epoch, self._state, always=is_solver):
            self._best_is_written = False
        self._save_if_due(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the finished run."""
        self._save(trainer)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write best.ckpt where nothing was left to train: the process before may have been killed between the two files."""
        if not self._best_is_written:
            self._save_best(trainer)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the signals back."""
        self._exit.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._exit.close()

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch so far and the metrics as they stood, for last.ckpt."""
        return saved_state(self.best, self.best.weights, self._metrics)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the best epoch so far."""
        if state_dict["best_epoch"] is not None:
            self.best.score = self.monitor.sign * torch.tensor(state_dict["best_score"], dtype=torch.float64)
            self.best.epoch = torch.tensor(state_dict["best_epoch"])
            self.best.weights = state_dict["best_state"]
        self._best_is_written = not self.best.weights
        self._metrics = state_dict["metrics"]

    def write_kept(self, trainer: pl.Trainer) -> None:
        """Write best.ckpt anew from the module as it is, with what was chosen after the fit (the threshold)."""
        trainer.save_checkpoint(self.dirpath / "best.ckpt", weights_only=True)

    def _save_if_due(self, trainer: pl.Trainer) -> None:
        if self._pending.number is not None:
            self._save(trainer)
            raise Interrupted(self._pending.number)
        if time.monotonic() - self._saved_at >= self.every_n_seconds:
            self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        self._check_finite(trainer)
        self._metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        for logger in trainer.loggers:
            logger.save()  # a checkpoint never runs ahead of the curve
        trainer.save_checkpoint(self.dirpath / "last.ckpt")
        if not self._best_is_written:
            self._save_best(trainer)
        self._saved_at = time.monotonic()

    def _check_finite(self, trainer: pl.Trainer) -> None:
        """Raise RunError rather than put weights on the disk, over good ones, from which nothing can be learnt."""
        if all(bool(torch.isfinite(value).all()) for value in self._state.values()):
            return
        raise RunError(
            f"A weight is no finite number any more in epoch {trainer.current_epoch}: training stops, and"
            f" what {self.dirpath} holds stays as it was. Most often optimizer.lr is too large: type a tenth of it."
        )

    def _save_best(self, trainer: pl.Trainer) -> None:
        """Write best.ckpt by putting the best weights into the module for the length of the writing."""
        current = {name: value.detach().clone() for name, value in self._state.items()}
        _put(self.best.weights, self._state)
        try:
            trainer.save_checkpoint(self.dirpath / "best.ckpt", weights_only=True)
        finally:
            _put(current, self._state)
        self._best_is_written = True


def saved_state(
    best: Best, weights: Mapping[str, torch.Tensor], metrics: Mapping[str, float], member: tuple[int, ...] = ()
) -> dict[str, Any]:
    """Return what `Checkpoints` keeps in last.ckpt.

    Args:
        best: epoch so far.
        weights: at its end, by name.
        metrics: of the last epoch.
        member: the place in `best`, where that is of many.
    """
    epoch = int(best.epoch[member])
    score = None if epoch < 0 else best.sign * float(best.score[member])
    return {
        "best_score": score,
        "best_epoch": None if epoch < 0 else epoch,
        "best_state": dict(weights),
        "metrics": dict(metrics),
    }


def _put(values: dict[str, torch.Tensor], state: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, value in values.items():
            state[name].copy_(value)
