"""Which pictures a result gets: from tensors to the drawing functions in plots/. Imported only where pictures are wanted."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from logitlab.data.examples import Examples
from logitlab.data.scaling import Scaling
from logitlab.metrics import ranking
from logitlab.networks import LinearNetwork, Network
from logitlab.paths import written
from logitlab.plots import coefficients, scores
from logitlab.plots.names import short
from logitlab.plots.paths import penalty_path
from logitlab.plots.surface import Array
from logitlab.plots.training import probability_field
from logitlab.runs.small_files import DamagedFileError, read_csv
from logitlab.statistics.calibration import bin_edges, reliability

MOST_ROWS = 2_000
"""Rows in a probability field; of more, as many evenly spaced."""


def of_scores(
    probability: Tensor, target: Tensor, threshold: float, target_name: str, weight: Tensor | None = None
) -> dict[str, Figure]:
    """Return the pictures of how probabilities and classes agree; none where all rows are of one class.

    Args:
        probability: of class 1, (rows,).
        target: 0 or 1, (rows,).
        threshold: a row is of class 1 where probability >= threshold.
        target_name: what class 1 means.
        weight: of the rows, (rows,), for the curves and bins; None: all 1. Counts are of rows.
    """
    called = probability >= threshold  # in the probabilities' own precision, as everywhere
    p, y = probability.double(), target.double()
    w = torch.ones_like(p) if weight is None else weight.double()
    if not 0 < float(y.sum()) < len(y):
        return {}
    curve = ranking(p, y, w)
    tp, fp = curve.true_positives, curve.false_positives
    chosen_tp, chosen_fp = float((w * y * called).sum()), float((w * (1 - y) * called).sum())
    fpr, tpr = chosen_fp / float(fp[-1]), chosen_tp / float(tp[-1])
    precision = chosen_tp / (chosen_tp + chosen_fp) if chosen_tp + chosen_fp else 1.0
    bins = reliability(p, y, bin_edges(p, 10), weight)
    counts = [[int(((y == true) & (called == predicted)).sum()) for predicted in (0, 1)] for true in (0, 1)]
    return {
        "roc": scores.roc(np.append(0, fp / fp[-1]), np.append(0, tp / tp[-1]), (fpr, tpr), threshold),
        "precision_recall": scores.precision_recall(
            (tp / tp[-1]).numpy(), (tp / (tp + fp)).numpy(), (tpr, precision), threshold, float((w * y).sum() / w.sum())
        ),
        "reliability": scores.reliability(
            *(each.numpy() for each in (bins.probability, bins.observed, bins.observed_low, bins.observed_high, bins.count))
        ),
        "confusion_matrix": scores.confusion_matrix(counts, threshold, short(target_name)),
        "score_distribution": scores.score_distribution(p.numpy(), y.numpy(), threshold),
    }


def of_network(network: Network, rows: Examples, scaling: Scaling, threshold: float) -> dict[str, Figure]:
    """Return the probability field of a network of two features that is not linear; a linear one has coefficients to draw."""
    if isinstance(network, LinearNetwork) or len(rows.feature_names) != 2:
        return {}
    center, scale = torch.tensor([scaling.center, scaling.scale], dtype=torch.float64)
    every = -(-len(rows) // MOST_ROWS)

    def logit(points: Array) -> Array:
        return network.scores((torch.from_numpy(points) - center) / scale)[1].numpy()

    features = (rows.exact[::every].double() * scale + center).numpy()
    names = [short(name) for name in rows.feature_names]
    what: dict[str, Any] = {"names": names, "target_name": short(rows.target_name), "threshold": threshold}
    title = "Probability field and decision boundary"
    return {"probability_field": probability_field(features, rows.target[::every, 0].numpy(), logit, title=title, **what)}


def of_path(run: Path) -> dict[str, Figure]:
    """Return the picture of the path along which the penalty was chosen; none where it was not, or a file is damaged."""
    try:
        path = written.read(run)
    except (DamagedFileError, ValueError, LookupError):  # who shows the pictures tells of the files
        return {}
    if path is None:
        return {}
    chosen = {name: path.strength[place] for name, place in path.chosen.items()}
    names, values = list(path.coefficients), np.array(list(path.coefficients.values())).reshape(len(path.coefficients), -1).T
    return {"penalty_path": penalty_path(path.strength, path.loss, path.error, chosen, names, values, path.what)}


def of_coefficients(table: Path) -> dict[str, Figure]:
    """Return the pictures of a coefficients.csv; none where there is no such file, or a damaged one."""
    try:
        rows = [row for row in read_csv(table, ("name", "estimate")) or () if row["name"] != "bias"]
    except DamagedFileError:  # who shows the pictures tells of the file
        return {}
    rows = [row for row in rows if np.isfinite(_number(row.get("estimate")))]  # what is aliased or infinite has none
    names = [row["name"] for row in rows]

    def column(name: str) -> Array | None:
        values = np.array([_number(row.get(name)) for row in rows])
        return None if not len(values) or np.isnan(values).all() else values

    estimate = column("estimate")
    if estimate is None:
        return {}
    pictures = {"coefficients": coefficients.coefficients(names, estimate, column("ci_low"), column("ci_high"))}
    if float(np.abs(estimate).max()) < 300:  # beyond, an odds ratio is no number to draw
        ends = [column(name) for name in ("odds_ratio_low", "odds_ratio_high")]
        pictures["odds_ratios"] = coefficients.odds_ratios(names, np.exp(estimate), *ends)
    return pictures


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")
