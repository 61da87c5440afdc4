"""What a trained model says, in sentences, and what each column adds to the logit of a row.

It is put together from the checkpoint and, for intervals and averages, from coefficients.csv and statistics.json beside it:
a run directory can be moved, and where the files are missing or belong to other weights the sentences go without intervals.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from logitlab.data.category import Category
from logitlab.data.columns import Column, Date, Number
from logitlab.inference.model_file import Model
from logitlab.networks import LinearNetwork
from logitlab.number_format import apart, number, odds_ratio
from logitlab.runs.small_files import DamagedFileError, read_csv, read_json
from logitlab.statistics.steps import step_of

if TYPE_CHECKING:
    import polars as pl

MOST_SAID = 20
"""Sentences about the features of one column, where it has more than MOST_FEATURES."""
MOST_FEATURES = 200

SAME = 1e-4
"""Coefficients in the file that differ by more from the checkpoint's, relatively, belong to other weights."""


@dataclass(frozen=True)
class Coefficient:
    """One coefficient in the table's own units; NaN where nothing is known. `effect` is on the probability, of one `step`.

    `note` says why it has no number in the table of coefficients, if so.
    """

    name: str
    estimate: float
    low: float = math.nan
    high: float = math.nan
    step: float = math.nan
    effect: float = math.nan
    mean: float = math.nan
    indicator: bool = False
    note: str = ""


@dataclass(frozen=True)
class Knowledge:
    """What is known of a model's coefficients.

    Attributes:
        features: a coefficient for each feature.
        bias: the logit where every feature is 0.
        level: of the intervals.
        note: why there are no intervals, as a sentence; "" where there are.
        collinear: "x3 = 2 x1", ...: columns whose coefficients cannot be told apart.
        products: columns that are the product of others in every row, with these: they move together.
    """

    features: tuple[Coefficient, ...]
    bias: float
    level: float
    note: str
    collinear: tuple[str, ...] = ()
    products: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def has_averages(self) -> bool:
        """The training average of every feature is known."""
        return all(math.isfinite(each.mean) for each in self.features)


@dataclass(frozen=True)
class Part:
    """What a column of a row adds to the logit."""

    column: str
    value: str
    logit: float


def knowledge(model: Model, directory: Path) -> Knowledge:
    """Return what is known of the model's coefficients, from itself and from the files of its run directory."""
    network = model.network
    assert isinstance(network, LinearNetwork)
    with torch.no_grad():
        weight, bias = model.preprocessing.in_own_units(network.weight, network.bias)
    own = list(zip(model.preprocessing.feature_names, weight.tolist(), strict=True))
    bare = Knowledge(tuple(Coefficient(*each) for each in own), bias.item(), 0.95, "No intervals: ")
    try:
        *rows, _ = read_csv(directory / "coefficients.csv") or []  # the last is the bias
        statistics = read_json(directory / "statistics.json", dict) or {}
        is_aliased = any((row.get("note") or "").startswith("aliased") for row in rows)  # then other weights give the same
        read = tuple(_coefficient(name, estimate, row) for (name, estimate), row in zip(own, rows, strict=True))
        same = all(
            row["name"] == name and (is_aliased or _is_same(row, value)) for (name, value), row in zip(own, rows, strict=True)
        )
        level, why = float(statistics["level"]), str(statistics["why_no_errors"] or "")
        collinear = tuple(str(each) for each in statistics.get("collinear", ()))
        products = {str(name): tuple(map(str, factors)) for name, factors in dict(statistics.get("products", {})).items()}
    except DamagedFileError as error:
        return _without(bare, str(error))
    except (KeyError, ValueError, TypeError):
        return _without(bare, "the run directory has no coefficients.csv and statistics.json of this model.")
    if not same:
        return _without(bare, "coefficients.csv belongs to other weights than this checkpoint.")
    return Knowledge(read, bias.item(), level, f"No intervals: {why}." if why else "", collinear, products)


def _is_same(row: dict[str, str], value: float) -> bool:
    """Return whether a row of coefficients.csv is of this coefficient; one that is not finite there is some number here."""
    return bool(row.get("note")) or math.isclose(float(row["estimate"]), value, rel_tol=SAME, abs_tol=1e-6)


def _without(bare: Knowledge, why: str) -> Knowledge:
    return Knowledge(bare.features, bare.bias, bare.level, bare.note + why)


