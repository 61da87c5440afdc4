"""What a person reads when a run has ended."""

import shlex
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from logitlab.console import one_line

LONGEST_NUMBER = 15
"""Characters of a number; what is longer is written with an exponent."""

NARROWEST_NUMBERS = 11
"""Characters of a column of metrics, two of them between it and the one before."""

NARROWEST = 40
"""Characters that a text has beside the longest name, however narrow the terminal is."""


def summary(title: str, rows: Sequence[tuple[str, str]], run_directory: Path) -> str:
    """Return the closing lines of a run: its results, where everything is, and how to look at it.

    Args:
        title: what was trained on what, for how long.
        rows: (name, text) of each result.
        run_directory: of this run.
    """
    shown = run_directory.relative_to(Path.cwd()) if run_directory.is_relative_to(Path.cwd()) else run_directory
    # All runs and sweeps on one dashboard; never the run itself, for HPARAMS finds no metrics in the folder that it is given.
    logdir = Path("outputs") if shown.parts[:1] == ("outputs",) else shown.parent
    lines = [
        *rows,
        ("run directory", str(shown)),
        ("dashboard", f"tensorboard --logdir {shlex.quote(str(logdir))}"),
    ]
    return aligned(title, lines, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)


def aligned(title: str, rows: Sequence[tuple[str, str]], columns: int | None = None) -> str:
    """Return a title and under it, indented, a line for each row: its name and its text.

    Args:
        title: the first line.
        rows: (name, text) of each line.
        columns: of the terminal: longer texts go on below themselves, but for what is one word; None: a line for each row.
    """
    rows = [(one_line(name), one_line(text)) for name, text in rows]
    width = max(cells(name) for name, _ in rows)
    room = 10_000 if columns is None else max(columns - width - 4, NARROWEST)
    lines = [one_line(title)]
    for name, text in rows:
        first, *more = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) if len(text) > room else [text]
        lines += [f"  {padded(name, width)}  {first}".rstrip(), *(f"  {'':<{width}}  {line}" for line in more)]
    return "\n".join(lines)


def in_columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text as columns."""
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(cells(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"  {line}".rstrip() for line in lines)


def padded(text: str, width: int) -> str:
    """Return a text with spaces behind it, so that it takes `width` columns of a terminal."""
    return text + " " * (width - cells(text))


def cells(text: str) -> int:
    """Return the columns of a terminal that a text takes: a Korean letter takes two."""
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    """Return 0 for what is drawn over the letter before it, as an accent or the rest of a Korean syllable on a Mac."""
    if unicodedata.combining(character) or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def decimal(value: float, form: str = ".4f") -> str:
    """Return a number as `form` writes it, in six digits where that takes very many, and a dash for NaN."""
    text = "-" if value != value else format(value, form)
    return text if len(text) <= LONGEST_NUMBER else format(value, ".6g")


def count(number: int, noun: str) -> str:
    """Return "1 row", "2 rows", "1,001 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


ROWS = (
    ("rows", "rows", ",.0f"),
    ("share of class 1", "base_rate", ".4f"),
    ("loss", "loss", ".6f"),
    ("log loss", "log_loss", ".4f"),
    ("  of the base rate alone", "base_log_loss", ".4f"),
    ("accuracy", "accuracy", ".4f"),
    ("  of the base rate alone", "base_accuracy", ".4f"),
    ("balanced accuracy", "balanced_accuracy", ".4f"),
    ("precision", "precision", ".4f"),
    ("recall", "recall", ".4f"),
    ("F1", "f1", ".4f"),
    ("AUROC", "auroc", ".4f"),
    ("average precision", "average_precision", ".4f"),
    ("Brier score", "brier", ".4f"),
    ("calibration error", "calibration_error", ".4f"),
    ("true positives", "true_positives", ",.6g"),
    ("false positives", "false_positives", ",.6g"),
    ("true negatives", "true_negatives", ",.6g"),
    ("false negatives", "false_negatives", ",.6g"),
)
"""The lines of the table of metrics: what each is called, its name in metrics.json, how it is written."""


def metrics_table(splits: Mapping[str, Mapping[str, float]], declared: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Return a line for each metric with a column for each split; an undefined metric is shown as a dash.

    Args:
        splits: the metrics of each split.
        declared: names of metrics that the config adds.
    """
    written = [("", list(splits))]
    for label, metric, form in (*ROWS, *((name, name, ".4f") for name in declared)):
        if all(metric in values for values in splits.values()):
            written.append((label, [decimal(values[metric], form) for values in splits.values()]))
    widths = [max(NARROWEST_NUMBERS, *(len(cells[at]) + 2 for _, cells in written)) for at in range(len(splits))]
    return [(label, "".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))) for label, cells in written]


def calibration_line(error: float, low: float, high: float) -> str:
    """Return what a calibration error says, beside the band of what right probabilities would show on the same rows."""
    words = f"{error:.3f} off on average; right probabilities would show {low:.3f} to {high:.3f} (95 % band)"
    return f"{words}: {'more than chance' if error > high else 'no more than chance'}"
