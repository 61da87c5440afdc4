"""A run's model with its rows, and the training of one or two features frame by frame."""

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
from logitlab.networks import LinearNetwork
from logitlab.plots import surface
from logitlab.plots.names import short
from logitlab.plots.surface import Array
from logitlab.reporting.evaluation import rounded
from logitlab.reporting.record import Record
from logitlab.runs import resume
from logitlab.runs.checkpoint_file import load
from logitlab.runs.run_directory import CHECKPOINTS

FRAMES = 160
MOST_POINTS = 400
GRID = 49
FIELD = 61
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
        "weights": [rounded(row) for row in path.tolist()],
        "losses": rounded(np.array([_loss(x, y, row) for row in path]).tolist()),
        "names": [short(name) for name in names],
        "target": short(trained.datamodule.target_name),
        "threshold": trained.threshold,
        "x": x[chosen].tolist(),
        "y": y[chosen].astype(int).tolist(),
        "surface": _surface(x, y, path, [short(name) for name in names]),
    }


def field(trained: Trained) -> dict[str, Any] | None:
    """Return the probability over two features of a network that is not linear, and the training rows; None of others."""
    if isinstance(trained.model.network, LinearNetwork) or len(trained.datamodule.feature_names) != 2:
        return None
    x, y = points(trained)
    chosen = np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).astype(int)
    margin = 0.15 * (x.max(0) - x.min(0))
    across, up = (np.linspace(low, high, FIELD) for low, high in zip(x.min(0) - margin, x.max(0) + margin, strict=True))
    grid = np.stack([each.ravel() for each in np.meshgrid(across, up)], axis=1)
    scaling = trained.datamodule.preprocessing.scaling
    probability, _ = trained.model.network.scores(scaling.transform(torch.from_numpy(grid)))
    return {
        "names": [short(name) for name in trained.datamodule.feature_names],
        "target": short(trained.datamodule.target_name),
        "threshold": trained.threshold,
        "across": rounded(across.tolist()),
        "up": rounded(up.tolist()),
        "probability": [round(each, 3) for each in probability.tolist()],
        "x": x[chosen].tolist(),
        "y": y[chosen].astype(int).tolist(),
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
    return {**{name: rounded(part.tolist()) for name, part in parts.items()}, "names": titles}
