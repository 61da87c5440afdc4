"""report.html: one file without a single address in it, from a template, a style sheet and scripts that lie beside this."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from logitlab.reporting.record import Record, thinned

HERE = Path(__file__).parent
HEADLINE = ("test", "val", "train")
MOST_COEFFICIENTS = 200
MOST_BARS = 30
MOST_PATHS = 7
MOST_WEIGHTS = 6
MEANING = {
    "accuracy": "share of rows in the right class",
    "auroc": "chance that a row of class 1 is ranked above one of class 0",
    "log_loss": "mean cross-entropy, in nats",
    "loss": "mean cross-entropy, in nats",
    "brier": "mean squared error of the probabilities",
    "f1": "harmonic mean of precision and recall",
    "calibration_error": "mean distance between probability and share",
}
COEFFICIENT_COLUMNS = (
    "name",
    "estimate",
    "std_error",
    "p",
    "ci_low",
    "ci_high",
    "odds_ratio",
    "marginal_effect",
    "mean",
    "note",
)
SECTIONS = {
    "player": "Training, step by step",
    "play": "Train it here",
    "coefficients": "What matters",
    "path": "The choice of the penalty",
    "what-if": "What if",
    "cutting": "Threshold",
    "calibration": "Calibration",
    "slices": "Groups of rows",
    "worst": "Worst predictions",
    "curves": "Learning curves",
    "metrics": "All metrics",
    "origin": "Where it comes from",
}
"""The page's sections in their order: id and heading."""


def run_page(record: Record, data: Mapping[str, Any], notes: Sequence[str]) -> str:
    """Return the page of one run.

    Args:
        record: what the run directory says.
        data: what `run_data` says of rows and weights; empty where they are not at hand.
        notes: what is missing, and why.
    """
    data = dict(data)
    deviations = data.pop("per_deviation", {})
    rows = by_size(record.coefficients, deviations)
    return render(
        "run.html.j2",
        ("charts.js", "model.js", "run.js", "player.js", "play.js", "whatif.js", "main_run.js"),
        title=" · ".join(str(record.choices[key]) for key in ("data", "model") if key in record.choices) or record.path.name,
        record=record,
        sections=SECTIONS,
        headline=headline(record.metrics),
        sentences=sentences(record),
        metrics=metric_rows(record.metrics),
        coefficients=_filled(rows[:MOST_COEFFICIENTS], ("name", "per_deviation", *COEFFICIENT_COLUMNS[1:])),
        importance=_filled(record.importance[:MOST_COEFFICIENTS]),
        more_coefficients=max(0, len(rows) - MOST_COEFFICIENTS),
        notes=notes,
        data={
            **data,
            "curves": curves(record),
            "bars": bars(record, rows, deviations),
            "dependence": dependence(record),
            "path": path(record),
        },
    )


def sentences(record: Record) -> list[tuple[str, str]]:
    """Return what the run came to, in words: against what the base rate alone would do, and the lines that it ended with."""
    split, _ = headline(record.metrics)
    found = []
    names = ("log_loss", "base_log_loss", "accuracy", "base_accuracy")
    value = {name: each for name in names if (each := record.metrics.get(f"{split}/{name}")) is not None}
    if len(value) == len(names):
        share, base = (100 * value[name] for name in ("accuracy", "base_accuracy"))
        right = f"{share:.1f} % are in the right class, {base:.1f} % by the base rate alone"
        losses = f"log loss {value['log_loss']:.4f}, {value['base_log_loss']:.4f} by the base rate alone"
        found.append((f"{split} rows", f"{right}; {losses}"))
    in_words = [(name, text) for name, text in record.summary if name.strip(".") and re.search("[a-z]{2}", text)]
    return found + in_words


def by_size(rows: Sequence[Mapping[str, str]], deviations: Mapping[str, float]) -> list[dict[str, str]]:
    """Return the coefficients with `per_deviation`, what one standard deviation adds to the logit, the largest first."""
    found = []
    for row in rows:
        deviation, estimate = deviations.get(row["name"]), _number(row["estimate"])
        per_deviation = "" if deviation is None or estimate is None else str(estimate * deviation)
        why = row.get("note", "").partition(":")[0] if estimate is None else row["estimate"]
        found.append({**row, "estimate": why, "per_deviation": per_deviation})
    return sorted(found, key=lambda row: -abs(_number(row["per_deviation"]) or 0.0))


