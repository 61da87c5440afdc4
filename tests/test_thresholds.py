"""The chosen thresholds against trying every one of them with scikit-learn's scores."""

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from logitlab.thresholds import best_threshold

EDGES = [0.0, 1e-7, 0.1, 0.25, 0.5, 0.5000001, 0.7, 0.9, 0.99999994, 1.0]


def score(rule: str, target, predicted, weight, false_positive: float, false_negative: float) -> float:
    if rule == "f1":
        return sk.f1_score(target, predicted, sample_weight=weight, zero_division=0)
    if rule == "balanced":
        return sk.balanced_accuracy_score(target, predicted, sample_weight=weight)
    wrong = weight * (target != predicted)
    return -float((wrong * np.where(target == 1, false_negative, false_positive)).sum())


@settings(max_examples=150, deadline=None)
@given(
    rule=st.sampled_from(["f1", "balanced", "cost"]),
    drawn=st.lists(st.tuples(st.sampled_from(EDGES), st.booleans(), st.sampled_from([0.5, 1.0, 3.0])), min_size=2, max_size=15),
    costs=st.tuples(st.sampled_from([0.2, 1.0, 5.0]), st.sampled_from([0.2, 1.0, 5.0])),
)
def test_no_threshold_does_better(rule: str, drawn: list[tuple[float, bool, float]], costs: tuple[float, float]) -> None:
    drawn = [*drawn, (0.5, True, 1.0), (0.25, False, 1.0)]  # both classes
    probability = torch.tensor([p for p, _, _ in drawn])
    target, weight = np.array([int(y) for _, y, _ in drawn]), np.array([w for _, _, w in drawn])
    chosen = best_threshold(rule, probability, torch.tensor(target), torch.tensor(weight), *costs)
    reached = score(rule, target, (probability >= chosen).int().numpy(), weight, *costs)
    every = [*probability.tolist(), 2.0]
    best = max(score(rule, target, (probability >= each).int().numpy(), weight, *costs) for each in every)
    assert reached == pytest.approx(best, abs=1e-12)


def test_the_threshold_lies_in_the_middle_of_the_gap() -> None:
    probability = torch.tensor([0.1, 0.2, 0.6, 0.8])
    assert best_threshold("f1", probability, torch.tensor([0, 0, 1, 1])) == pytest.approx(0.4)


def test_of_equally_good_ones_the_nearest_to_a_half_is_taken() -> None:
    # calling all rows 1, the upper two, or none makes the same balanced accuracy: the middles are 0.025, 0.3 and 0.8
    probability, target = torch.tensor([0.05, 0.10, 0.50, 0.60]), torch.tensor([1, 0, 1, 0])
    assert best_threshold("balanced", probability, target) == pytest.approx(0.3)


def test_it_is_a_number_of_the_probabilities_precision() -> None:
    probability = torch.tensor([0.1, 0.3])
    chosen = best_threshold("f1", probability, torch.tensor([0, 1]))
    assert chosen == float(torch.tensor(chosen, dtype=torch.float32))


def test_neighbouring_floats_are_told_apart() -> None:
    upper = torch.tensor(0.7)
    lower = torch.nextafter(upper, torch.tensor(0.0))
    chosen = best_threshold("f1", torch.stack([lower, upper]), torch.tensor([0, 1]))
    assert (torch.stack([lower, upper]) >= chosen).tolist() == [False, True]


def test_where_a_one_is_never_worth_it_none_is_called() -> None:
    probability = torch.tensor([0.3, 1.0])
    chosen = best_threshold("cost", probability, torch.tensor([1, 0]), None, false_positive=100, false_negative=1)
    assert not (probability >= chosen).any()
