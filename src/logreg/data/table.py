"""A table of one's own, from CSV or Parquet."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import torch

from logreg.data import reading, splits
from logreg.data.columns import Category, Column, Number
from logreg.data.datamodule import InMemoryDataModule, Prepared
from logreg.data.examples import Examples
from logreg.data.labels import Labels
from logreg.data.preprocessing import Preprocessing
from logreg.data.scaling import Scaling
from logreg.errors import UserError, did_you_mean


def table(
    path: str,
    target: str,
    drop: Sequence[str] = (),
    positive: Any = None,
    weight: str | None = None,
    separator: str = ",",
    split: str = "fractions",
    val_fraction: float = 0.15,
    test_fraction: float = 0.15,
    split_seed: int = 0,
    scale: str = "standard",
    batch_size: int | None = None,
    shuffle: bool = False,
    seed: int = 0,
) -> InMemoryDataModule:
    """Return the data module of a table."""
    frame = reading.read(path, reading.CsvFormat(separator=separator))
    if target not in frame.columns:
        raise UserError(f"{path} has no column '{target}' (data.target).{did_you_mean(target, frame.columns)}")
    labels = Labels.fit(frame[target], positive, path)
    y = labels.encode(frame[target], path)
    if split == "none":
        parts = {"train": torch.arange(len(frame))}
    else:
        parts = splits.by_fractions(len(frame), val_fraction, test_fraction, split_seed, y[:, 0].long())
    features = [name for name in frame.columns if name not in (target, weight, *drop)]
    train = frame[parts["train"].numpy()]
    encoders: list[Column] = []
    for name in features:
        if frame[name].dtype == pl.String:
            counts = train[name].value_counts().sort(name)
            encoders.append(Category(name, tuple(counts[name]), tuple(count / len(train) for count in counts["count"])))
        else:
            encoders.append(Number(name))
    raw = Preprocessing(encoders, Scaling.identity(0))
    own = raw.own_units(train)
    scaling = Scaling.standard(own) if scale == "standard" else Scaling.identity(own.shape[1])
    preprocessing = Preprocessing(encoders, scaling)
    weights = None if weight is None else torch.from_numpy(frame[weight].to_numpy(writable=True)).float()[:, None]
    prepared = {
        name: Examples(
            preprocessing.transform(frame[rows.numpy()], path),
            y[rows],
            preprocessing.feature_names,
            target,
            None if weights is None else weights[rows],
        )
        for name, rows in parts.items()
        if len(rows)
    }
    return InMemoryDataModule(
        Prepared(prepared, preprocessing, labels.plain()), batch_size=batch_size, shuffle=shuffle, seed=seed
    )
