"""The metrics against scikit-learn's and torchmetrics', with and without row weights."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import Run, compose_config
from torchmetrics.functional.classification import binary_calibration_error, binary_f1_score, binary_precision

from logitlab.build import build_datamodule
from logitlab.metrics import BinaryMetrics, binary_metrics, undefined
from logitlab.networks import Logits, Sequential, Tensors

TESTS = Path(__file__).parent


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


@pytest.mark.parametrize(
    ("target", "missing"),
    [
        (0.0, {"auroc", "average_precision", "balanced_accuracy", "precision", "recall", "f1"}),
        (1.0, {"auroc", "balanced_accuracy"}),
    ],
)
def test_what_one_class_alone_leaves_undefined_is_missing_with_the_reason(target: float, missing: set[str]) -> None:
    metrics = binary_metrics(torch.tensor([0.2, 0.7]), torch.full((2,), target))
    assert {name for name, value in metrics.items() if math.isnan(value)} == missing
    assert undefined(metrics).startswith(f"no row is of class {1 - target:.0f}, so ")


def test_where_no_row_is_called_1_precision_and_f1_are_0_as_sklearn_and_torchmetrics_have_them() -> None:
    probability, target = torch.tensor([0.2, 0.3, 0.1]), torch.tensor([1.0, 0.0, 0.0])
    metrics = binary_metrics(probability, target)
    assert metrics["precision"] == metrics["f1"] == metrics["recall"] == 0
    assert float(binary_precision(probability, target)) == float(binary_f1_score(probability, target)) == 0
    assert sk.precision_score(target, probability >= 0.5, zero_division=0) == 0
    assert undefined(metrics) == ""


def test_equal_rows_are_ties_wherever_they_stand(fit: Callable[..., Run]) -> None:
    overrides = ["data=table", f"data.path={TESTS / 'ties.csv'}", "data.target=y", "data.split_seed=2"]
    run = fit(*overrides, "trainer.max_epochs=200")
    rows = build_datamodule(compose_config(*overrides, directory=run.path)).rows("train")
    assert rows is not None
    state = run.checkpoint("best")["state_dict"]
    weight, bias = (np.asarray(each, dtype=np.float64).ravel() for each in state.values())
    features = np.asarray(rows.exact.double())
    distinct, index = np.unique(features, axis=0, return_inverse=True)  # each distinct row has one logit
    logit = (distinct @ weight + bias)[index.ravel()]
    assert len(distinct) < len(features)  # the test is about something
    assert len(np.unique(logit)) == len(np.unique(np.round(logit, 9)))
    assert run.json()["train/auroc"] == pytest.approx(sk.roc_auc_score(rows.target[:, 0], logit), abs=1e-12)


def test_the_ranking_by_the_optimum_of_a_table_of_equal_rows(fit: Callable[..., Run]) -> None:
    overrides = ("data=table", f"data.path={TESTS / 'ties.csv'}", "data.target=y", "data.split_seed=2", "optimizer=newton")
    assert fit(*overrides).json()["train/auroc"] == pytest.approx(0.7150, abs=5e-5)


@pytest.mark.parametrize("model", ["sequential", "logits"])
def test_loss_and_log_loss_are_of_the_logits(fit: Callable[..., Run], model: str, tmp_path: Path) -> None:
    split = ("data.split=column", "data.split_by=part")
    run = fit(
        *("data=table", f"data.path={TESTS / 'logloss.csv'}", "data.target=y", *split, f"model={model}"),
        *("optimizer=newton", "penalty.l2=0"),
    )
    metrics = run.json()
    assert metrics["test/loss"] == pytest.approx(1.392, abs=5e-4)
    assert metrics["test/log_loss"] == pytest.approx(metrics["test/loss"], rel=1e-12)


def test_of_logits_the_log_loss_is_exact_and_finite_where_probabilities_are_0_or_1() -> None:
    logit = torch.tensor([800.0, -3.0, 40.0], dtype=torch.float64)
    metrics = binary_metrics(logit.sigmoid().float(), torch.tensor([0.0, 1.0, 1.0]), logit=logit)
    assert metrics["log_loss"] == pytest.approx((800 + math.log1p(math.exp(3)) + math.exp(-40)) / 3, rel=1e-14)


def test_each_row_has_the_logit_that_it_has_alone() -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(1003, 7, generator=generator)[torch.randint(50, (1003,), generator=generator)]
    for network in (Sequential(7), Logits(7), Tensors(7, 0.3)):
        logit = network.exact_logit(x)
        assert torch.equal(logit, torch.cat([network.exact_logit(row[None]) for row in x]))
        torch.testing.assert_close(logit, x.double() @ network.weight.double() + network.bias.double(), rtol=1e-12, atol=1e-14)


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
