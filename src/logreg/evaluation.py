"""The metrics of a trained model on a table with answers."""

import polars as pl
import torch
from torch import Tensor

from logreg.data import reading
from logreg.errors import UserError, did_you_mean
from logreg.metrics import BinaryMetrics
from logreg.model_file import Model
from logreg.prediction import probabilities


def evaluate(
    model: Model, path: str, target: str | None = None, weight: str | None = None, form: reading.CsvFormat | None = None
) -> dict[str, float]:
    """Return every metric of a model on the rows of a table, by name.

    Args:
        model: from `load_model`.
        path: of the table: CSV, Parquet, or a folder of Parquet files.
        target: the column with the answers; None: the one that the model was trained on.
        weight: the column of row weights; None: all rows count alike.
        form: how the CSV file is written.

    Raises:
        UserError: a column is missing, or a value is none.
    """
    target = target or model.labels.name
    kinds = {**model.preprocessing.kinds, **({weight: "number"} if weight else {})}
    if all(_is_number(value) for value in model.labels.classes):
        kinds[target] = "number"
    metrics = BinaryMetrics(model.threshold, model.base_rate)
    rows = 0
    columns = reading.column_names(path, form)
    for key, name in (("target", target), ("weight", weight)):
        if name is not None and name not in columns:
            raise UserError(
                f"{path} has no column '{name}' (data.{key}).{did_you_mean(name, columns)} To predict rows without answers use"
                " predict.py."
            )
    read = [*model.preprocessing.columns, target, *([weight] if weight else [])]
    for part, probability in probabilities(model, path, form, kinds, [name for name in columns if name in read]):
        answer = model.labels.encode(part[target], path, rows + 1)
        weights = None if weight is None else _weights(part[weight], path, rows + 1)
        metrics.update(probability, answer, weights)
        rows += len(part)
    return metrics.compute()


def _weights(series: pl.Series, path: str, first_row: int) -> Tensor:
    """Return the row weights, float64, (rows,).

    Raises:
        UserError: one is missing, infinite, zero or below.
    """
    values = torch.from_numpy(series.cast(pl.Float64).fill_null(float("nan")).to_numpy(writable=True))
    wrong = ~(values.isfinite() & (values > 0))
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise UserError(f"{path}: the weight '{series.name}' is {series[row]} in row {first_row + row:,}; it must be above 0.")
    return values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