def _coefficient(name: str, estimate: float, row: dict[str, str]) -> Coefficient:
    columns = {"low": "ci_low", "high": "ci_high", "step": "step", "effect": "step_effect", "mean": "mean"}
    numbers = {key: float(row[column] or "nan") for key, column in columns.items()}
    return Coefficient(name, estimate, **numbers, indicator=row["indicator"] == "1", note=row.get("note") or "")


def sentences(model: Model, known: Knowledge) -> Iterator[str]:
    """Yield what the model says: a sentence for each feature, in the table's order, and some on the whole."""
    odds = f"the odds of {model.labels.name}={model.labels.positive}"
    if known.note:
        yield known.note
    yield (
        "Each sentence is about one column, the other columns held fixed; what it does to the probability is an average over"
        " the training rows."
    )
    features = iter(zip(known.features, model.preprocessing.scaling.scale, strict=True))
    for encoder in model.preprocessing.encoders:
        mine = list(itertools.islice(features, encoder.width))
        said = list(range(encoder.width))
        if encoder.width > MOST_FEATURES:
            said = sorted(said, key=lambda position: -abs(mine[position][0].estimate))[:MOST_SAID]
            yield (
                f"Of the {encoder.width:,} features of {encoder.name} these {MOST_SAID} move the odds most; all are in"
                " coefficients.csv."
            )
        for position in said:
            coefficient, scale = mine[position]
            if any(coefficient.name in (name, *factors) for name, factors in known.products.items()):
                yield _together(encoder, coefficient, known.products, odds)
            else:
                yield _sentence(encoder, position, coefficient, scale, odds, known.level)
    for combination in known.collinear:
        yield f"In the training rows {combination}: no table of such rows can tell these coefficients apart."
    if known.has_averages:
        logit = known.bias + sum(each.estimate * each.mean for each in known.features)
        yield (
            f"With every column at its training average the probability of {model.labels.name}={model.labels.positive} is"
            f" {_probability(model, logit):.3g}."
        )
    if model.network.recalibration:
        slope, intercept = model.network.recalibration
        yield (
            f"Probabilities are given after a recalibration, logit -> {slope:.4g} * logit {_signed(intercept)}; the odds above"
            " are those before it."
        )


def _sentence(encoder: Column, position: int, coefficient: Coefficient, scale: float, odds: str, level: float) -> str:
    """Return what one feature says."""
    if coefficient.note:
        return f"{coefficient.name} has no coefficient that could be told ({coefficient.note})."
    if coefficient.estimate == 0:
        return f"{coefficient.name} has no influence: its coefficient is exactly 0."
    compared = _compared(encoder, position, coefficient)
    step = 1.0 if compared else coefficient.step if 0 < coefficient.step < math.inf else step_of(coefficient.estimate, scale)
    times = _times(coefficient, step, level)
    if compared:
        where, other = compared
        text = f"Where {where}, {odds} are {times} times those {other}"
    else:
        text = f"Each further {_unit(encoder, step)} multiplies {odds} by {times}"
    if math.isfinite(coefficient.effect):
        text += f"; on average it {_moves(coefficient.effect)}"
    if coefficient.low < 0 < coefficient.high:
        text += ". Whether it raises or lowers them these rows do not settle"
    return text + "."


def _compared(encoder: Column, position: int, coefficient: Coefficient) -> tuple[str, str] | None:
    """Return where a feature is on and what that is compared with; None for a feature that is a number."""
    if isinstance(encoder, Category):
        mark = "" if encoder.buckets is None else "in the bucket "
        reference = f"where it is {mark}{encoder.levels[0]}"
        missing = encoder.missing == "level" and position == len(encoder.feature_names) - 1
        level = "missing" if missing else f"{mark}{[*encoder.levels, 'rare'][position + 1]}"
        return (f"{encoder.name} is {level}", reference)
    assert isinstance(encoder, Number | Date)
    if encoder.indicator and position == len(encoder.feature_names) - 1:
        return (f"{encoder.name} is missing", f"of a row with the {'only' if encoder.constant else 'average'} value")
    if isinstance(encoder, Number) and coefficient.indicator:
        return (f"{encoder.name} is 1", "where it is 0")
    return None


