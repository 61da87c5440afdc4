"""The LightningDataModule of a table that fits in memory."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from logitlab import rules
from logitlab.data import splits
from logitlab.data.batches import Batches
from logitlab.data.description import checksums, describe
from logitlab.data.examples import Examples
from logitlab.data.preprocessing import Preprocessing
from logitlab.data.scaling import Scaling
from logitlab.features import Features
from logitlab.sparse import stored_in_a_row

FINGERPRINT_ROWS = 65_536


class DataSummary:
    """What is printed of a data set before training: nothing, unless a source says more."""

    lines: tuple[str, ...] = ()

    def files(self) -> Mapping[str, str]:
        """Return what the summary puts into a run directory: the texts of files by their names."""
        return {}

    def row_numbers(self, split: str) -> Sequence[int] | None:
        """Return the number of each row of a split in the file that it comes from, from 1; None where there is no file."""
        return None


@dataclass(frozen=True)
class Prepared:
    """A source's rows, ready for a network.

    Attributes:
        splits: "train", and "val" and "test" where there are such rows; features are scaled.
        preprocessing: what made the features.
        labels: which values of the target column are 0 and 1, as plain values; None for a source that knows only 0 and 1.
        data_summary: what is printed of the data before training.
        checksums: of the source's columns, by name (`description.checksums`).
        fold_of: with data.fold=all the fold of each training row, int64, (rows,); else None.
    """

    splits: Mapping[str, Examples]
    preprocessing: Preprocessing
    labels: Mapping[str, Any] | None = None
    data_summary: DataSummary = field(default_factory=DataSummary)
    checksums: Mapping[str, str] = field(default_factory=dict)
    fold_of: Tensor | None = None


class InMemoryDataModule(pl.LightningDataModule):
    """Serves rows as full or mini-batches on the device that trains.

    A batch is (features, target), or (features, target, weight) where rows have weights.

    Attributes:
        preprocessing: the map from a table's columns to what the network sees, fitted on the training rows.
        labels: which values of the target column are 0 and 1, as plain values, or None.
        data_summary: what is printed of the data before training.
        fold_of: with fold="all" the fold of each training row, int64, (rows,); else None.
    """

    def __init__(
        self,
        source: Examples | Prepared,
        scale: str = "none",
        batch_size: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
        folds: int | None = None,
        fold: int | str | None = None,
        split_seed: int = 0,
        val_fraction: float = 0.0,
        test_fraction: float = 0.0,
    ) -> None:
        """Take the rows and, unless the source has done so, divide them and fit the scaling.

        Args:
            source: the rows in their own units, or splits that are prepared already.
            scale: "none" or "standard"; a prepared source is scaled.
            batch_size: rows in a batch; None: all rows in one.
            shuffle: draw a new order of the rows for every epoch.
            seed: of the orders.
            folds: of a cross-validation (`splits.by_folds`) over all but the test rows; None: there is none. This and what
                follows is for rows that are not divided yet.
            fold: the one whose rows are val, or "all": none of them.
            split_seed: of the draw of splits and folds.
            val_fraction: of the rows, both classes alike, where there are no folds.
            test_fraction: of the rows, both classes alike.
        """
        super().__init__()
        rules.check("data", scale=scale, batch_size=batch_size, folds=folds, fold=fold, split_seed=split_seed)
        rules.check("data", shuffle=shuffle, val_fraction=val_fraction, test_fraction=test_fraction)
        prepared = source
        if not isinstance(prepared, Prepared):
            rows = _divided(prepared.target[:, 0], folds, fold, split_seed, val_fraction, test_fraction)
            fold_of = None
            if folds is not None and fold == "all":
                held_out = [_divided(prepared.target[:, 0], folds, each, split_seed, 0, test_fraction) for each in range(folds)]
                fold_of = splits.fold_of(rows["train"], held_out)
            prepared = replace(_scaled(prepared, scale, rows), fold_of=fold_of)
        self.splits = prepared.splits
        self.preprocessing = prepared.preprocessing
        self.labels = prepared.labels
        self.data_summary = prepared.data_summary
        self.checksums = prepared.checksums
        self.fold_of = prepared.fold_of
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        if "val" in self.splits:  # Lightning warns of a val_dataloader that has nothing to serve
            self.val_dataloader = partial(self._in_order, "val")  # type: ignore[method-assign]

    @property
    def examples(self) -> Examples:
        """The training rows, as the network sees them."""
        return self.splits["train"]

    @property
    def in_features(self) -> int:
        """The number of features that a network must take."""
        return self.examples.exact.shape[1]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each feature."""
        return self.examples.feature_names

    @property
    def target_name(self) -> str:
        """What the probability is the probability of."""
        return self.examples.target_name

    @property
    def batches(self) -> int:
        """The training steps in an epoch."""
        return -(-len(self.examples) // min(self.batch_size or len(self.examples), len(self.examples)))

    @property
    def values_in_a_batch(self) -> int:
        """The numbers that are kept of a row times the rows that a training step takes."""
        return min(self.batch_size or len(self.examples), len(self.examples)) * stored_in_a_row(self.examples.exact)

    def rows(self, split: str) -> Examples | None:
        """Return the rows of a split ("train", "val", "test") as the network sees them; None where there are none."""
        return self.splits.get(split)

    @property
    def fingerprint(self) -> str:
        """A SHA-256 over names and values: two runs with one fingerprint saw the same rows in the same order."""
        digest = hashlib.sha256(repr((self.feature_names, self.target_name)).encode())
        for name, examples in self.splits.items():
            digest.update(name.encode())
            for tensor in itertools.chain(Features.plain(examples.exact).contents(FINGERPRINT_ROWS), examples.answers):
                digest.update(memoryview(tensor.contiguous().numpy()))  # type: ignore[arg-type]
        return digest.hexdigest()

    @cached_property
    def description(self) -> Mapping[str, Any]:
        """The rows in a few plain values, the fingerprint among them, by which a change behind a run is noticed."""
        return describe(self)

    def train_dataloader(self) -> Batches:
        """Return the training batches, on the training device."""
        trainer = self.trainer
        assert trainer is not None
        rows, is_exact = self._on_device(self.examples), self._is_exact
        return Batches(rows, self.batch_size, self.shuffle and not is_exact, self.seed, epoch=lambda: trainer.current_epoch)

    def test_dataloader(self) -> Batches:
        """Return the test batches, in the rows' own order; there must be such rows."""
        return self._in_order("test")

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Return the batch as it is: the whole table was put on the device before."""
        return batch

    def _in_order(self, split: str) -> Batches:
        return Batches(self._on_device(self.splits[split]), self.batch_size)

    @property
    def _is_exact(self) -> bool:
        """Whether the module takes `Features` in a batch: a solver, which makes float64 of them block by block."""
        return getattr(self.trainer and self.trainer.lightning_module, "takes_exact_features", False)

    def _on_device(self, rows: Examples) -> tuple[Any, ...]:
        assert self.trainer is not None
        device = self.trainer.strategy.root_device
        dtype = torch.float64 if self.trainer.precision == "64-true" else torch.float32
        features: Tensor | Features
        if self._is_exact:
            features = rows.exact.to(device)
        else:
            features = (rows.exact if dtype == torch.float64 else rows.features).to(device, dtype)
        return features, *(tensor.to(device, dtype) for tensor in rows.answers)


def _divided(target: Tensor, folds: int | None, fold: int | str | None, seed: int, val: float, test: float) -> splits.Rows:
    """Return the numbers of the rows of each split, for a target (rows,)."""
    is_folded = folds is not None and fold is not None
    rows = splits.by_fractions(len(target), 0.0 if is_folded else val, test, seed, strata=target)
    if folds is not None and fold is not None:
        return splits.by_folds(target, folds, fold, seed, test=rows["test"])
    return rows


def _scaled(examples: Examples, scale: str, rows: splits.Rows) -> Prepared:
    """Return the splits, scaled by the training rows."""
    features = examples.exact
    train = features[rows["train"]].double()
    weight = None if examples.weight is None else examples.weight[rows["train"]]
    scaling = Scaling.standard(train, weight) if scale == "standard" else Scaling.identity(train.shape[1])
    parts = {name: examples.at(rows, scaling.features(features[rows])) for name, rows in rows.items() if len(rows)}
    columns = {name: partial(_bytes, examples.features, place) for place, name in enumerate(examples.feature_names)}
    sums = checksums({**columns, examples.target_name: partial(_bytes, examples.target, 0)})
    return Prepared(parts, Preprocessing.of_numbers(examples.feature_names, scaling), checksums=sums)


def _bytes(matrix: Tensor, column: int) -> memoryview:
    return memoryview(matrix[:, column].contiguous().numpy())  # type: ignore[arg-type]
