"""What a run's page carries of its rows and weights."""

from collections.abc import Mapping
from typing import Any

from logitlab.data.category import Category
from logitlab.networks import LinearNetwork
from logitlab.reporting import evaluation, replay, what_if
from logitlab.reporting.record import Record
from logitlab.statistics.likelihood import Likelihood


def run_data(record: Record, trained: replay.Trained, notes: list[str]) -> dict[str, Any]:
    """Return the data of a page by name; `notes` is told what it cannot show."""
    split, rows = trained.evaluation_rows()
    probability, target, logit = trained.scores(rows)
    bad = evaluation.worst(probability, target, logit, trained.datamodule.data_summary.row_numbers(split))
    places = list(dict.fromkeys([*(each["at"] for each in bad), *range(0, len(rows), max(1, len(rows) // what_if.MOST_ROWS))]))
    form, why = what_if.what_if(trained.model, trained.datamodule.examples, rows, places, record.statistics)
    if why:
        notes.append(f"There is no form to try values in: {why}.")
    effects = per_deviation(record, trained)
    order = columns_by_size(record, trained, effects)
    scores, threshold = (probability, logit), trained.threshold
    frames, settings = replay.frames(record, trained), record.settings()
    return {
        "split": split,
        "frames": frames,
        "start": frames["weights"][0] if frames and frames["steps"][0] == 0 else None,
        "lr": (settings.get("optimizer") or {}).get("lr"),
        "l2": (settings.get("penalty") or {}).get("l2"),
        "field": replay.field(trained),
        "thresholds": evaluation.thresholds(probability, target, threshold, logit),
        "worst": bad,
        "slices": evaluation.slices(trained.model.preprocessing, rows, scores, threshold, order),
        "what_if": form and {**form, "order": order},
        "per_deviation": effects,
    }


def per_deviation(record: Record, trained: replay.Trained) -> dict[str, float]:
    """Return, of a linear network, what a standard deviation of each feature is in its own units.

    1 for a column of nothing but 0 and 1: what is told of it is 1 against 0.
    """
    if not isinstance(trained.model.network, LinearNetwork):
        return {}
    train, preprocessing = trained.datamodule.examples, trained.datamodule.preprocessing
    on_off = {row["name"] for row in record.coefficients if row.get("indicator") == "1"}
    for encoder in preprocessing.encoders:
        on_off |= set(encoder.feature_names if isinstance(encoder, Category) else encoder.feature_names[1:])
    names, scale = trained.datamodule.feature_names, preprocessing.scaling.scale
    if len(names) > what_if.MOST_FEATURES:  # a wide table's numbers are as they were scaled
        return {name: 1.0 if name in on_off else each for name, each in zip(names, scale, strict=True)}
    deviation = Likelihood(train.exact, train.target, train.weight).deviations.tolist()
    named = zip(names, deviation, scale, strict=True)
    return {name: 1.0 if name in on_off else each * unit for name, each, unit in named}


def columns_by_size(record: Record, trained: replay.Trained, effects: Mapping[str, float]) -> list[str]:
    """Return the names of the columns, first those that the model leans on most: by importance, or by coefficients."""
    size = {row["column"]: float(row["rise"] or 0) for row in record.importance}
    for row in record.coefficients if not size else ():
        size[row["name"]] = abs(float(row["estimate"] or 0)) * effects.get(row["name"], 0.0)
    encoders = {each.name: (each.name, *each.feature_names) for each in trained.model.preprocessing.encoders}
    return sorted(encoders, key=lambda name: -max(size.get(each, 0.0) for each in encoders[name]))
