"""Predictions for the rows of a table, part by part: memory does not grow with the table."""

import fnmatch
import io
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from logitlab import table_formats
from logitlab.console import printable
from logitlab.data import reading
from logitlab.data.formats.csv import Csv
from logitlab.data.formats.format import load_format
from logitlab.data.prefetching import prefetched
from logitlab.data.table_files import STDIN, files_of
from logitlab.errors import RunError, UserError, did_you_mean
from logitlab.inference.model_file import Model
from logitlab.runs.files import as_output
from logitlab.spreadsheet import safe_frame
from logitlab.threads import one_thread

Scores = tuple[Tensor, Tensor]
"""The rows' probability of class 1, float32, and its logit, float64, (rows,) each."""

ADDED = ("probability", "class")
STDOUT = "-"
MOST_NAMED = 10
MOST_WORKERS = 4
"""Parts of the table that are worked out side by side; more would hold more in memory."""


@dataclass
class Report:
    """What there is to say once all rows are predicted.

    Attributes:
        rows: how many there were.
        positive: how many of them are of class 1.
        ignored: columns that the model does not take and nobody asked to keep.
        unseen: (column, category) -> rows with a category that the training rows did not have.
    """

    rows: int = 0
    positive: int = 0
    ignored: Sequence[str] = ()
    unseen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def notes(self) -> Iterator[str]:
        """Yield a sentence for each thing that a person should know."""
        if self.ignored:
            yield f"Ignored, as the model does not take them: {_named(self.ignored)}."
        yield from unseen_notes(self.unseen)


