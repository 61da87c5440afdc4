"""Which value of the target column is class 1."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from logitlab.data.columns import as_text
from logitlab.data.faults import rows_at, short_list
from logitlab.errors import UserError
from logitlab.overrides import suggestion

if TYPE_CHECKING:
    import polars as pl

MOST_CLASSES = 100
"""Other values that a target may have beside data.positive: with more it is rather a number."""


@dataclass(frozen=True)
class Labels:
    """The target column and its values, as text.

    Attributes:
        name: of the column.
        positive: the value that is class 1.
        negative: the value that is class 0, or, where one value is compared with all others, a name for these: "not 3".
        rest: all others, if there is more than one.
    """

    name: str
    positive: str = "1"
    negative: str = "0"
    rest: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, str]:
        """The values of class 0 and class 1, for the column `class` of predictions."""
        return self.negative, self.positive

    @property
    def values(self) -> tuple[str, ...]:
        """What the column may hold: those of class 0, then that of class 1."""
        return *(self.rest or (self.negative,)), self.positive

    @staticmethod
    def check_answers(series: "pl.Series", where: str) -> None:
        """Refuse a target column with missing values.

        Raises:
            UserError: names the rows.
        """
        if len(missing := series.is_null().arg_true()):
            raise UserError(
                f"{where}: the target '{series.name}' has no value in {rows_at(missing)}. A row without an answer cannot train:"
                " type data.missing_target=drop to leave such rows out.",
                ("missing_target", "drop"),
            )

    @classmethod
    def fit(cls, series: "pl.Series", positive: Any = None, where: str = "the table") -> "Labels":
        """Return the labels of a target column.

        Args:
            series: the column; missing values are passed over, see `check_answers`.
            positive: the value that counts as 1; None: the column holds 0 and 1.
            where: the name of the file, for faults.

        Raises:
            UserError: there are not two values, or `positive` is not declared or not among them.
        """
        values = sorted(_text(series).drop_nulls().unique().to_list())
        if len(values) == 1:
            raise UserError(
                f"{where}: the target '{series.name}' is {values[0]} in every row. There must be rows of both classes."
            )
        if positive is None and str(series.dtype) == "Boolean" and len(values) == 2:
            return cls(series.name, "true", "false")
        if positive is not None:
            return cls._declared(series, str(positive), values, where)
        if values == ["0", "1"]:
            return cls(series.name)
        raise cls._not_binary(series, values, where)

    def encode(self, series: "pl.Series", where: str = "the table", first_row: int = 1) -> Tensor:
        """Return 0 and 1 for the values of a target column, float32, (rows, 1).

        Raises:
            UserError: a value is missing or is none of those that are known.
        """
        import polars as pl

        known, values = self._comparable(series)
        target = values == known[-1]
        strange = ~values.is_in(known).fill_null(False)
        if strange.any():
            rows = strange.arg_true()
            came = series[rows[0]]
            raise UserError(
                f"{where}: the target '{self.name}' holds {'nothing' if came is None else came} in {rows_at(rows, first_row)}."
                f" It must be {', '.join(self.values[:-1])} or {self.positive} in every row."
            )
        return torch.from_numpy(target.cast(pl.Float32).to_numpy(writable=True))[:, None]

    def _comparable(self, series: "pl.Series") -> tuple[list[Any], "pl.Series"]:
        """Return `values` and the column in one type: numbers where all are numbers, so that 1.0 is 1; or else text."""
        import polars as pl

        try:
            numbers = [float(value) for value in self.values]
        except ValueError:
            numbers = []
        if len(set(numbers)) < len(self.values):
            return list(self.values), _text(series)
        if series.dtype == pl.Boolean or series.dtype.is_numeric():
            return numbers, series.cast(pl.Float64)
        return numbers, _text(series).cast(pl.Float64, strict=False)

    def plain(self) -> dict[str, Any]:
        """Return the labels as plain values, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Labels":
        """Return the labels that `plain` wrote down."""
        return cls(**{**values, "rest": tuple(values.get("rest", ()))})

    @classmethod
    def _declared(cls, series: "pl.Series", positive: str, values: list[str], where: str) -> "Labels":
        if positive not in values:
            # a boolean of the command line arrives as True
            positive = next((value for value in values if value.lower() == positive.lower()), positive)
        if positive not in values:
            raise UserError(
                f"{where}: data.positive={positive} is no value of the target '{series.name}', which holds"
                f" {short_list(values)}."
            )
        rest = tuple(value for value in values if value != positive)
        if len(rest) > MOST_CLASSES:
            raise UserError(
                f"{where}: the target '{series.name}' holds {len(values):,} different values, {short_list(values)}:"
                f" data.positive separates one value from at most {MOST_CLASSES} others. Is it the right column?"
            )
        return cls(series.name, positive, rest[0] if len(rest) == 1 else f"not {positive}", rest if len(rest) > 1 else ())

    @staticmethod
    def _not_binary(series: "pl.Series", values: list[str], where: str) -> UserError:
        strange = [value for value in values if value not in ("0", "1")]
        rows = (~_text(series).is_in(["0", "1"])).arg_true()
        advice = ("positive", values[-1] if len(values) == 2 else strange[-1])
        typed = suggestion("data.positive", advice[1])
        if len(values) == 2:
            how = f"Type {typed} if that is the value to predict."
        elif len(values) <= MOST_CLASSES + 1:
            how = f"A logistic regression separates two classes: {typed} separates that value from all others."
        else:
            how = "A logistic regression separates two classes: write 0 and 1 into the file."
        return UserError(
            f"{where}: the target '{series.name}' must be 0 or 1 and holds {short_list(strange)}, in {rows_at(rows)}. {how}",
            advice if len(values) <= MOST_CLASSES + 1 else None,
        )


def _text(series: "pl.Series") -> "pl.Series":
    """Return the values as text, without the spaces that some programs write behind a separator."""
    return as_text(series).str.strip_chars()
