"""report.html: one file without a single address in it, from a template, a style sheet and a script that lie beside this."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from logitlab.errors import how_to_install
from logitlab.reporting.record import FINISHED, Record, hparams_of, ranked_by, thinned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HERE = Path(__file__).parent
HEADLINE = ("test", "val", "train")
MOST_COEFFICIENTS = 200
MOST_NOTES = 20
MEANING = {
    "loss": "mean cross-entropy, in nats",
    "accuracy": "share of rows in the right class",
    "auroc": "chance that a row of class 1 is ranked above one of class 0",
    "average_precision": "area under precision over recall",
    "f1": "harmonic mean of precision and recall",
    "brier": "mean squared error of the probabilities",
    "calibration_error": "mean distance between probability and share; what chance would show is among all metrics",
}


def run_page(record: Record, moving: Mapping[str, Any], pictures: Mapping[str, "Figure"], notes: Sequence[str]) -> str:
    """Return the page of one run.

    Args:
        record: what the run directory says.
        moving: `frames` and `thresholds` for the script, None where there are none.
        pictures: by name.
        notes: what is missing, and why.
    """
    return _render(
        "run.html.j2",
        title=" · ".join(str(record.choices[key]) for key in ("data", "model") if key in record.choices) or record.path.name,
        record=record,
        headline=headline(record.metrics),
        metrics=metric_rows(record.metrics),
        coefficients=_filled(record.coefficients[:MOST_COEFFICIENTS]),
        importance=_filled(record.importance[:MOST_COEFFICIENTS]),
        more_coefficients=max(0, len(record.coefficients) - MOST_COEFFICIENTS),
        pictures=[(name, embedded(picture, name)) for name, picture in pictures.items()],
        notes=notes,
        data={**moving, "curves": curves(record)},
    )


def sweep_page(path: Path, records: Sequence[Record]) -> str:
    """Return the page that compares the runs of a sweep.

    Args:
        path: the sweep's directory.
        records: its runs, in the order of the table.
    """
    typed = [dict(hparams_of(record.overrides)) for record in records]
    keys = [key for key in dict.fromkeys(key for each in typed for key in each) if len({each.get(key) for each in typed}) > 1]
    names = list(dict.fromkeys(name for record in records for name in record.metrics))
    lines = {}
    for tag in ("val/loss", "train/loss"):
        lines[tag] = [
            {"name": " ".join(f"{key}={each.get(key, '')}" for key in keys) or record.path.name, "points": _points(record, tag)}
            for record, each in zip(records, typed, strict=True)
            if tag in record.curves
        ]
    rows = [
        {
            "name": str(record.path.relative_to(path)),
            "status": record.status,
            "hparams": [each.get(key, "") for key in keys],
            "metrics": [record.metrics.get(name) for name in names],
        }
        for record, each in zip(records, typed, strict=True)
    ]
    notes = [note for record in records for note in record.notes]
    return _render(
        "sweep.html.j2",
        title=path.resolve().name,
        path=path,
        keys=keys,
        names=names,
        rows=rows,
        by=ranked_by(path, records, notes.append),
        notes=notes[:MOST_NOTES],
        unfinished=[record for record in records if record.status != FINISHED],
        drawn=max(map(len, lines.values())),
        data={"lines": lines},
    )


def headline(metrics: Mapping[str, float | None]) -> tuple[str, list[tuple[str, str, str]]]:
    """Return the few numbers to read first, those of the test rows, or else val, or else train.

    Returns:
        Whose rows, and name, value and meaning of each number.
    """
    split = next((each for each in HEADLINE if f"{each}/loss" in metrics), "")
    found = ((name, metrics.get(f"{split}/{name}"), words) for name, words in MEANING.items())
    return split, [(name, f"{value:.4f}", words) for name, value, words in found if value is not None]


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
    wanted = re.compile(r"(train|val)/(loss|accuracy|auroc)|train/gradient_norm|train/learning_rate|weight/.*|bias")
    return {tag: _points(record, tag) for tag in record.curves if wanted.fullmatch(tag)}


def embedded(picture: "Figure", name: str) -> str:
    """Return a picture as SVG to stand in a page: its colours are the page's, its ground is clear, its ids are its own."""
    from logitlab.plots import style

    named = {style.BLUE: "zero", style.VERMILION: "one", style.GREEN: "third", style.ORANGE: "path", style.PALE: "line"}
    picture.patch.set_alpha(0)
    for axes in picture.axes:
        axes.patch.set_alpha(0)
    text = style.svg(picture, name)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(xlink:href="|href="|url\()#', rf"\1#{name}-", text)
    for ink in (style.INK, "#000000", style.GREY):
        text = text.replace(ink, "currentColor")
    for colour, variable in (named | {"#ffffff": "paper"}).items():
        text = text.replace(colour.lower(), f"var(--{variable})")
    least = round(80 * picture.get_size_inches()[0] * 0.8)  # narrower, its words are too small: on a phone it is scrolled
    text = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', f' style="min-width:{least}px"', text, count=1)
    return re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")


def pictures_of(draw: Callable[[], dict[str, "Figure"]], notes: list[str]) -> dict[str, "Figure"]:
    """Return what `draw` draws, or nothing and a note where matplotlib is missing; a note where its fonts are."""
    if find_spec("matplotlib") is None:
        notes.append(f"The still pictures are missing: they need matplotlib ({how_to_install('pictures')}).")
        return {}
    drawn = draw()
    from logitlab.plots import fonts

    notes += [note for note in [fonts.note(drawn.values())] if note]
    return drawn


def _points(record: Record, tag: str) -> list[list[float | None]]:
    steps, values = thinned(*record.curves[tag])
    return [list(steps), [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]]


def _filled(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the rows to be read, without the columns in which nothing stands, or zeros only."""
    names = [name for name in (rows[0] if rows else ()) if any(each[name] not in ("", "0") for each in rows)]
    return [{name: _digits(row[name]) for name in names} for row in rows]


def _digits(value: Any) -> str:
    if value is None:
        return ""
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return str(value)


def _render(template: str, data: Mapping[str, Any], **values: Any) -> str:
    loader = jinja2.FileSystemLoader(HERE)
    jinja = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    safe = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")  # no value can end the script
    style = (HERE / "report.css").read_text(encoding="utf-8")
    scripts = "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("charts.js", "report.js"))
    return jinja.get_template(template).render(data=safe, style=style, scripts=scripts, **values)
