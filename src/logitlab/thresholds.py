"""From which probability on a row is of class 1: a number, or the best on the val rows by a rule."""

import math

import torch
from torch import Tensor

from logitlab.metrics import Ranking, ranking

RULES = ("f1", "balanced", "cost")


def best_threshold(
    rule: str,
    probability: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    false_positive: float = 1.0,
    false_negative: float = 1.0,
) -> float:
    """Return the threshold that does best on these rows; a row is of class 1 where probability >= threshold.

    Every way in which a threshold can part the rows is tried. Of the thresholds that part them alike the middle one is
    taken, of equally good partings the one nearest to 0.5. It is a number of the probabilities' own precision.

    Args:
        rule: "f1" (largest F1), "balanced" (largest balanced accuracy) or "cost" (smallest total cost).
        probability: of class 1, (rows,).
        target: 0 or 1, (rows,).
        weight: of the rows, (rows,); None: all 1.
        false_positive: what it costs to call a row of class 0 a 1.
        false_negative: what it costs to call a row of class 1 a 0.
    """
    w = torch.ones_like(probability, dtype=torch.float64) if weight is None else weight.double()
    curve = ranking(probability.double(), target.double(), w)
    partings = Ranking(  # and the one that calls no row 1
        torch.cat([curve.probability.new_tensor([math.inf]), curve.probability]),
        torch.nn.functional.pad(curve.true_positives, (1, 0)),
        torch.nn.functional.pad(curve.false_positives, (1, 0)),
    )
    score = _score(rule, partings, false_positive, false_negative)
    thresholds = _middles(partings.probability, probability.dtype)
    best = score >= score.max() - 1e-12 * score.max().abs()
    return float(thresholds[best][(thresholds[best] - 0.5).abs().argmin()])


def _score(rule: str, curve: Ranking, false_positive: float, false_negative: float) -> Tensor:
    """Return how good each parting is, (partings,); larger is better."""
    tp, fp = curve.true_positives, curve.false_positives
    positive, negative = tp[-1], fp[-1]
    if rule == "f1":
        return 2 * tp / (tp + fp + positive)
    if rule == "balanced":
        return tp / positive + (negative - fp) / negative
    if rule == "cost":
        return -(false_positive * fp + false_negative * (positive - tp))
    raise ValueError(f"rule={rule} is none of {RULES}")


def _middles(falling: Tensor, dtype: torch.dtype) -> Tensor:
    """Return for each probability the middle between it and the next lower one, as a number of `dtype`.

    Rounding must not let the middle fall onto the lower neighbour, which would be called 1 with it.
    """
    lower = torch.cat([falling[1:], falling.new_zeros(1)])
    upper = falling.clamp_max(1.0)
    middle = ((upper + lower) / 2).to(dtype).double()
    middle = torch.where(middle > lower, middle, falling.clamp_max(1.0))
    above_all = torch.nextafter(falling[1].to(dtype), torch.tensor(2.0, dtype=dtype)).double()
    return torch.cat([torch.maximum(middle[:1], above_all), middle[1:]])
