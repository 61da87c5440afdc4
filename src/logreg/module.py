"""The LightningModule: a network, its loss, its optimiser, and what is logged of them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from logreg.errors import UserError
from logreg.metrics import binary_metrics
from logreg.networks import Network

Batch = tuple[Tensor, Tensor]
"""features (batch, features) and target (batch, 1), 0 or 1."""


class LogisticRegression(pl.LightningModule):
    """Linear + Sigmoid, trained by binary cross-entropy.

    The loss is the mean over rows of -(y log p + (1 - y) log(1 - p)). `train/loss` of an epoch is the mean over its batches,
    each before its own update; over one batch of all rows that is the loss before the update, as the tutorials print it.
    """

    def __init__(
        self,
        network: Network,
        loss: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        threshold: float = 0.5,
        hparams: Mapping[str, Any] | None = None,
    ) -> None:
        """Wrap the parts.

        Args:
            network: features -> probability, or logit.
            loss: nn.BCELoss() for a probability, nn.BCEWithLogitsLoss() for a logit; mean over rows.
            optimizer: makes the optimiser from the network's parameters.
            threshold: a row is of class 1 where probability >= threshold.
            hparams: plain values that the checkpoint carries along.

        Raises:
            UserError: the loss does not go with what the network returns.
        """
        super().__init__()
        _check_pair(network, loss)
        self.network = network
        self.loss = loss
        self.make_optimizer = optimizer
        self.threshold = threshold
        self.val_metrics = binary_metrics("val")
        self.test_metrics = binary_metrics("test")
        self.save_hyperparameters(dict(hparams or {}), logger=False)
        self._epoch = EpochMeans()
        self._learning_rate = 0.0

    def __setattr__(self, name: str, value: Any) -> None:
        # nn.Module looks at every value that is set for parameters, modules and buffers. Lightning notes the running hook's
        # name on the module fifty times a step; passing that by saves a fifth of a short fit. What is in __dict__ is none of
        # those three, nor is a string or None.
        if (value is None or type(value) is str) and name in self.__dict__:
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def forward(self, features: Tensor) -> Tensor:
        """Return the probability of class 1, (batch, 1), for features (batch, features)."""
        return self.network.probability(self.network(features))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make the optimiser of the network's parameters."""
        return self.make_optimizer(self.network.parameters())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the batch's loss."""
        features, target = batch
        output = self.network(features)
        loss = self.loss(output, target)
        self._epoch.add(loss.detach(), (self._classes(output.detach()) == target).float().mean(), len(target))
        return loss

    def on_train_epoch_start(self) -> None:
        """Note the learning rate with which the epoch begins: at its end a schedule has changed it already."""
        self._learning_rate = self.trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means.

        Straight to the loggers: `self.log` takes 0.25 ms a value and epoch, more than the whole epoch of a small table.
        """
        trainer = self.trainer
        means = self._epoch.named()
        self._epoch = EpochMeans()
        trainer.callback_metrics.update(means)
        values = {name: float(mean) for name, mean in means.items()}
        values["train/learning_rate"] = self._learning_rate
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.global_step - 1)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log `val/loss` and the metrics of the val rows."""
        self._judge(batch, "val", self.val_metrics)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log `test/loss` and the metrics of the test rows."""
        self._judge(batch, "test", self.test_metrics)

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the probabilities of class 1, (batch, 1)."""
        return self(batch[0])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the means of an unfinished epoch."""
        checkpoint["epoch_means"] = self._epoch.plain()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the means of an unfinished epoch."""
        self._epoch = EpochMeans(**checkpoint["epoch_means"])

    def _classes(self, output: Tensor) -> Tensor:
        return self.network.probability(output) >= self.threshold

    def _judge(self, batch: Batch, split: str, metrics: Any) -> None:
        features, target = batch
        output = self.network(features)
        self.log(f"{split}/loss", self.loss(output, target), batch_size=len(target))
        metrics.update(self._classes(output), target.int())
        self.log_dict(metrics)


class EpochMeans:
    """Running means of loss and accuracy over the rows of an epoch, on the device: nothing waits for it until the end."""

    def __init__(self, loss: Any = 0.0, accuracy: Any = 0.0, rows: int = 0) -> None:
        self.loss = torch.as_tensor(loss)
        self.accuracy = torch.as_tensor(accuracy)
        self.rows = rows

    def add(self, loss: Tensor, accuracy: Tensor, rows: int) -> None:
        """Add a batch by its own means, () each."""
        self.rows += rows
        if self.rows == rows:  # the first batch, and in full-batch training the only one
            self.loss, self.accuracy = loss, accuracy
        else:
            self.loss = torch.lerp(self.loss.to(loss), loss, rows / self.rows)
            self.accuracy = torch.lerp(self.accuracy.to(accuracy), accuracy, rows / self.rows)

    def named(self) -> dict[str, Tensor]:
        """Return the means under the names by which they are logged."""
        return {"train/loss": self.loss, "train/accuracy": self.accuracy}

    def plain(self) -> dict[str, Any]:
        """Return the means as plain numbers, for a checkpoint."""
        return {"loss": float(self.loss), "accuracy": float(self.accuracy), "rows": self.rows}


def _check_pair(network: Network, loss: nn.Module) -> None:
    if isinstance(loss, nn.BCEWithLogitsLoss) != network.returns_logits:
        returned = "a logit" if network.returns_logits else "a probability"
        raise UserError(
            f"{type(loss).__name__} does not go with {type(network).__name__}, which returns {returned}. BCELoss takes a"
            " probability, BCEWithLogitsLoss a logit (model=logits)."
        )
