"""A line every N epochs, like the tutorials'."""

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from logitlab.log.summary import decimal


def print_epochs(every_n_epochs: int = 0) -> "PrintEpochs | None":
    """Return the callback, or None for 0: a callback takes 40 microseconds an epoch even where it does nothing."""
    return PrintEpochs(every_n_epochs) if every_n_epochs else None


class PrintEpochs(Callback):
    """Prints `Epoch   10/1000 Cost: 0.614853 Accuracy 66.67%`; the cost and the accuracy are those before the update."""

    def __init__(self, every_n_epochs: int) -> None:
        self.every_n_epochs = every_n_epochs

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line of the epoch before, whose metrics are known by now."""
        self._print(trainer, trainer.current_epoch - 1)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line of the last epoch."""
        self._print(trainer, trainer.current_epoch - 1)

    def _print(self, trainer: pl.Trainer, epoch: int) -> None:
        metrics = trainer.callback_metrics
        if epoch % self.every_n_epochs or "train/loss" not in metrics:
            return
        loss, accuracy = float(metrics["train/loss"]), float(metrics["train/accuracy"])
        assert trainer.max_epochs is not None
        print(f"Epoch {epoch:4d}/{trainer.max_epochs - 1} Cost: {decimal(loss, '.6f')} Accuracy {100 * accuracy:.2f}%")
