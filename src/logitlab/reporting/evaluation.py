"""What follows from the rows that a run is evaluated on: thresholds, calibration, groups of rows, the worst predictions."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from logitlab.data.category import Category
from logitlab.data.columns import Column
from logitlab.data.examples import Examples
from logitlab.data.preprocessing import Preprocessing
from logitlab.features import Features
from logitlab.metrics import binary_metrics, ranking
from logitlab.statistics.calibration import bin_edges, reliability

MOST_ON_CURVE = 500
BINS = 25
MOST_WORST = 20
MOST_SLICED = 12
MOST_GROUPS = 12
MOST_VALUES = 2**26
"""Of the features that groups are made of: half a GiB."""

SLICE_METRICS = ("log_loss", "accuracy", "auroc", "base_rate")


def thresholds(probability: Tensor, target: Tensor, chosen: float, logit: Tensor | None = None) -> dict[str, Any] | None:
    """Return what each of a thousand thresholds makes of the rows, and both curves; None where all rows are of one class.

    Args:
        probability: of class 1, (rows,).
        target: 0 or 1, (rows,).
        chosen: the model's own threshold, one of those in the answer.
        logit: of the rows, by which the curves rank them; None: by the probability.
    """
    p, y = probability.double(), target.double()
    if not 0 < float(y.sum()) < len(y):
        return None
    cuts = sorted({*(round(step / 1000, 3) for step in range(1001)), chosen})
    ranked = {each: probability[y == each].sort().values for each in (0, 1)}
    at = torch.tensor(cuts, dtype=probability.dtype)
    below = {each: torch.searchsorted(ranked[each], at) for each in (0, 1)}  # rows with probability < cut
    curve = ranking(p if logit is None else logit, y, torch.ones_like(p))
    every = max(1, -(-len(curve.probability) // MOST_ON_CURVE))
    places = sorted({*range(0, len(curve.probability), every), len(curve.probability) - 1})
    tp, fp = curve.true_positives, curve.false_positives
    recall = rounded((tp / tp[-1])[places])
    bins = reliability(p, y, bin_edges(p, 10))
    return {
        "cuts": cuts,
        "start": cuts.index(chosen),
        "tp": (len(ranked[1]) - below[1]).tolist(),
        "fp": (len(ranked[0]) - below[0]).tolist(),
        "positives": len(ranked[1]),
        "negatives": len(ranked[0]),
        "auroc": curve.auroc(),
        "average_precision": curve.average_precision(),
        "roc": [[0.0, *rounded((fp / fp[-1])[places])], [0.0, *recall]],
        "precision_recall": [recall, rounded((tp / (tp + fp))[places])],
        "histogram": [torch.histc(ranked[each].double(), BINS, 0, 1).tolist() for each in (0, 1)],
        "reliability": {
            **{name: rounded(getattr(bins, name)) for name in ("probability", "observed", "observed_low", "observed_high")},
            "count": bins.count.tolist(),
        },
    }


def worst(probability: Tensor, target: Tensor, logit: Tensor, numbers: Sequence[int] | None) -> list[dict[str, Any]]:
    """Return the rows of the greatest loss that are on the wrong side of one half, the worst first.

    Args:
        probability: of class 1, (rows,).
        target: 0 or 1, (rows,).
        logit: of the rows, by which they are ranked, (rows,).
        numbers: of the rows in their file; None: counted from 1.
    """
    loss = torch.nn.functional.softplus(torch.where(target > 0, -logit, logit))
    found = loss.argsort(descending=True, stable=True)[:MOST_WORST].tolist()
    return [
        {
            "at": place,
            "row": numbers[place] if numbers is not None else place + 1,
            "target": int(target[place]),
            "probability": float(probability[place]),
            "loss": float(loss[place]),
        }
        for place in found
        if loss[place] > torch.log(torch.tensor(2.0))
    ]


def slices(
    preprocessing: Preprocessing, rows: Examples, scores: tuple[Tensor, Tensor], threshold: float, order: Sequence[str]
) -> list[dict[str, Any]]:
    """Return, for some columns, the metrics of each group of rows: of a category's levels, of a number's quarters.

    Args:
        preprocessing: what made the features.
        rows: those that the run is judged by.
        scores: their probability and logit, (rows,) each.
        threshold: of class 1.
        order: names of columns; the first `MOST_SLICED` of them are shown, but for those that would take too much memory.
    """
    columns = {encoder.name: (encoder, places) for encoder, places in preprocessing.groups()}
    wanted: list[tuple[Column, range]] = []
    room = MOST_VALUES // max(len(rows), len(preprocessing.scaling.center))
    for encoder, places in (columns[name] for name in order):
        if len(places) <= room and len(wanted) < MOST_SLICED:
            wanted.append((encoder, places))
            room -= len(places)
    chosen = [place for _, each in wanted for place in each]
    if not chosen:
        return []
    scaling = preprocessing.scaling
    scale, center = torch.tensor([scaling.scale, scaling.center], dtype=torch.float64)[:, chosen]
    own = Features.plain(rows.exact).columns(chosen) * scale + center
    found = []
    for (encoder, _), part in zip(wanted, own.split([len(each) for _, each in wanted], dim=1), strict=True):
        groups = [
            {"group": label, "rows": int(inside.sum()), **_metrics(scores, rows, inside, threshold)}
            for label, inside in _groups(encoder, part)
            if inside.any()
        ]
        if len(groups) > 1:
            found.append({"column": encoder.name, "groups": groups})
    return found


def _groups(encoder: Column, own: Tensor) -> list[tuple[str, Tensor]]:
    """Return name and rows, (rows,) of booleans, of each group of a column's features in own units, (rows, features)."""
    if isinstance(encoder, Category):
        first = own.sum(1) == 0
        on = [(name.removeprefix(f"{encoder.name}="), own[:, place] == 1) for place, name in enumerate(encoder.feature_names)]
        on.sort(key=lambda each: -int(each[1].sum()))
        return [*([(encoder.levels[0], first)] if encoder.levels else []), *on][:MOST_GROUPS]
    value = own[:, 0].contiguous()
    missing = own[:, -1] == 1 if len(encoder.feature_names) > 1 else torch.zeros(len(own), dtype=torch.bool)
    distinct = value[~missing].unique()
    if len(distinct) <= 4:
        groups = [(f"{each:.6g}", (value == each) & ~missing) for each in distinct.tolist()]
    else:
        edges = torch.quantile(value[~missing][:: -(-len(value) // 1_000_000)], torch.linspace(0, 1, 5).double()).unique()
        inner = edges[1:-1]
        quarter = torch.bucketize(value, inner)
        ends = ["", *(f"{each:.4g}" for each in inner.tolist()), ""]
        groups = []
        for place in range(len(inner) + 1):
            low, high = ends[place], ends[place + 1]
            words = f"above {low} up to {high}" if low and high else f"up to {high}" if high else f"above {low}"
            groups.append((words, (quarter == place) & ~missing))
    return [*groups, ("missing", missing)]


def _metrics(scores: tuple[Tensor, Tensor], rows: Examples, inside: Tensor, threshold: float) -> dict[str, Any]:
    probability, logit = (each[inside] for each in scores)
    weight = None if rows.weight is None else rows.weight[inside, 0]
    metrics = binary_metrics(probability, rows.target[inside, 0], weight, threshold, logit=logit)
    known = {name: metrics[name] if metrics[name] == metrics[name] else None for name in SLICE_METRICS}
    w = torch.ones(len(logit)).double() if weight is None else weight.double()
    return {**known, "mean_probability": float((w * probability.double()).sum() / w.sum())}


def rounded(values: Tensor | Sequence[float]) -> list[float]:
    """Return numbers of six digits: a page is read, not computed with."""
    return [float(f"{value:.6g}") for value in torch.as_tensor(values).tolist()]
