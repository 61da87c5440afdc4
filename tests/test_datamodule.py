"""The data module: what reaches the network, and what identifies the data."""

import pytest
import torch

from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.hours import hours
from logitlab.data.scores import scores
from logitlab.data.toy import toy


@pytest.mark.parametrize(("source", "rows", "features"), [(toy, 6, 2), (hours, 4, 1), (scores, 6, 1)])
def test_sources_are_the_tutorials_tables(source, rows: int, features: int) -> None:
    examples = source()
    assert examples.features.shape == (rows, features)
    assert examples.target.shape == (rows, 1)
    assert examples.target.sum() == rows / 2
    assert len(examples.feature_names) == features
    assert examples.features.dtype == examples.target.dtype == torch.float32


def test_training_rows_are_scaled_and_others_are_none() -> None:
    data = InMemoryDataModule(scores(), scale="standard")
    train = data.rows("train")
    torch.testing.assert_close(train.features.mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    assert torch.equal(train.target, scores().target)
    assert data.rows("val") is None
    assert data.rows("test") is None


def test_the_fingerprint_is_of_names_and_values() -> None:
    assert InMemoryDataModule(toy()).fingerprint == InMemoryDataModule(toy(), batch_size=2).fingerprint
    changed = toy()
    changed.features[3, 1] += 1e-6
    assert InMemoryDataModule(changed).fingerprint != InMemoryDataModule(toy()).fingerprint
    assert InMemoryDataModule(hours()).fingerprint != InMemoryDataModule(toy()).fingerprint
