"""The metrics against scikit-learn's and torchmetrics', with and without row weights."""

import math

import pytest
import sklearn.metrics as sk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_calibration_error

from logreg.metrics import BinaryMetrics, binary_metrics


def rows(seed: int, number: int = 500, levels: int | None = None, weighted: bool = False):
    """Return random probability, target, weight; `levels` distinct probabilities make ties."""
    generator = torch.Generator().manual_seed(seed)
    probability = torch.rand(number, generator=generator)
    if levels:
        probability = (probability * levels).floor() / levels + 0.5 / levels
    target = (torch.rand(number, generator=generator) < 0.2 + 0.6 * probability).float()
    weight = torch.rand(number, generator=generator) * 3 if weighted else None
    return probability, target, weight


def sklearn_metrics(probability, target, weight, threshold):
    p, y = probability.double().numpy(), target.numpy()
    w = None if weight is None else weight.numpy()
    predicted = (probability >= threshold).numpy()
    tn, fp, fn, tp = sk.confusion_matrix(y, predicted, sample_weight=w).ravel()
    return {
        "log_loss": sk.log_loss(y, p, sample_weight=w),
        "accuracy": sk.accuracy_score(y, predicted, sample_weight=w),
        "balanced_accuracy": sk.balanced_accuracy_score(y, predicted, sample_weight=w),
        "precision": sk.precision_score(y, predicted, sample_weight=w),
        "recall": sk.recall_score(y, predicted, sample_weight=w),
        "f1": sk.f1_score(y, predicted, sample_weight=w),
        "auroc": sk.roc_auc_score(y, p, sample_weight=w),
        "average_precision": sk.average_precision_score(y, p, sample_weight=w),
        "brier": sk.brier_score_loss(y, p, sample_weight=w),
        "true_positives": tp,
        "false_positives": fp,
        "true_negatives": tn,
        "false_negatives": fn,
    }


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("levels", [None, 7])
@pytest.mark.parametrize("threshold", [0.5, 0.31])
def test_metrics_are_scikit_learns(weighted: bool, levels: int | None, threshold: float) -> None:
    probability, target, weight = rows(3, levels=levels, weighted=weighted)
    ours = binary_metrics(probability, target, weight, threshold)
    for name, value in sklearn_metrics(probability, target, weight, threshold).items():
        assert ours[name] == pytest.approx(value, abs=1e-6, rel=1e-6), name


def test_calibration_error_is_torchmetrics() -> None:
    probability, target, _ = rows(5)
    truth = binary_calibration_error(probability, target.int(), n_bins=15, norm="l1")
    assert binary_metrics(probability, target)["calibration_error"] == pytest.approx(float(truth), abs=1e-6)


def test_a_weight_of_two_is_a_row_twice() -> None:
    probability, target, _ = rows(7, number=60, levels=9)
    weight = 1.0 + (torch.arange(60) % 3 == 0).float()
    weighted = binary_metrics(probability, target, weight)
    twice = binary_metrics(probability.repeat_interleave(weight.int()), target.repeat_interleave(weight.int()))
    assert weighted.pop("rows") == 60
    assert twice.pop("rows") == 80
    assert weighted == pytest.approx(twice, abs=1e-12)


def test_the_base_rate_is_that_of_the_training_rows() -> None:
    target = torch.tensor([1.0, 0.0, 0.0, 0.0])
    metrics = binary_metrics(torch.full((4,), 0.5), target, base_rate=0.9)
    assert metrics["base_log_loss"] == pytest.approx(-(math.log(0.9) + 3 * math.log(0.1)) / 4)
    assert metrics["base_accuracy"] == 0.25  # every row is called 1


def test_a_certain_and_wrong_probability_costs_a_hundred_as_bceloss_has_it() -> None:
    probability, target = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.0])
    assert binary_metrics(probability, target)["log_loss"] == float(torch.nn.BCELoss()(probability, target)) == 50


def test_one_class_alone_leaves_auroc_undefined_and_the_rest_finite() -> None:
    metrics = binary_metrics(torch.tensor([0.2, 0.7]), torch.zeros(2))
    assert math.isnan(metrics.pop("auroc"))
    assert math.isnan(metrics.pop("average_precision"))
    assert all(math.isfinite(value) for value in metrics.values())


def test_gathered_in_batches_it_is_the_same() -> None:
    probability, target, weight = rows(11, weighted=True)
    gathered = BinaryMetrics(threshold=0.4, base_rate=0.3)
    for part in torch.arange(500).split(64):
        gathered.update(probability[part, None], target[part, None], weight[part, None])
    assert gathered.compute() == binary_metrics(probability, target, weight, threshold=0.4, base_rate=0.3)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.booleans()), min_size=2, max_size=12),
)
def test_auroc_counts_pairs(drawn: list[tuple[float, bool]]) -> None:
    probability = torch.tensor([p for p, _ in drawn])
    target = torch.tensor([float(y) for _, y in drawn])
    ones, zeros = [p for p, y in drawn if y], [p for p, y in drawn if not y]
    auroc = binary_metrics(probability, target)["auroc"]
    if not ones or not zeros:
        assert math.isnan(auroc)
        return
    won = sum((one > zero) + (one == zero) / 2 for one in ones for zero in zeros)
    assert auroc == pytest.approx(won / len(ones) / len(zeros))
