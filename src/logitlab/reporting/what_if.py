"""The model as plain numbers, so that the page works out probabilities itself: columns, layers, covariance, rows to start from.

`whatif.js` does with them what `Preprocessing` and `Network.scores` do, in float64.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import torch
from torch import Tensor

from logitlab.data.category import Category
from logitlab.data.columns import Column, Date, Number
from logitlab.data.examples import Examples
from logitlab.features import Features
from logitlab.inference.model_file import Model
from logitlab.networks import ACTIVATIONS, MLP, LinearNetwork, Network
from logitlab.statistics.likelihood import Likelihood
from logitlab.statistics.table import parameter_covariance
from logitlab.statistics.wald import quantile

MOST_FEATURES, MOST_WEIGHTS = 300, 20_000
MOST_WITH_INTERVAL = 100
"""Features up to which the covariance, features^2 / 2 numbers, is put into the page."""

IN_THE_PAGE = ("tanh", "relu", "silu", "elu", "sigmoid")
"""Activations that whatif.js has."""

MOST_CELLS = 6_000
MOST_ROWS = 100
SAMPLE = 20_000
"""Training rows, evenly spaced, from which the sliders' ends are taken."""


def what_if(
    model: Model, train: Examples, rows: Examples, places: Sequence[int], statistics: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, str]:
    """Return the model for the page's form, or None and why there is none.

    Args:
        model: the trained model.
        train: the rows that it was trained on.
        rows: to start from, those of which `places` are taken.
        places: their numbers.
        statistics: statistics.json, which says whether the coefficients have errors, and which.
    """
    layers, encoders = _layers(model.network), model.preprocessing.encoders
    features = len(model.preprocessing.feature_names)
    if layers is None:
        return None, f"the page has no formula for {type(model.network).__name__}"
    if features > MOST_FEATURES or sum(len(row) for layer in layers for row in layer["weight"]) > MOST_WEIGHTS:
        return None, f"a form of {features:,} features would fill the page; predict.py and explain.py take rows of any width"
    likelihood = Likelihood(train.exact, train.target, train.weight)
    covariance, why = _covariance(model.network, likelihood, train, statistics)
    own = _own_units(model, train.exact[:: -(-len(train) // SAMPLE)])
    count = max(1, min(MOST_ROWS, MOST_CELLS // len(encoders), len(places)))
    chosen = torch.tensor(list(places)[:count])
    values = columns_of(encoders, _own_units(model, rows.exact[chosen]))
    return {
        "columns": [_column(encoder, part) for encoder, part in zip(encoders, _parts(encoders, own), strict=True)],
        **{name: list(each) for name, each in model.preprocessing.scaling.plain().items()},
        "means": likelihood.means.tolist(),
        "layers": layers,
        "recalibration": list(model.network.recalibration or (1.0, 0.0)),
        "threshold": model.threshold,
        "target": f"{model.labels.name}={model.labels.positive}",
        "classes": list(model.labels.classes),
        "covariance": covariance,
        "why_no_interval": why,
        "rows": [{"at": place, "values": row} for place, row in zip(chosen.tolist(), values, strict=True)],
    }, ""


def columns_of(encoders: Sequence[Column], own: Tensor) -> list[list[Any]]:
    """Return the table's values of rows, by column, from their features in own units (rows, features): null where missing.

    A category that the training rows did not have, or hardly, is "" here; of one that is hashed it is the number of its bucket.
    """
    columns = []
    for encoder, part in zip(encoders, _parts(encoders, own), strict=True):
        if isinstance(encoder, Category):
            table = encoder.table()[:-1]
            codes = torch.cdist(part, table).argmin(1).tolist() if table.shape[1] else [0] * len(part)
            names = [*encoder.levels, *([""] * encoder.rare), *([None] if encoder.missing == "level" else []), ""]
            columns.append([names[code] for code in codes])
            continue
        assert isinstance(encoder, Number | Date)
        missing = (part[:, -1] == 1).tolist() if encoder.indicator else [False] * len(part)
        known = [encoder.fill] * len(part) if encoder.constant else part[:, 0].tolist()
        shown = [None if gone else _shown(encoder, value) for value, gone in zip(known, missing, strict=True)]
        columns.append(shown)
    return [list(row) for row in zip(*columns, strict=True)]


def _shown(encoder: Number | Date, value: float) -> Any:
    if isinstance(encoder, Date):
        return (date.fromisoformat(encoder.origin) + timedelta(days=int(value // 1))).isoformat()
    return float(f"{value:.12g}")


def _column(encoder: Column, own: Tensor) -> dict[str, Any]:
    """Return a column as its encoder holds it, and of a number how its training rows are spread."""
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in encoder.plain().items()}
    if isinstance(encoder, Category) or not own.shape[1]:
        return plain
    values = own[:, 0]
    low, middle, high = torch.quantile(values, torch.tensor([0.01, 0.5, 0.99], dtype=values.dtype)).tolist()
    if low == high:
        low, high = float(values.min()), float(values.max())
    whole = bool((values == values.round()).all())
    return {**plain, "low": low, "high": high, "middle": middle, "whole": whole, "deviation": float(values.std())}


def _parts(encoders: Sequence[Column], own: Tensor) -> tuple[Tensor, ...]:
    return own.split([len(encoder.feature_names) for encoder in encoders], dim=1)


def _own_units(model: Model, exact: Tensor | Features) -> Tensor:
    if isinstance(exact, Features):
        return exact.own_units()
    center, scale = torch.tensor([model.preprocessing.scaling.center, model.preprocessing.scaling.scale], dtype=torch.float64)
    return exact.double() * scale + center


def _layers(network: Network) -> list[dict[str, Any]] | None:
    """Return weight (outputs, inputs), bias (outputs,) and activation of each layer; None where there are no such layers."""

    def layer(weight: Tensor, bias: Tensor, activation: str) -> dict[str, Any]:
        return {"weight": weight.detach().double().tolist(), "bias": bias.detach().double().tolist(), "activation": activation}

    if isinstance(network, LinearNetwork):
        return [layer(network.weight[None], network.bias[None], "identity")]
    if isinstance(network, MLP):
        hidden, output = network.hidden, network.output
        name = next(name for name, kind in ACTIVATIONS.items() if type(network.activation) is kind)
        if name in IN_THE_PAGE:
            return [layer(hidden.weight, hidden.bias, name), layer(output.weight, output.bias, "identity")]
    return None


def _covariance(
    network: Network, likelihood: Likelihood, train: Examples, statistics: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, str]:
    """Return the covariance of weights and bias, its lower triangle row by row, and the quantile; or why there is none."""
    if not isinstance(network, LinearNetwork):
        return None, "only the coefficients of a line have a covariance"
    why = statistics.get("why_no_errors") if statistics else "the run has no statistics.json"
    if why or any(not note.startswith("aliased") for note in statistics.get("notes", {}).values()):
        return None, str(why or "some coefficients are infinite")
    if likelihood.parameters > MOST_WITH_INTERVAL + 1:
        return None, f"the covariance of {likelihood.parameters:,} coefficients would fill the page"
    theta = torch.cat([network.weight.detach(), network.bias.detach()[None]]).double()
    kind, level = statistics["errors"], statistics["level"]
    firth = bool(statistics.get("firth"))
    matrix = parameter_covariance(likelihood, theta, kind, train.cluster, train.sampling, firth)
    degrees = len(torch.unique(train.cluster)) - 1 if kind == "cluster" and train.cluster is not None else None
    rows, columns = torch.tril_indices(*matrix.shape)
    return {"lower": matrix[rows, columns].tolist(), "quantile": quantile(level, degrees), "level": level}, ""
