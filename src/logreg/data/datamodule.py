"""The LightningDataModule of a table that fits in memory."""

import hashlib
from dataclasses import replace

import lightning.pytorch as pl
import torch
from torch import Tensor

from logreg.data.batches import Batches
from logreg.data.examples import Examples
from logreg.data.scaling import Scaling


class InMemoryDataModule(pl.LightningDataModule):
    """Serves the rows of a source, scaled if asked for, as full or mini-batches on the device that trains.

    Attributes:
        scaling: the map from the source's units to what the network sees, fitted on the training rows.
    """

    def __init__(
        self,
        source: Examples,
        scale: str = "none",
        batch_size: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
    ) -> None:
        """Take the rows and fit the scaling.

        Args:
            source: the training rows, in their own units.
            scale: "none" or "standard".
            batch_size: rows in a batch; None: all rows in one.
            shuffle: draw a new order of the rows for every epoch.
            seed: of the orders.
        """
        super().__init__()
        self.examples = source
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        features = source.features.shape[1]
        self.scaling = Scaling.standard(source.features) if scale == "standard" else Scaling.identity(features)

    @property
    def in_features(self) -> int:
        """The number of features that a network must take."""
        return self.examples.features.shape[1]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each feature."""
        return self.examples.feature_names

    @property
    def target_name(self) -> str:
        """What the probability is the probability of."""
        return self.examples.target_name

    def rows(self, split: str) -> Examples | None:
        """Return the rows of a split ("train", "val", "test") as the network sees them; None where there are none."""
        if split != "train":
            return None
        return replace(self.examples, features=self.scaling.transform(self.examples.features))

    @property
    def fingerprint(self) -> str:
        """A SHA-256 over names and values: two runs with one fingerprint saw the same rows in the same order."""
        digest = hashlib.sha256(repr((self.examples.feature_names, self.examples.target_name)).encode())
        for tensor in (self.examples.features, self.examples.target):
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def train_dataloader(self) -> Batches:
        """Return the training batches: (features, target), (batch, features) and (batch, 1), on the training device."""
        trainer = self.trainer
        assert trainer is not None
        rows = self.rows("train")
        assert rows is not None
        tensors = self._on_device(rows.features, rows.target)
        return Batches(tensors, self.batch_size, self.shuffle, self.seed, epoch=lambda: trainer.current_epoch)

    def _on_device(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        assert self.trainer is not None
        dtype = torch.float64 if self.trainer.precision == "64-true" else torch.float32
        return tuple(tensor.to(self.trainer.strategy.root_device, dtype) for tensor in tensors)
