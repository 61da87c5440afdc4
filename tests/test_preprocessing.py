"""The way from a table's columns to the network's matrix."""

import polars as pl
import pytest
import torch

from logitlab.data.category import Category
from logitlab.data.columns import Date, Number
from logitlab.data.preprocessing import Preprocessing
from logitlab.data.scaling import Scaling
from logitlab.errors import UserError

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
    assert preprocessing.unseen(FRAME) == {("city", "Lima"): 1}


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


def test_a_missing_column_is_named_and_others_are_passed_over() -> None:  # fault 31
    preprocessing = Preprocessing(ENCODERS, Scaling.identity(5))
    with pytest.raises(UserError, match=r"new.csv lacks the column 'city'.* Did you mean 'City'") as caught:
        preprocessing.transform(FRAME.rename({"city": "City"}), "new.csv")
    assert "\n" not in str(caught.value)
    more = FRAME.with_columns(other=pl.lit("x"))
    assert torch.equal(preprocessing.transform(more), preprocessing.transform(FRAME))


def test_a_value_that_cannot_be_predicted_from_is_named_with_its_row() -> None:
    preprocessing = Preprocessing([Number("age"), Category("city", ("Oslo", "Rome"), (0.5, 0.5))], Scaling([0.0, 0], [1.0, 1]))
    frame = pl.DataFrame({"age": [1.0, 2.0, None], "city": ["Oslo", "Rome", "Rome"]})
    with pytest.raises(UserError, match=r"new.csv: the column 'age' has no value in row 103"):
        preprocessing.transform(frame, "new.csv", first_row=101)
    with pytest.raises(UserError, match=r"'age' holds 1e[+]?300 in row 1"):
        preprocessing.transform(pl.DataFrame({"age": [1e300], "city": ["Oslo"]}))
    with pytest.raises(UserError, match="'city' has no value in row 2"):
        preprocessing.transform(pl.DataFrame({"age": [1.0, 2.0], "city": ["Oslo", None]}))
