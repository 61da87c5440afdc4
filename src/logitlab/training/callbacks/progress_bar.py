"""One bar for the whole run, with loss and accuracy, where a person is looking."""

import sys
import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ProgressBar

from logitlab.console import bare, guard
from logitlab.log.summary import decimal

SECONDS_BETWEEN_REDRAWS = 0.1


def progress_bar() -> "EpochProgressBar | None":
    """Return the bar where standard error is a terminal, and None elsewhere: a log file is no place for a bar."""
    return EpochProgressBar() if sys.stderr.isatty() else None


class EpochProgressBar(ProgressBar):
    """Counts batches over all epochs; drawn ten times a second at most.

    Lightning's own bars start anew at every epoch: a thousand bars for the tutorials' thousand epochs of one batch.
    """

    def __init__(self) -> None:
        super().__init__()
        self._progress: Any = None
        self._task: Any = None
        self._drawn_at = 0.0
        self._enabled = True

    def disable(self) -> None:
        """Draw nothing."""
        self._enabled = False

    def enable(self) -> None:
        """Draw again."""
        self._enabled = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar, at the epoch from which the run is resumed."""
        if not self._enabled:
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[metrics]}"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(
            *columns, console=Console(file=bare(sys.stderr)), auto_refresh=False, transient=True, expand=True
        )
        self._task = self._progress.add_task("", total=trainer.max_epochs, completed=trainer.current_epoch, metrics="")
        self._progress.start()
        guard()  # what others print meanwhile goes through the bar's console

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Redraw, if it is time."""
        if self._progress is None or time.monotonic() - self._drawn_at < SECONDS_BETWEEN_REDRAWS:
            return
        self._drawn_at = time.monotonic()
        shown = {name: float(value) for name, value in trainer.callback_metrics.items()}
        metrics = "  ".join(f"{name} {decimal(value)}" for name, value in shown.items() if name.endswith(("loss", "accuracy")))
        done = trainer.current_epoch + (batch_idx + 1) / self.total_train_batches
        self._progress.update(self._task, completed=int(done), metrics=metrics, refresh=True)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the bar away; the summary follows."""
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Take the bar away."""
        self._close()

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