def _together(encoder: Column, coefficient: Coefficient, products: Mapping[str, tuple[str, ...]], odds: str) -> str:
    """Return what is known of a column that moves with others: one sentence for a column and all products that hold it."""
    name = coefficient.name
    if name in products:
        factors = products[name]
        return f"{name} is {' times '.join(factors)}: it moves with {_listed(list(dict.fromkeys(factors)))}, and is told there."
    moving = _listed([product for product, factors in products.items() if name in factors])
    if coefficient.indicator:
        text = f"{name} at 1 instead of 0, with {moving} moving along,"
    else:
        text = f"Each further {_unit(encoder, coefficient.step)}, with {moving} moving along,"
    effect = f" on average {_moves(coefficient.effect)}" if math.isfinite(coefficient.effect) else ""
    return f"{text}{effect}; by how much it multiplies {odds} is another number in every row."


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _moves(effect: float) -> str:
    return f"{'raises' if effect > 0 else 'lowers'} the probability by {number(abs(effect))}"


def _unit(encoder: Column, step: float) -> str:
    if step > 0 and step != 10.0 ** round(math.log10(step)):
        return f"{step:.3g} of {encoder.name} (its standard deviation)"
    if isinstance(encoder, Date):
        return f"day of {encoder.name}" if step == 1 else f"{step:,.6g} days of {encoder.name}"
    return f"unit of {encoder.name}" if step == 1 else f"{step:,.6g} of {encoder.name}"


def _times(coefficient: Coefficient, step: float, level: float) -> str:
    """Return the odds ratio of a step, with its interval where there is one, in digits that tell all three apart."""
    ends = (coefficient.low, coefficient.high)
    ratio, low, high = apart([odds_ratio(value * step) for value in (coefficient.estimate, *ends)])
    return ratio if math.isnan(coefficient.low) else f"{ratio} ({level * 100:.6g} % interval {low} to {high})"


def contributions(model: Model, known: Knowledge, frame: "pl.DataFrame", average: bool) -> tuple[float, list[Part]]:
    """Return the logit to start from and what each column of a row adds to it, the largest part first.

    Args:
        model: the model.
        known: of its coefficients.
        frame: the row, a table of one row.
        average: start from the logit of the average training row; otherwise from that of a row of zeros, the bias.

    A category that the training rows did not have is called new: it adds what the average row has there.
    """
    own = model.preprocessing.own_units(frame)[0].tolist()
    start = known.bias + (sum(each.estimate * each.mean for each in known.features) if average else 0.0)
    features = iter(zip(known.features, own, strict=True))
    parts = []
    for encoder in model.preprocessing.encoders:
        mine = [next(features) for _ in encoder.feature_names]
        logit = sum(each.estimate * (value - (each.mean if average else 0.0)) for each, value in mine)
        new = isinstance(encoder, Category) and len(encoder.unseen(frame[encoder.name]))
        parts.append(Part(encoder.name, _value(frame[encoder.name][0]) + (" (new)" if new else ""), logit))
    return start, sorted(parts, key=lambda part: -abs(part.logit))


def row_lines(model: Model, known: Knowledge, frame: "pl.DataFrame", average: bool) -> Iterator[tuple[str, str, str]]:
    """Yield the lines of a row: column, its value, what it adds; then the logit, the probability and the class."""
    start, parts = contributions(model, known, frame, average)
    yield "the average training row" if average else "a row of zeros", "", f"{start:+.4f}"
    for part in parts:
        yield part.column, part.value, f"{part.logit:+.4f}"
    logit = start + sum(part.logit for part in parts)
    yield "logit", "", f"{logit:+.4f}"
    if model.network.recalibration:
        slope, intercept = model.network.recalibration
        yield "recalibrated logit", "", f"{slope * logit + intercept:+.4f}"
    probability = _probability(model, logit)
    yield f"probability of {model.labels.name}={model.labels.positive}", "", in_digits(probability)
    called = model.labels.classes[int(probability >= model.threshold)]
    yield "class", f"(threshold {model.threshold:.4g})", called


def in_digits(probability: float) -> str:
    """Return a probability with four decimals, or with its distance from 0 or 1 where those would not show it."""
    if probability in (0, 1) or 0.0005 <= probability <= 0.9995:
        return f"{probability:.4f}"
    return f"{probability:.1e}" if probability < 0.5 else f"1 - {1 - probability:.1e}"


def _probability(model: Model, logit: float) -> float:
    slope, intercept = model.network.recalibration or (1.0, 0.0)
    return 1 / (1 + math.exp(-_clip(slope * logit + intercept)))


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "missing" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value).removesuffix(" 00:00:00")


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {abs(value):.4g}"


def _clip(logit: float) -> float:
    return max(-700.0, min(700.0, logit))  # beyond, exp leaves the numbers
