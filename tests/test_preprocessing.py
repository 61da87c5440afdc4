"""The way from a table's columns to the network's matrix."""

import polars as pl
import torch

from logreg.data.columns import Category, Date, Number
from logreg.data.preprocessing import Preprocessing
from logreg.data.scaling import Scaling

ENCODERS = [
    Number("age", fill=40.0, indicator=True),
    Category("city", ("Oslo", "Paris", "Rome"), (0.5, 0.25, 0.25)),
    Date("since", "2020-01-01"),
]
FRAME = pl.DataFrame(
    {"age": [30, None, 50], "city": ["Rome", "Oslo", "Lima"], "since": ["2020-01-01", "2020-01-02", "2021-01-01"]}
).with_columns(pl.col("since").str.to_date())


def test_each_column_becomes_its_features() -> None:
    preprocessing = Preprocessing(ENCODERS, Scaling.identity(5))
    assert preprocessing.feature_names == (
        "age",
        "age is missing",
        "city=Paris",
        "city=Rome",
        "since (days since 2020-01-01)",
    )
    expected = [[30, 0, 0, 1, 0], [40, 1, 0, 0, 1], [50, 0, 0.25, 0.25, 366]]
    assert preprocessing.transform(FRAME).tolist() == expected
    assert preprocessing.unseen(FRAME) == {"city": ["Lima"]}


def test_plain_values_carry_it_all() -> None:
    preprocessing = Preprocessing(ENCODERS, Scaling([1.0, 0, 0, 0, 3], [2.0, 1, 1, 1, 7]))
    again = Preprocessing.from_plain(preprocessing.plain())
    assert again.plain() == preprocessing.plain()
    assert torch.equal(again.transform(FRAME[:, ::-1]), preprocessing.transform(FRAME))


def test_own_units_give_the_same_logit() -> None:
    scaling = Scaling([40.0, 0.5, 0, 0.25, 100], [12.0, 0.5, 1, 1, 700])
    preprocessing = Preprocessing(ENCODERS, scaling)
    weight, bias = torch.tensor([0.3, -1.0, 2.0, 0.5, 1.5], dtype=torch.float64), torch.tensor(-0.7)
    own_weight, own_bias = preprocessing.in_own_units(weight, bias)
    own = preprocessing.own_units(FRAME)
    torch.testing.assert_close(own @ own_weight + own_bias, scaling.transform(own) @ weight + bias)
