"""How well probabilities fit a target: one class that gathers the rows of a split, and the formulas, each written once.

torchmetrics' own binary metrics know no row weights, so the formulas stand here and `BinaryMetrics` is a torchmetrics Metric:
its states are gathered over batches and devices as those of any other.

Conventions: `probability`, `target` (0 or 1) and `weight` are (rows,); W is the sum of the weights, all 1 where there are none.
A row is of class 1 where probability >= threshold, compared in the probability's own precision.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

CALIBRATION_BINS = 15
SMALLEST_LOG = -100.0
"""log 0, as nn.BCELoss takes it: a probability that is wrong and exactly 0 or 1 costs 100, not infinity."""


class BinaryMetrics(Metric):
    """Every metric of one split.

    The rows are kept until `compute`: 9 bytes a row and exact values, where torchmetrics would offer binned ones.
    """

    full_state_update = False
    higher_is_better = None
    is_differentiable = False

    probability: list[Tensor]
    target: list[Tensor]
    weight: list[Tensor]
    logit: list[Tensor]

    def __init__(
        self, threshold: float = 0.5, base_rate: float | None = None, declared: Mapping[str, Metric] | None = None
    ) -> None:
        """Start with no rows.

        Args:
            threshold: of class 1.
            base_rate: the share of class 1 among the training rows, to compare with; None: among the rows at hand.
            declared: metrics of the config besides, by name.
        """
        super().__init__()
        self.declared = dict(declared or {})
        self.threshold = threshold
        self.base_rate = base_rate
        for state in ("probability", "target", "weight", "logit"):
            self.add_state(state, default=[], dist_reduce_fx="cat")

    def update(self, probability: Tensor, target: Tensor, weight: Tensor | None = None, logit: Tensor | None = None) -> None:
        """Add rows; tensors of any shape with one number a row, the logit of all batches or of none."""
        if logit is not None:
            self.logit.append(logit.detach().flatten())
        self.probability.append(probability.detach().flatten())
        self.target.append(target.detach().flatten().bool())
        self.weight.append(torch.ones_like(self.probability[-1]) if weight is None else weight.detach().flatten())

    def rows(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the probability, target and weight of all rows so far."""
        return dim_zero_cat(self.probability), dim_zero_cat(self.target), dim_zero_cat(self.weight)

    def logits(self) -> Tensor | None:
        """Return the logits of all rows so far; None where none were given."""
        return dim_zero_cat(self.logit) if self.logit else None

    def compute(self) -> dict[str, float]:
        """Return the metrics by name."""
        probability, target, weight = self.rows()
        found = binary_metrics(probability, target, weight, self.threshold, self.base_rate, self.logits())
        return found | declared_values(self.declared, probability, target)


def declared_values(declared: Mapping[str, Metric], probability: Tensor, target: Tensor) -> dict[str, float]:
    """Return the values of torchmetrics' metrics by name; they know no row weights, and have thresholds of their own."""
    for metric in declared.values():
        metric.reset()
        metric.update(probability, target.int())
    return {name: float(metric.compute()) for name, metric in declared.items()}


def is_more_better(metric: Metric) -> bool | None:
    """Return whether more of a metric is better: as its class says, or else as right probabilities and wrong ones show.

    None where neither does.

    Raises:
        RuntimeError, ValueError, TypeError: it makes no single number of probabilities and classes, each (rows,).
    """
    probability, target = torch.tensor([0.1, 0.8, 0.2, 0.9]), torch.tensor([0, 1, 0, 1])
    right = declared_values({"": metric}, probability, target)[""]
    wrong = declared_values({"": metric}, 1 - probability, target)[""]
    metric.reset()
    return metric.higher_is_better if metric.higher_is_better is not None or right == wrong else right > wrong


def binary_metrics(
    probability: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    threshold: float = 0.5,
    base_rate: float | None = None,
    logit: Tensor | None = None,
) -> dict[str, float]:
    """Return every metric by name; NaN where a metric is undefined, which `undefined` has a sentence for.

    AUROC and balanced accuracy need rows of both classes; precision, recall, F1 and average precision need rows of class 1.
    Where there are such and none is called 1, precision and F1 are 0, as scikit-learn and torchmetrics have them.

    `base_log_loss` and `base_accuracy` belong to the model that gives every row the base rate: what has no lower loss than
    that has learnt nothing from the features.

    Args:
        probability: of class 1.
        target: 0 or 1.
        weight: of the rows; None: all 1.
        threshold: of class 1.
        base_rate: share of class 1 among the training rows; None: among these.
        logit: of the rows, float64. The log loss is of it, and the order of the rows by it: beyond 17 a float32 probability
            is 0 or 1. None: both are of the probability.
    """
    predicted = probability >= threshold
    p, y = probability.double(), target.double()
    w = torch.ones_like(p) if weight is None else weight.double()
    total, positive = float(w.sum()), float((w * y).sum())
    share = positive / total
    base = share if base_rate is None else base_rate
    curve = ranking(p if logit is None else logit.double(), y, w)
    return {
        "log_loss": log_loss(p, y, w) if logit is None else log_loss_of_logits(logit.double(), y, w),
        "base_log_loss": log_loss(torch.full_like(p, base), y, w),
        **_class_metrics(*_confusion(predicted, y, w)),
        "base_accuracy": share if base >= 0.5 else 1 - share,
        "auroc": curve.auroc(),
        "average_precision": curve.average_precision(),
        "brier": float((w * (p - y) ** 2).sum()) / total,
        "calibration_error": calibration_error(p, y, w),
        "base_rate": share,
        "threshold": threshold,
        "rows": float(len(p)),
    }


