"""The numbers behind the moving parts of a report: the training frame by frame, and the counts at every threshold."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from logitlab import recorded
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.description import check_same_data
from logitlab.data.examples import Examples
from logitlab.data.loaders import as_ours
from logitlab.inference.model_file import load_model
from logitlab.metrics import ranking
from logitlab.plots import surface
from logitlab.plots.names import short
from logitlab.plots.surface import Array
from logitlab.reporting.record import Record
from logitlab.runs import resume
from logitlab.runs.checkpoint_file import load
from logitlab.runs.run_directory import CHECKPOINTS

FRAMES = 160
MOST_POINTS = 400
MOST_ON_ROC = 500
GRID = 49
JUDGED = ("test", "val", "train")


class Trained:
    """A run's model with its rows: the rows from their source anew, the model from the checkpoint alone."""

    def __init__(self, record: Record, data: Mapping[str, Any], seed: int) -> None:
        """Build the data and load the model.

        Args:
            record: of the run.
            data: the part of its config, with the user's own `_target_`s.
            seed: of the run.

        Raises:
            UserError: one of them is not what it should be, or the data have changed since, or are gone.
        """
        self.datamodule: InMemoryDataModule = as_ours(recorded.build(data, seed=seed), data["_target_"])
        noted = resume.rows_of(load(record.path / CHECKPOINTS / "last.ckpt"), record.path)
        check_same_data(noted, self.datamodule.description, "this run", "Put back the table that it was trained on.")
        self.model = load_model(record.path)
        self.threshold = self.model.threshold

    def evaluation_rows(self) -> tuple[str, Examples]:
        """Return the rows that the result is shown on, and of which split they are: test, or else val, or else train."""
        pairs = ((split, self.datamodule.rows(split)) for split in JUDGED)
        return next((split, rows) for split, rows in pairs if rows is not None and len(rows))

    def scores(self, rows: Examples) -> tuple[Tensor, Tensor, Tensor]:
        """Return probability, target and logit, (rows,) each."""
        probability, logit = self.model.network.scores(rows.exact)
        return probability, rows.target[:, 0], logit


def thresholds(probability: Tensor, target: Tensor, chosen: float, logit: Tensor | None = None) -> dict[str, Any] | None:
    """Return what each of a thousand thresholds makes of the rows, and the ROC curve; None where all rows are of one class.

    Args:
        probability: of class 1, (rows,).
        target: 0 or 1, (rows,).
        chosen: the model's own threshold, one of those in the answer.
        logit: of the rows, by which the ROC curve ranks them; None: by the probability.
    """
    p, y = probability.double(), target.double()
    if not 0 < float(y.sum()) < len(y):
        return None
    cuts = sorted({*(round(step / 1000, 3) for step in range(1001)), chosen})
    ranked = {each: probability[y == each].sort().values for each in (0, 1)}
    at = torch.tensor(cuts, dtype=probability.dtype)
    below = {each: torch.searchsorted(ranked[each], at) for each in (0, 1)}  # rows with probability < cut
    curve = ranking(p if logit is None else logit, y, torch.ones_like(p))
    every = max(1, -(-len(curve.probability) // MOST_ON_ROC))
    places = sorted({*range(0, len(curve.probability), every), len(curve.probability) - 1})
    return {
        "cuts": cuts,
        "start": cuts.index(chosen),
        "tp": (len(ranked[1]) - below[1]).tolist(),
        "fp": (len(ranked[0]) - below[0]).tolist(),
        "positives": len(ranked[1]),
        "negatives": len(ranked[0]),
        "auroc": curve.auroc(),
        "roc": [
            [0.0, *_rounded((curve.false_positives / curve.false_positives[-1])[places].tolist())],
            [0.0, *_rounded((curve.true_positives / curve.true_positives[-1])[places].tolist())],
        ],
    }


def frames(record: Record, trained: Trained) -> dict[str, Any] | None:
    """Return the training of a model with one or two features, frame by frame; None where its weights were not logged."""
    names = list(trained.datamodule.feature_names)
    tags = [*(f"weight/{name}" for name in names), "bias"]
    if len(names) > 2 or any(tag not in record.curves for tag in tags):
        return None
    steps = record.curves["bias"][0]
    places = frame_places(len(steps))
    path = np.array([np.array(record.curves[tag][1])[places] for tag in tags]).T
    x, y = points(trained)
    chosen = np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).astype(int)
    return {
        "steps": [steps[place] for place in places],
        "weights": [_rounded(row) for row in path.tolist()],
        "losses": _rounded(np.array([_loss(x, y, row) for row in path]).tolist()),
        "names": [short(name) for name in names],
        "target": short(trained.datamodule.target_name),
        "threshold": trained.threshold,
        "x": x[chosen].tolist(),
        "y": y[chosen].astype(int).tolist(),
        "surface": _surface(x, y, path, [short(name) for name in names]),
    }


def frame_places(count: int) -> list[int]:
    """Return which of `count` points become frames: the first ones all, then ever fewer, and the last."""
    if count <= FRAMES:
        return list(range(count))
    return sorted({0, *np.geomspace(1, count - 1, FRAMES).round().astype(int).tolist(), *range(20), count - 1})


def points(trained: Trained) -> tuple[Array, Array]:
    """Return the training rows in their own units, (rows, features), and their classes, (rows,)."""
    examples, scaling = trained.datamodule.examples, trained.datamodule.preprocessing.scaling
    x = examples.exact.double().numpy() * np.asarray(scaling.scale) + np.asarray(scaling.center)
    return np.round(x, 6), examples.target[:, 0].double().numpy()


def _loss(x: Array, y: Array, parameters: Array) -> float:
    logit = x @ parameters[:-1] + parameters[-1]
    return float(surface.cross_entropy(logit, y).mean())


def _surface(x: Array, y: Array, path: Array, names: list[str]) -> dict[str, Any] | None:
    """Return the loss over both weights with the bias at its best, or of one feature over weight and bias."""
    if not 0 < y.sum() < len(y):
        return None
    few, classes = surface.evenly(x, y)
    first, second = surface.axis(path[:, 0], GRID), surface.axis(path[:, 1], GRID)
    if len(names) == 2:
        where = surface.plane(few, path[-1, :2], float(path[-1, 2]), names)
        values = surface.loss_on(where, few, classes, first, second)
        titles = [*where.names, "the bias at its best"]
    else:
        logit = first[None, :, None] * few[:, 0] + second[:, None, None]
        values = surface.cross_entropy(logit, classes).mean(-1)
        titles = [f"weight of {names[0]}", "bias", ""]
    parts = {"x": first, "y": second, "loss": values.flatten()}
    return {**{name: _rounded(part.tolist()) for name, part in parts.items()}, "names": titles}


def _rounded(values: list[float]) -> list[float]:
    """Return numbers of six digits: a page is read, not computed with."""
    return [float(f"{value:.6g}") for value in values]
