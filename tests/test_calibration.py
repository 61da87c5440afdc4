"""Calibration against scikit-learn and closed forms, and recalibration against the known truth."""

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from logitlab.metrics import calibration_error
from logitlab.statistics.calibration import bin_edges, brier, by_chance, reliability, wilson
from logitlab.statistics.recalibration import recalibration

Rows = tuple[torch.Tensor, torch.Tensor]


def rows(number: int, slope: float = 1.0, intercept: float = 0.0, seed: int = 0) -> Rows:
    """Return logits and targets that are drawn with the probability sigmoid(slope * logit + intercept)."""
    generator = torch.Generator().manual_seed(seed)
    logit = 2 * torch.randn(number, generator=generator, dtype=torch.float64)
    return logit, torch.bernoulli(torch.sigmoid(slope * logit + intercept), generator=generator)


@pytest.mark.parametrize(("equal", "strategy"), [("mass", "quantile"), ("width", "uniform")])
@pytest.mark.parametrize("digits", [1, 6])
def test_the_reliability_table_is_that_of_scikit_learn(equal: str, strategy: str, digits: int):
    logit, target = rows(1_000)
    probability = torch.sigmoid(logit).round(decimals=digits)  # one digit: many ties, and values on the edges
    edges = bin_edges(probability, 10, equal)
    table = reliability(probability, target, edges)
    observed, mean = calibration_curve(target.numpy(), probability.numpy(), n_bins=10, strategy=strategy)
    np.testing.assert_allclose(table.observed, observed, rtol=1e-12)
    np.testing.assert_allclose(table.probability, mean, rtol=1e-12)
    assert table.count.sum() == 1_000