def log_loss(p: Tensor, y: Tensor, w: Tensor) -> float:
    """Return -sum of w (y log p + (1 - y) log(1 - p)) / W."""
    row = y * p.log().clamp_min(SMALLEST_LOG) + (1 - y) * (1 - p).log().clamp_min(SMALLEST_LOG)
    return float(-(w * row).sum() / w.sum())


def log_loss_of_logits(logit: Tensor, y: Tensor, w: Tensor) -> float:
    """Return the same of logits, float64: sum of w log(1 + exp(-+ logit)) / W, finite wherever the logits are."""
    row = torch.nn.functional.softplus(torch.where(y > 0.5, -logit, logit))
    return float((w * row).sum() / w.sum())


def undefined(values: Mapping[str, float]) -> str:
    """Return why metrics of some rows are undefined, in a sentence; "" where none is.

    Args:
        values: of `binary_metrics`.
    """
    missing = [name for name, value in values.items() if value != value]
    if not missing:
        return ""
    only = "no row is of class 1" if values["base_rate"] == 0 else "no row is of class 0"
    return f"{only}, so {', '.join(missing).replace('_', ' ')} {'are' if missing[1:] else 'is'} undefined"


def calibration_error(p: Tensor, y: Tensor, w: Tensor) -> float:
    """Return the calibration error: the mean of |mean y - mean p| over bins of equal width in p, by their weight.

    The one definition of this project, that of torchmetrics: 15 bins (Guo et al. 2017), rows counted by their weights.
    """
    gap = torch.zeros(CALIBRATION_BINS, dtype=p.dtype, device=p.device).index_add_(0, calibration_bins(p), w * (y - p))
    return float(gap.abs().sum() / w.sum())


def calibration_bins(p: Tensor) -> Tensor:
    """Return the bin of each probability, (rows,)."""
    return (p * CALIBRATION_BINS).long().clamp(0, CALIBRATION_BINS - 1)


@dataclass(frozen=True)
class Ranking:
    """What each threshold would make of the rows: those of the highest probability first, equal ones together.

    Attributes:
        probability: the distinct probabilities, or logits, falling, (distinct,).
        true_positives: weight of class 1 among the rows with at least this probability, (distinct,).
        false_positives: weight of class 0 among them, (distinct,).
    """

    probability: Tensor
    true_positives: Tensor
    false_positives: Tensor

    def auroc(self) -> float:
        """Return the area under the receiver operating curve: P(a row of class 1 is above one of class 0), ties half."""
        area = torch.trapezoid(_from_zero(self.true_positives), _from_zero(self.false_positives))
        return _ratio(float(area), float(self.true_positives[-1] * self.false_positives[-1]), math.nan)

    def average_precision(self) -> float:
        """Return the sum of precision times the step in recall, over the distinct probabilities."""
        precision = self.true_positives / (self.true_positives + self.false_positives)
        steps = torch.diff(_from_zero(self.true_positives))
        return _ratio(float((precision.nan_to_num() * steps).sum()), float(self.true_positives[-1]), math.nan)


def ranking(p: Tensor, y: Tensor, w: Tensor) -> Ranking:
    """Return the ranking of the rows by their probability."""
    distinct, index = torch.unique(p, return_inverse=True)
    falling = distinct.flip(0)
    sums = torch.zeros(2, len(distinct), dtype=w.dtype, device=w.device)
    sums[0].index_add_(0, index, w * y)
    sums[1].index_add_(0, index, w * (1 - y))
    cumulated = sums.flip(1).cumsum(1)
    return Ranking(falling, cumulated[0], cumulated[1])


def _confusion(predicted: Tensor, y: Tensor, w: Tensor) -> tuple[float, float, float, float]:
    """Return the weights of true positives, false positives, true negatives and false negatives."""
    hit = w * predicted
    positive, called = float((w * y).sum()), float(hit.sum())
    true_positives = float((hit * y).sum())
    false_positives = called - true_positives
    return true_positives, false_positives, float(w.sum()) - positive - false_positives, positive - true_positives


def _class_metrics(tp: float, fp: float, tn: float, fn: float) -> dict[str, float]:
    """Return what depends on the classes alone."""
    recall, specificity = _ratio(tp, tp + fn, math.nan), _ratio(tn, tn + fp, math.nan)
    nothing = 0.0 if tp + fn else math.nan
    return {
        "accuracy": (tp + tn) / (tp + fp + tn + fn),
        "balanced_accuracy": (recall + specificity) / 2,
        "precision": _ratio(tp, tp + fp, nothing) + nothing,
        "recall": recall,
        "f1": _ratio(2 * tp, 2 * tp + fp + fn, nothing) + nothing,
        "true_positives": tp,
        "false_positives": fp,
        "true_negatives": tn,
        "false_negatives": fn,
    }


def _ratio(part: float, whole: float, otherwise: float) -> float:
    return part / whole if whole else otherwise


def _from_zero(values: Tensor) -> Tensor:
    return torch.nn.functional.pad(values, (1, 0))
