"""Any LightningDataModule, taken as ours: its own loaders train, and what they hold is gathered for the results."""

from collections.abc import Iterator
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from logitlab.data.datamodule import InMemoryDataModule, Prepared
from logitlab.data.examples import Examples
from logitlab.data.preprocessing import Preprocessing
from logitlab.data.scaling import Scaling
from logitlab.errors import UserError


class LoadersDataModule(InMemoryDataModule):
    """Trains and tests with the loaders of another data module; metrics, coefficients and pictures look at its rows.

    A batch is (features, target), or (features, target, weight): features (batch, features), the target of 0 and 1. The rows of
    every split are gathered once, in the order of their data set, and kept in memory. Features are called x1, x2, ... and the
    target y, unless the data module has `feature_names` and `target_name`. The order of an epoch is its own affair: where it is
    random, a resumed run sees another one.
    """

    def __init__(self, datamodule: pl.LightningDataModule) -> None:
        """Prepare the data module, and gather its rows.

        Raises:
            UserError: its batches are of another form, or without end.
        """
        self.given = datamodule
        with torch.random.fork_rng([]):
            datamodule.prepare_data()
            datamodule.setup("fit")
            splits = {name: rows for name in ("train", "val") if (rows := self._gathered(name)) is not None}
            datamodule.setup("test")
            if (rows := self._gathered("test")) is not None:
                splits["test"] = rows
        if "train" not in splits:
            raise UserError(f"data ({type(datamodule).__name__}) has no train_dataloader, and a run needs rows to train on.")
        names = splits["train"].feature_names
        super().__init__(Prepared(splits, Preprocessing.of_numbers(names, Scaling.identity(len(names)))))
        if "val" in splits:
            self.val_dataloader = datamodule.val_dataloader  # type: ignore[method-assign]
        self._batches = len(datamodule.train_dataloader())

    @property
    def batches(self) -> int:
        """The training steps in an epoch."""
        return self._batches

    @property
    def values_in_a_batch(self) -> int:
        """The number of features times the rows that a training step takes, on average."""
        return -(-len(self.examples) // self._batches) * self.in_features

    def prepare_data(self) -> None:
        """Prepare the data module's own."""
        self.given.prepare_data()

    def setup(self, stage: str) -> None:
        """Set the data module up, and let it know the trainer."""
        self.given.trainer = self.trainer
        self.given.setup(stage)

    def teardown(self, stage: str) -> None:
        """Tear the data module down."""
        self.given.teardown(stage)

    def train_dataloader(self) -> Any:
        """Return the data module's own loader."""
        return self.given.train_dataloader()

    def test_dataloader(self) -> Any:
        """Return the data module's own loader."""
        return self.given.test_dataloader()

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Do what the data module does."""
        return self.given.on_before_batch_transfer(batch, dataloader_idx)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move the batch as the data module does."""
        return self.given.transfer_batch_to_device(batch, device, dataloader_idx)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> tuple[Tensor, ...]:
        """Do what the data module does, and return features (batch, features), target and weight (batch, 1), as floats."""
        return self._batch(self.given.on_after_batch_transfer(batch, dataloader_idx), "train")

    def _gathered(self, split: str) -> Examples | None:
        """Return the rows of a split; None where the data module has no loader for it."""
        try:
            loader = getattr(self.given, f"{split}_dataloader")()
        except MisconfigurationException:  # Lightning's own method, which is not overridden
            return None
        if loader is None or loader == []:
            return None
        parts = [self._batch(batch, split) for batch in self._unshuffled(loader, split)]
        if not parts:
            return None
        features, target, *weight = (torch.cat(each) for each in zip(*parts, strict=True))
        if not bool(((target == 0) | (target == 1)).all()):
            raise self._refused(split, f"a target of {float(target.max()):g}; it is 0 or 1")
        names = tuple(
            getattr(self.given, "feature_names", None) or (f"x{number}" for number in range(1, features.shape[1] + 1))
        )
        return Examples(features, target, names, getattr(self.given, "target_name", "y"), weight[0] if weight else None)

    def _unshuffled(self, loader: Any, split: str) -> Iterator[Any]:
        """Return the batches in the order of the data set, however the loader draws them."""
        if isinstance(loader, DataLoader) and not isinstance(loader.dataset, IterableDataset):
            return iter(DataLoader(loader.dataset, batch_size=1024, collate_fn=loader.collate_fn))
        try:
            len(loader)
        except TypeError:
            raise self._refused(split, "a number of batches that nobody knows; give it a __len__") from None
        return iter(loader)

    def _batch(self, batch: Any, split: str) -> tuple[Tensor, ...]:
        if (
            not isinstance(batch, list | tuple)
            or len(batch) not in (2, 3)
            or not all(isinstance(each, Tensor) for each in batch)
        ):
            form = f"{type(batch).__name__} of {len(batch)}" if isinstance(batch, list | tuple) else type(batch).__name__
            raise self._refused(split, f"batches that are a {form}; they are (features, target), or with weights behind")
        features, *answers = batch
        if features.ndim != 2 or any(each.numel() != len(features) for each in answers):
            shapes = " and ".join(str(tuple(each.shape)) for each in batch)
            raise self._refused(split, f"tensors of shape {shapes}; features are (batch, features), a target one number a row")
        dtype = features.dtype if features.is_floating_point() else torch.float32
        return features.to(dtype), *(each.reshape(-1, 1).to(dtype) for each in answers)

    def _refused(self, split: str, what: str) -> UserError:
        return UserError(f"data ({type(self.given).__name__}): its {split}_dataloader has {what}.")


def as_ours(datamodule: Any, name: str) -> InMemoryDataModule:
    """Return a data module with what runs ask of one.

    Args:
        datamodule: ours, or any LightningDataModule.
        name: of what made it, for a message.

    Raises:
        UserError: it is none.
    """
    if isinstance(datamodule, InMemoryDataModule):
        return datamodule
    if isinstance(datamodule, pl.LightningDataModule):
        return LoadersDataModule(datamodule)
    raise UserError(f"data ({name}) is a {type(datamodule).__name__}, and a LightningDataModule belongs there.")