def test_wilsons_interval_is_that_of_statsmodels():
    from statsmodels.stats.proportion import proportion_confint

    ones, count = torch.tensor([0.0, 1, 5, 30]), torch.tensor([7.0, 9, 10, 30])
    low, high = wilson((ones / count).double(), count.double(), 0.9)
    theirs = proportion_confint(ones.numpy(), count.numpy(), alpha=0.1, method="wilson")
    np.testing.assert_allclose([low, high], theirs, rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("equal", ["mass", "width"])
def test_the_brier_score_is_the_sum_of_its_parts(equal: str):
    logit, target = rows(5_000, slope=0.5)
    probability = torch.sigmoid(logit)
    parts = brier(probability, target, bin_edges(probability, 10, equal))
    assert parts.score == pytest.approx(brier_score_loss(target, probability), rel=1e-12)
    whole = parts.reliability - parts.resolution + parts.uncertainty + parts.within_variance - parts.within_covariance
    assert whole == pytest.approx(parts.score, rel=1e-13)


def test_the_parts_have_closed_forms_where_bins_hold_one_probability_each():
    probability = torch.tensor([0.2] * 10 + [0.7] * 10, dtype=torch.float64)
    target = torch.tensor([1.0] * 3 + [0.0] * 7 + [1.0] * 6 + [0.0] * 4)
    parts = brier(probability, target, torch.tensor([0, 0.5, 1], dtype=torch.float64))
    assert parts.reliability == pytest.approx((0.1**2 + 0.1**2) / 2)
    assert parts.resolution == pytest.approx((0.15**2 + 0.15**2) / 2)
    assert parts.uncertainty == pytest.approx(0.45 * 0.55)
    assert (parts.within_variance, parts.within_covariance) == pytest.approx((0, 0), abs=1e-15)


def test_row_weights_count_as_repeated_rows():
    logit, target = rows(60, seed=4)
    probability, times = torch.sigmoid(logit), torch.arange(60) % 3
    edges = bin_edges(probability, 5, "width")
    again = (probability.repeat_interleave(times), target.repeat_interleave(times))
    weighted, repeated = reliability(probability, target, edges, times), reliability(*again, edges)
    torch.testing.assert_close(weighted.observed_high, repeated.observed_high)
    assert vars(brier(probability, target, edges, times)) == pytest.approx(vars(brier(*again, edges)))
    error = calibration_error(probability, target.double(), times.double())
    assert error == pytest.approx(calibration_error(*again, torch.ones_like(again[0])))
    one, other = recalibration("platt", logit, target, times), recalibration("platt", logit.repeat_interleave(times), again[1])
    assert (one.slope, one.intercept) == pytest.approx((other.slope, other.intercept), rel=1e-6)


WEIGHTS = {"none": None, "counts": 3, "fractions": 1.7, "sampling": 1.7}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_where_probabilities_are_right_the_band_holds_their_error_in_95_of_100_tables(kind: str):
    held = []
    for seed in range(200):
        logit, target = rows(300, seed=seed)
        p, weight = torch.sigmoid(logit), None
        if WEIGHTS[kind]:
            weight = torch.where(torch.arange(300) % 2 == 0, 1.0, WEIGHTS[kind]).double()
            generator = torch.Generator().manual_seed(1000 + seed)
        if kind == "counts":  # a row of weight w is w rows: its share of class 1 scatters by p q / w
            target = torch.binomial(weight, p, generator=generator) / weight
        elif kind == "fractions":
            target = p + (p * (1 - p) / weight).sqrt() * torch.randn(300, generator=generator, dtype=torch.float64)
        low, high = by_chance(p, weight, kind == "sampling", draws=300)
        error = calibration_error(p, target, torch.ones_like(p) if weight is None else weight)
        held.append(low <= error <= high)
    assert 0.89 <= np.mean(held) <= 0.99, np.mean(held)


def test_the_error_of_wrong_probabilities_lies_above_the_band():
    logit, target = rows(2_000, slope=0.5)
    p = torch.sigmoid(logit)
    assert calibration_error(p, target, torch.ones_like(p)) > 2 * by_chance(p)[1]
    assert by_chance(p) == by_chance(p)  # seeded


def test_a_weight_of_two_is_a_row_twice_in_the_band_too_and_many_rows_are_drawn_in_cells(monkeypatch: pytest.MonkeyPatch):
    from logitlab.statistics import calibration

    p = torch.sigmoid(rows(2_000)[0])
    fast, twice = by_chance(p.repeat(2)), by_chance(p, torch.full((2_000,), 2.0))
    assert twice == pytest.approx(fast, rel=0.08)
    monkeypatch.setattr(calibration, "MOST_ROWS", 10**6)
    assert by_chance(p.repeat(2)) == pytest.approx(fast, rel=0.08)


def test_platt_is_the_logistic_regression_on_the_logit():
    logit, target = rows(3_000, slope=0.6, intercept=0.3)
    found = recalibration("platt", logit, target)
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None].numpy(), target.numpy())
    assert (found.slope, found.intercept) == pytest.approx((theirs.coef_[0, 0], theirs.intercept_[0]), rel=1e-4)


def test_temperature_changes_no_class_and_finds_the_truth():
    logit, target = rows(100_000, slope=0.5)
    found = recalibration("temperature", logit, target)
    assert found.intercept == 0
    assert found.slope == pytest.approx(0.5, abs=0.02)
    assert torch.equal(found(logit) > 0, logit > 0)


@pytest.mark.parametrize("method", ["temperature", "platt"])
@pytest.mark.parametrize(
    ("logit", "target", "reason"),
    [
        ([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1], "separate the classes"),
        ([-2.0, -1.0, 1.0, 2.0], [1, 1, 1, 1], "one class"),
        ([-2.0, -1.0, 1.0, 2.0], [1, 1, 0, 1], "worse than none"),
    ],
)
def test_where_no_slope_is_best_it_says_why(method: str, logit: list[float], target: list[int], reason: str):
    with pytest.raises(ValueError, match=reason):
        recalibration(method, torch.tensor(logit), torch.tensor(target))
