"""What each column is worth to a network that has no coefficients, and how the probability moves with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import torch
from torch import Tensor

from logitlab import spreadsheet
from logitlab.data.category import Category
from logitlab.data.columns import Column, Date
from logitlab.data.examples import Examples
from logitlab.log.summary import decimal
from logitlab.networks import LinearNetwork
from logitlab.results.result import Fit, Result, Row
from logitlab.statistics.importance import Logit, partial_dependence, permutation_importance

SPLITS = ("test", "val", "train")
"""The first of these that has rows is looked at."""

MOST_WORK = 2e8
"""Rows x features x shuffles of all columns up to which every row counts; of more, fewer rows, evenly spaced."""

MOST_IN_SUMMARY = 12
VALUES = 21
"""Values of a number at which the mean probability is worked out: its quantiles among the rows."""

IMPORTANCE = ("column", "rise", "deviation", "split")
DEPENDENCE = ("column", "value", "probability")


def importance(
    repeats: int = 10,
    seed: int = 0,
    of_linear: bool = False,
    in_sweeps: bool = False,
    spreadsheet_safe: bool = True,
    sweep: bool = False,
) -> "Importance | None":
    """Return the result; None in a sweep, unless it is wanted there.

    Args:
        repeats: shuffles of each column.
        seed: of the shuffles.
        of_linear: also of a linear network, which has coefficients.
        in_sweeps: also in the runs of a sweep.
        spreadsheet_safe: an apostrophe before names that a spreadsheet would run.
        sweep: this run is one of a sweep.
    """
    return None if sweep and not in_sweeps else Importance(repeats, seed, of_linear, spreadsheet_safe)


@dataclass(eq=False)
class Importance(Result):
    """Writes importance.csv (permutation importance) and partial_dependence.csv: of the test rows, or val, or else train.

    The arguments are those of `importance`.
    """

    repeats: int = 10
    seed: int = 0
    of_linear: bool = False
    spreadsheet_safe: bool = True

    def __call__(self, fit: Fit) -> list[Row]:
        """Write the tables; return a line for each of the columns that matter most."""
        if isinstance(fit.module.network, LinearNetwork) and not self.of_linear:
            return []
        columns = list(fit.datamodule.preprocessing.groups())
        found = ((split, rows) for split in SPLITS if (rows := fit.datamodule.rows(split)) is not None and len(rows))
        split, rows = next(found)
        work = len(rows) * rows.exact.shape[1] * len(columns) * self.repeats
        every = max(1, round(work / MOST_WORK))
        x, weight = rows.exact[::every].double(), _weight(rows)[::every]
        rises = permutation_importance(
            lambda x: fit.module.network.scores(x)[1], x, rows.target[::every, 0].double(), weight,
            [group for _, group in columns], self.repeats, self.seed,
        )  # fmt: skip
        mean, deviation = rises.mean(1), rises.std(1, correction=0)
        order = mean.argsort(descending=True, stable=True).tolist()
        lines = [(columns[each][0].name, mean[each].item(), deviation[each].item(), split) for each in order]
        self._write(fit, "importance.csv", [IMPORTANCE, *lines])
        self._write(fit, "partial_dependence.csv", [DEPENDENCE, *_dependence(fit, columns, x, weight)])
        some = f" of 1 row in {every:,}" if every > 1 else ""
        summary = [
            (f"importance of {name}", f"{decimal(rise)} +- {decimal(off)}") for name, rise, off, _ in lines[:MOST_IN_SUMMARY]
        ]
        if len(lines) > MOST_IN_SUMMARY:
            summary.append(("...", f"{len(lines) - MOST_IN_SUMMARY:,} more in importance.csv"))
        how = f"rise of the log loss of the {split} rows{some} where a column is shuffled, {self.repeats} times"
        return [*summary, ("importance", how)]

    def _write(self, fit: Fit, name: str, rows: Sequence[Sequence[object]]) -> None:
        fit.run.write_text(name, spreadsheet.as_csv(rows, self.spreadsheet_safe))


def _weight(rows: Examples) -> Tensor:
    return torch.ones(len(rows), dtype=torch.float64) if rows.weight is None else rows.weight[:, 0].double()


def _dependence(
    fit: Fit, columns: Sequence[tuple[Column, range]], x: Tensor, weight: Tensor
) -> Iterator[tuple[str, object, float]]:
    scaling = fit.datamodule.preprocessing.scaling
    logit: Logit = lambda x: fit.module.network.scores(x)[1]  # noqa: E731 (a name for the annotation)
    every = -(-len(x) * x.shape[1] * VALUES // int(MOST_WORK / len(columns)))
    x, weight = x[::every], weight[::every]
    for column, group in columns:
        values, words = _values(column, x[:, list(group)], scaling.center[group.start], scaling.scale[group.start])
        for word, probability in zip(words, partial_dependence(logit, x, weight, group, values).tolist(), strict=True):
            yield column.name, word, probability


def _values(column: Column, x: Tensor, center: float, scale: float) -> tuple[Tensor, list[object]]:
    """Return the values at which to look at a column, as its features, (values, features), and in the table's own words."""
    if isinstance(column, Category):
        rows = column.table()[: len(column.shares)]
        return rows, [*column.levels, *(["rare"] * column.rare), *(["missing"] if column.missing == "level" else [])]
    numbers = x[:, 0].quantile(torch.linspace(0, 1, VALUES, dtype=torch.float64)).unique()
    values = torch.zeros(len(numbers), x.shape[1], dtype=torch.float64)  # an indicator of missing values is 0
    values[:, 0] = numbers
    own = [float(f"{number * scale + center:.6g}") for number in numbers.tolist()]
    if isinstance(column, Date):
        return values, [str(date.fromisoformat(column.origin) + timedelta(days=round(each))) for each in own]
    return values, list(own)
