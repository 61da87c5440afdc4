"""Calibration against scikit-learn and closed forms, and recalibration against the known truth."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from logreg.statistics.calibration import bin_edges, brier, calibration_error, reliability, wilson
from logreg.statistics.recalibration import recalibration

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
    gap = (table.count / 1_000 * (table.observed - table.probability).abs()).sum()
    assert table.expected_calibration_error == pytest.approx(float(gap))


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
    assert calibration_error(probability, target, edges, times).value == pytest.approx(repeated.expected_calibration_error)
    one, other = recalibration("platt", logit, target, times), recalibration("platt", logit.repeat_interleave(times), again[1])
    assert (one.slope, one.intercept) == pytest.approx((other.slope, other.intercept), rel=1e-6)


def test_the_bootstrap_scatters_as_fresh_tables_do():
    edges = torch.linspace(0, 1, 11, dtype=torch.float64)
    values = []
    for seed in range(200):
        logit, target = rows(2_000, slope=0.5, seed=seed)
        values.append(reliability(torch.sigmoid(logit), target, edges).expected_calibration_error)
    logit, target = rows(2_000, slope=0.5, seed=999)
    error = calibration_error(torch.sigmoid(logit), target, edges)
    reach = 2 * norm.ppf(0.975) * np.std(values)
    assert error.high - error.low == pytest.approx(reach, rel=0.2)
    assert error.low < error.value < error.high
    assert calibration_error(torch.sigmoid(logit), target, edges) == error  # seeded


def test_the_interval_covers_what_such_tables_show_on_average():
    """Of 200 tables, between 90 and 99 % of the intervals hold the mean over all of them."""
    edges = torch.linspace(0, 1, 11, dtype=torch.float64)
    errors = []
    for seed in range(200):
        logit, target = rows(1_000, slope=0.5, seed=seed)
        errors.append(calibration_error(torch.sigmoid(logit), target, edges, draws=200))
    mean = np.mean([each.value for each in errors])
    covered = np.mean([each.low <= mean <= each.high for each in errors])
    assert 0.9 <= covered <= 0.99, covered


def test_what_chance_makes_of_right_probabilities():
    edges = torch.linspace(0, 1, 11, dtype=torch.float64)
    errors = []
    for seed in range(300):
        logit, target = rows(500, seed=seed)
        errors.append(calibration_error(torch.sigmoid(logit), target, edges, draws=1))
    assert np.mean([each.value for each in errors]) == pytest.approx(np.mean([each.by_chance for each in errors]), rel=0.05)


def test_many_rows_are_resampled_in_cells_with_the_same_result(monkeypatch: pytest.MonkeyPatch):
    from logreg.statistics import calibration

    logit, target = rows(20_000, slope=0.5)
    probability = torch.sigmoid(logit)
    edges = bin_edges(probability)
    fast = calibration_error(probability, target, edges)
    monkeypatch.setattr(calibration, "MOST_CELLS", 10**6)
    slow = calibration_error(probability, target, edges)
    assert fast.value == pytest.approx(slow.value, rel=1e-12)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), rel=0.03)


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
        ([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1], "without a fault"),
        ([-2.0, -1.0, 1.0, 2.0], [1, 1, 1, 1], "one class"),
        ([-2.0, -1.0, 1.0, 2.0], [1, 1, 0, 1], "worse than none"),
    ],
)
def test_where_no_slope_is_best_it_says_why(method: str, logit: list[float], target: list[int], reason: str):
    with pytest.raises(ValueError, match=reason):
        recalibration(method, torch.tensor(logit), torch.tensor(target))