def unseen_notes(unseen: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """Yield a sentence for each column with categories that the training rows did not have; see `Preprocessing.unseen`."""
    for column in dict.fromkeys(column for column, _ in unseen):
        values = [value for other, value in unseen if other == column]
        rows = sum(number for (other, _), number in unseen.items() if other == column)
        yield (
            f"Column '{column}' has categories that the training rows did not have, in {rows:,} rows: {_named(values)}."
            " They count as an average training row."
        )


def predict(
    model: Model,
    path: str,
    output: str,
    keep: Sequence[str] | str = (),
    form: reading.TableOptions | None = None,
    spreadsheet_safe: bool = True,
) -> Report:
    """Write probability and class of every row of a table, in its order.

    Args:
        model: from `load_model`.
        path: of the table, as for `reading.read`.
        output: where to write: a file with an ending of a table format, put in place once it is whole, or "-" for standard
            output (CSV).
        keep: columns of the table to write in front of them, or "all".
        form: how the table is written.
        spreadsheet_safe: texts in a CSV or TSV file that a spreadsheet would run get an apostrophe in front.

    Raises:
        UserError: the table lacks a column or holds a value that is none; the output is then as it was before.
        RunError: the output cannot be written.
    """
    if output != STDOUT:
        _check_output(output, path)
    elif sys.stdout is None:
        raise UserError("output=- is standard output, and that is closed: give a file.")
    report = Report()
    parts = _predicted(model, path, keep, form, report)
    kind = load_format(table_formats.by_ending(output) or "csv", f"output={output}")
    if Path(output).is_file():
        kind.check_replaceable(Path(output))
    if spreadsheet_safe and issubclass(kind, Csv):
        parts = map(safe_frame, parts)
    try:
        if output == STDOUT:
            Csv.write_to(parts, Terminal() if sys.stdout.isatty() else sys.stdout.buffer)
        else:
            with as_output(Path(output)) as temporary:
                kind.write(parts, temporary, output)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise RunError(
            f"output={output} cannot be written: {error.strerror or error}. Nothing is left half written."
        ) from error
    return report


def probabilities(
    model: Model,
    path: str,
    form: reading.TableOptions | None,
    kinds: Mapping[str, str],
    columns: Sequence[str],
    unseen: Counter[tuple[str, str]],
    keep: Sequence[str] = (),
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame, Scores]]:
    """Yield each part of a table, its columns to keep, and its rows' probability of class 1 and logit; see `Model.scores`.

    While one part is used, the next ones are worked out, each in a thread of its own.

    Args:
        model: from `load_model`.
        path: of the table.
        form: how the table is written.
        kinds: how the columns are to be read, those of the model and others.
        columns: which to read.
        unseen: is added to, as by `Preprocessing.unseen`.
        keep: columns to hand on as they stand in the file; see `reading.read_with_kept`.
    """

    def numbered() -> Iterator[tuple[int, pl.DataFrame, pl.DataFrame]]:
        first_row = 1
        for part, kept in reading.read_with_kept(path, keep, form=form, kinds=kinds, columns=columns):
            yield first_row, part, kept
            first_row += len(part)

    def worked_out(numbered_part: tuple[int, pl.DataFrame, pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame, Scores]:
        first_row, part, kept = numbered_part
        return part, kept, model.scores(part, reading.named(path), first_row)

    cores = torch.get_num_threads()
    with one_thread():
        for part, kept, scores in prefetched(worked_out, numbered(), min(cores, MOST_WORKERS)):
            unseen.update(model.preprocessing.unseen(part))
            yield part, kept, scores


def _predicted(
    model: Model, path: str, keep: Sequence[str] | str, form: reading.TableOptions | None, report: Report
) -> Iterator[pl.DataFrame]:
    """Yield the kept columns, probability and class of each part of the table; note down what there is to report."""
    names = model.labels.classes
    classes = pl.Series(names).cast(pl.Int64) if all(name.isdigit() for name in names) else pl.Series(names)
    preprocessing = model.preprocessing
    columns = reading.column_names(path, form)
    preprocessing.check_columns(columns, reading.named(path))
    kept = _kept(keep, columns, reading.named(path))
    used = {*kept, *preprocessing.columns}
    report.ignored = [name or "(the index, which has no name)" for name in columns if name not in used]
    parts = probabilities(model, path, form, preprocessing.kinds, preprocessing.columns, report.unseen, kept)
    for part, own, (probability, _) in parts:
        called = (probability >= model.threshold).long()
        report.rows += len(part)
        report.positive += int(called.sum())
        added = pl.Series("probability", probability.numpy()), classes.gather(called.numpy()).alias("class")
        yield own.with_columns(*added) if kept else pl.DataFrame(added)


def _check_output(output: str, path: str) -> None:
    """Refuse to write over the table, or among the files that make it up."""
    target, table = os.path.realpath(output), os.path.realpath(path)
    if path != STDIN and target in {os.path.realpath(file) for file in files_of(path)}:
        which = "the table itself" if target == table else "a part of the table"
        raise UserError(f"output={output} is {which}: give the predictions a file of their own.")
    if Path(table).is_dir() and Path(target).is_relative_to(table):
        raise UserError(f"output={output} lies in the folder that is the table, and would be a part of it: write it elsewhere.")
    if not Path(path).exists() and fnmatch.fnmatch(target, table):
        raise UserError(f"output={output} fits the pattern data.path={path}, and would be a part of it: write it elsewhere.")


def _kept(keep: Sequence[str] | str, columns: Sequence[str], path: str) -> list[str]:
    kept = list(columns) if keep == "all" else [keep] if isinstance(keep, str) else list(dict.fromkeys(keep))
    for name in kept:
        if name not in columns:
            raise UserError(f"keep: {path} has no column '{name}'.{did_you_mean(name, columns)} keep=all keeps every column.")
    if taken := [name for name in kept if name in ADDED]:
        raise UserError(
            f"keep: {path} has a column '{taken[0]}' itself, and that is what the predictions are called. Leave it out of keep,"
            " or rename it in the table."
        )
    return kept


class Terminal(io.BytesIO):
    """Standard output where a person looks at it: control characters are written out."""

    def write(self, content: Any) -> int:
        """Print the text, printable."""
        sys.stdout.write(printable(bytes(content).decode()))
        return len(content)

    def flush(self) -> None:
        """Let it be seen."""
        sys.stdout.flush()


def _named(values: Sequence[str]) -> str:
    more = f", and {len(values) - MOST_NAMED:,} more" if len(values) > MOST_NAMED else ""
    return ", ".join(map(repr, values[:MOST_NAMED])) + more
