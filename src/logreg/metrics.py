"""The torchmetrics that val and test rows are judged by."""

from torchmetrics import MetricCollection
from torchmetrics.classification import BinaryAccuracy


def binary_metrics(split: str) -> MetricCollection:
    """Return the metrics of one split, named `val/accuracy` and so on.

    They take the class (0 or 1) and the target: the module applies its own threshold, probability >= threshold, which
    torchmetrics would read as >.
    """
    return MetricCollection({"accuracy": BinaryAccuracy()}, prefix=f"{split}/")