def bars(record: Record, rows: Sequence[Mapping[str, str]], deviations: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return name, value and ends of the interval of each bar: coefficients per deviation, or importance."""
    if record.importance:
        return [
            {
                "name": row["column"],
                "value": _number(row["rise"]),
                "low": (_number(row["rise"]) or 0) - (_number(row.get("deviation")) or 0),
                "high": (_number(row["rise"]) or 0) + (_number(row.get("deviation")) or 0),
            }
            for row in record.importance[:MOST_BARS]
        ]
    found = []
    for row in rows[:MOST_BARS]:
        value, estimate = _number(row["per_deviation"]), _number(row["estimate"])
        if value is None or not estimate:
            continue
        ends = (_number(row.get(name)) for name in ("ci_low", "ci_high"))
        low, high = (None if each is None else each * value / estimate for each in ends)
        found.append({"name": row["name"], "value": value, "low": low, "high": high, "deviation": deviations[row["name"]]})
    return found


def path(record: Record) -> dict[str, Any]:
    """Return the path along which the penalty was chosen: log10 of its strengths, losses with their band, coefficients."""
    found = record.penalty_path
    if found is None or not all(map(math.isfinite, [*found.strength, *found.loss, *found.error])) or min(found.strength) <= 0:
        return {}
    by_reach = sorted(found.coefficients, key=lambda name: -max(map(abs, found.coefficients[name])))[:MOST_PATHS]
    low, high = ([loss + sign * error for loss, error in zip(found.loss, found.error, strict=True)] for sign in (-1, 1))
    return {
        "what": found.what,
        "more": len(found.coefficients) - len(by_reach),
        "strength": [math.log10(value) for value in found.strength],
        "loss": [found.loss, low, high],
        "chosen": {name: [found.strength[place], found.loss[place]] for name, place in found.chosen.items()},
        "coefficients": {
            name: found.coefficients[name] for name in by_reach if all(map(math.isfinite, found.coefficients[name]))
        },
    }


def dependence(record: Record) -> dict[str, list[list[Any]]]:
    """Return the mean probability over the values of each number column, of the six that matter most."""
    found: dict[str, list[list[Any]]] = {}
    names = [row["column"] for row in record.importance[:6]]
    for row in record.dependence:
        value, probability = _number(row["value"]), _number(row.get("probability"))
        if row["column"] in names and value is not None:
            for values, each in zip(found.setdefault(row["column"], [[], []]), (value, probability), strict=True):
                values.append(each)
    return {name: found[name] for name in names if len(found.get(name, [[]])[0]) > 2}


def headline(metrics: Mapping[str, float | None]) -> tuple[str, list[tuple[str, str, str]]]:
    """Return the few numbers to read first, those of the test rows, or else val, or else train.

    Returns:
        Whose rows, and name, value and meaning of each number.
    """
    split = next((each for each in HEADLINE if f"{each}/loss" in metrics), "")
    found = [(name, metrics.get(f"{split}/{name}"), words) for name, words in MEANING.items()]
    if metrics.get(f"{split}/log_loss") is not None:  # the loss counts what the config weighs besides
        found = [each for each in found if each[0] != "loss"]
    return split, [(name, f"{value:.4g}", words) for name, value, words in found if value is not None]


def metric_rows(metrics: Mapping[str, float | None]) -> dict[str, Any]:
    """Return the table of metrics: a column for each split."""
    splits = [each for each in ("train", "val", "test") if any(name.startswith(f"{each}/") for name in metrics)]
    names = list(dict.fromkeys(name.partition("/")[2] for name in metrics if "/" in name))
    return {
        "splits": splits,
        "rows": [(name, [_digits(metrics.get(f"{split}/{name}")) for split in splits]) for name in names],
    }


def curves(record: Record) -> dict[str, Any]:
    """Return the curves that the page shows, thinned."""
    wanted = re.compile(r"(train|val)/(loss|accuracy)|train/gradient_norm|bias")
    weights = [tag for tag in record.curves if tag.startswith("weight/")][:MOST_WEIGHTS]
    return {tag: points(record, tag) for tag in record.curves if tag in weights or wanted.fullmatch(tag)}


def points(record: Record, tag: str) -> list[list[float | None]]:
    """Return steps and values of a curve, thinned; None where a value is no finite number."""
    steps, values = thinned(*record.curves[tag])
    return [list(steps), [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]]


def _filled(rows: Sequence[Mapping[str, str]], wanted: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return the rows to be read, without the columns in which nothing stands, or zeros only."""
    columns = wanted or list(rows[0] if rows else ())
    names = [name for name in columns if any(each.get(name, "") not in ("", "0") for each in rows)]
    return [{name: _digits(row[name]) for name in names} for row in rows]


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _digits(value: Any) -> str:
    if value is None:
        return ""
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return str(value)


def render(template: str, scripts: Sequence[str], data: Mapping[str, Any], **values: Any) -> str:
    """Return a page: a template with its values, the data for its scripts, and these."""
    loader = jinja2.FileSystemLoader(HERE)
    jinja = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    safe = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")  # no value can end the script
    style, *code = ((HERE / name).read_text(encoding="utf-8") for name in ("report.css", *scripts))
    return jinja.get_template(template).render(data=safe, style=style, scripts="\n".join(code), **values)
