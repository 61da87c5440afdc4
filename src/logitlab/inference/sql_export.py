"""The score of a linear network as one SQL expression over the table's own columns.

Conventions: a name stands in double quotes, a number has an exponent (0.5 alone would be a decimal to DuckDB, not a double).
NULL is a missing value; where the model takes none, the score is NULL. A text that the training rows did not have counts as the
average training row, as everywhere.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import torch

from logitlab.data.category import NUMBER, Category
from logitlab.data.columns import Column, Date, Number
from logitlab.errors import RunError, UserError
from logitlab.inference.exporting import sample_rows
from logitlab.inference.model_file import Model
from logitlab.networks import LinearNetwork
from logitlab.runs import files

TOLERANCE = 1e-9
TERMS = 50
"""Terms in one pair of brackets: SQLite nests a sum as deep as it has terms, and 1,000 is its limit."""

DIALECTS = ("standard", "sqlite")


def probability(model: Model, dialect: str) -> str:
    """Return the probability of class 1 as an expression.

    Args:
        model: from `load_model`.
        dialect: "sqlite", or "standard" (DuckDB, PostgreSQL and others): they differ in dates alone.

    Raises:
        UserError: the network is not linear, or a column is of a kind that no expression is known for.
    """
    network, preprocessing = model.network, model.preprocessing
    if not isinstance(network, LinearNetwork):
        raise UserError(
            "to=sql writes the sum of what each column adds, and this run's network is not linear: type to=onnx, or train a"
            " linear one, as in model=logits."
        )
    weight, bias = preprocessing.in_own_units(network.weight.detach().double(), network.bias.detach().double())
    slope, intercept = network.recalibration or (1.0, 0.0)
    weights = iter((slope * weight).tolist())
    terms = [number(slope * float(bias) + intercept)]
    for encoder in preprocessing.encoders:
        own = [next(weights) for _ in encoder.feature_names]
        terms += _terms(encoder, own, dialect)
    return f"1e0 / (1e0 + EXP(-({_sum(terms)})))"


def export(model: Model, folder: Path, run: str, dialect: str) -> tuple[float, str]:
    """Write score.sql; return how far its probabilities are from predict's at most, and which database said so ("": none).

    Raises:
        RunError: they differ, or the file cannot be written.
        UserError: as by `probability`.
    """
    expression, labels = probability(model, dialect), model.labels
    head = [
        f"Probability of {labels.name}={labels.positive}; the class is that where it is {model.threshold!r} or more,"
        f" or else {labels.negative}.",
        f"From {run}, for {'SQLite' if dialect == 'sqlite' else 'DuckDB, PostgreSQL and the like'}. As in: SELECT *, ( ... ) AS"
        " probability FROM a_table",
    ]
    comment = "".join(f"-- {' '.join(line.split())}\n" for line in head)
    try:
        files.make_folder(folder)
        files.write(folder / "score.sql", comment + expression + "\n", synced=True)
    except OSError as error:
        raise RunError(f"output={folder} cannot be written: {error.strerror}.") from error
    database = _database(model, dialect)
    if not database:
        return 0.0, ""
    sample = sample_rows(model.preprocessing)
    _, logit = model.scores(sample)
    found = torch.tensor(DATABASES[database](sample, expression), dtype=torch.float64)
    gap = float((found - logit.sigmoid()).abs().max())
    if not gap <= TOLERANCE:
        raise RunError(f"What {folder / 'score.sql'} gives in {database} is {gap:.2g} from predict.py: do not use it.")
    return gap, database


def number(value: float) -> str:
    """Return a number as a double in SQL, to the last bit."""
    text = repr(value)
    return text if "e" in text else f"{text}e0"


def quoted(name: str) -> str:
    """Return the name of a column in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text in single quotes."""
    return "'" + text.replace("'", "''") + "'"


def _terms(encoder: Column, weights: Sequence[float], dialect: str) -> Iterator[str]:
    name = quoted(encoder.name)
    if isinstance(encoder, Category) and encoder.buckets is None:
        yield _category(encoder, name, weights)
    elif isinstance(encoder, Number | Date):
        value = f"CAST({name} AS DOUBLE PRECISION)" if isinstance(encoder, Number) else _days(name, encoder.origin, dialect)
        if not encoder.constant:
            filled = value if encoder.fill is None else f"COALESCE({value}, {number(encoder.fill)})"
            yield f"{number(weights[0])} * {filled}"
        if encoder.indicator:
            yield f"CASE WHEN {name} IS NULL THEN {number(weights[-1])} ELSE 0e0 END"
    else:
        kind = "hashed" if isinstance(encoder, Category) else encoder.kind
        raise UserError(f"to=sql: the column '{encoder.name}' ({kind}) cannot be written as SQL. Type to=onnx.")


def _category(encoder: Category, name: str, weights: Sequence[float]) -> str:
    """Return a CASE for the levels; its texts are compared without the spaces around them, as predict.py does."""
    text = f"TRIM(CAST({name} AS VARCHAR))"
    if set(encoder.levels) <= {"true", "false"}:
        text = f"LOWER({text})"
    own = [0.0, *weights]
    unseen = sum(share * weight for share, weight in zip(encoder.shares, own, strict=True))
    other = own[encoder.new_row] if encoder.rare else unseen
    missing = {"level": own[-1], "unseen": unseen, "refuse": None}[encoder.missing]
    gap = "NULL" if missing is None else number(missing)
    whens = [f"WHEN {name} IS NULL OR {text} = '' THEN {gap}"]
    for level, weight in zip(encoder.levels, own, strict=False):
        spellings = [level, f"{level}.0"] if NUMBER.fullmatch(level) and "." not in level else [level]
        whens.append(f"WHEN {text} IN ({', '.join(map(literal, spellings))}) THEN {number(weight)}")
    return f"CASE {' '.join(whens)} ELSE {number(other)} END"


def _days(name: str, origin: str, dialect: str) -> str:
    if dialect == "sqlite":
        return f"(julianday({name}) - julianday({literal(origin)}))"
    return f"(EXTRACT(EPOCH FROM (CAST({name} AS TIMESTAMP) - TIMESTAMP {literal(origin + ' 00:00:00')})) / 86400e0)"


def _sum(terms: list[str]) -> str:
    while len(terms) > TERMS:
        terms = [f"({' + '.join(terms[start : start + TERMS])})" for start in range(0, len(terms), TERMS)]
    return "\n  + ".join(terms)


def _database(model: Model, dialect: str) -> str:
    """Return the database that can say whether the expression is right; "" where it is not installed."""
    if dialect == "sqlite" or not any(isinstance(each, Date) for each in model.preprocessing.encoders):
        return "SQLite"
    return "DuckDB" if find_spec("duckdb") else ""


def in_sqlite(frame: pl.DataFrame, expression: str) -> list[float | None]:
    """Return the expression's values over the rows of a table, by SQLite."""
    frame = frame.with_columns(pl.col(pl.Datetime, pl.Date).dt.to_string("iso:strict"))
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE t ({', '.join(map(quoted, frame.columns))})")
        connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * frame.width)})", frame.iter_rows())
        return [value for (value,) in connection.execute(f"SELECT ({expression}) FROM t ORDER BY rowid")]


def in_duckdb(frame: pl.DataFrame, expression: str) -> list[float | None]:
    """Return the expression's values over the rows of a table, by DuckDB."""
    import duckdb

    types = {pl.String: "VARCHAR", pl.Boolean: "BOOLEAN", pl.Date: "DATE", pl.Datetime: "TIMESTAMP"}
    columns = (f"{quoted(name)} {types.get(dtype.base_type(), 'DOUBLE')}" for name, dtype in frame.schema.items())
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t (row_number INTEGER, {', '.join(columns)})")
        marks = ", ".join("?" * (frame.width + 1))
        connection.executemany(f"INSERT INTO t VALUES ({marks})", list(frame.with_row_index("row number").iter_rows()))
        return [value for (value,) in connection.execute(f"SELECT ({expression}) FROM t ORDER BY row_number").fetchall()]


DATABASES: dict[str, Callable[[pl.DataFrame, str], list[Any]]] = {"SQLite": in_sqlite, "DuckDB": in_duckdb}
