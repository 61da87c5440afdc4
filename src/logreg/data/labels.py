"""Which value of the target column is class 1."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from logreg.data.columns import as_text
from logreg.data.faults import rows_at, short_list
from logreg.errors import UserError
from logreg.overrides import suggestion

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Labels:
    """The target column and its two values, as text.

    Attributes:
        name: of the column.
        positive: the value that is class 1.
        negative: the value that is class 0.
    """

    name: str
    positive: str = "1"
    negative: str = "0"

    @property
    def classes(self) -> tuple[str, str]:
        """The values of class 0 and class 1, for the column `class` of predictions."""
        return self.negative, self.positive

    @classmethod
    def fit(cls, series: "pl.Series", positive: Any = None, where: str = "the table") -> "Labels":
        """Return the labels of a target column.

        Args:
            series: the column.
            positive: the value that counts as 1; None: the column holds 0 and 1.
            where: the name of the file, for faults.

        Raises:
            UserError: values are missing, there are not two of them, or `positive` is not declared or not among them.
        """
        if len(missing := series.is_null().arg_true()):
            raise UserError(
                f"{where}: the target '{series.name}' has no value in"
                f" {rows_at(missing)}. Leave these rows out of the file: a row without an answer cannot teach."
            )
        values = sorted(_text(series).unique().to_list())
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
            UserError: a value is missing or is neither of the two.
        """
        import polars as pl

        positive, negative, values = self._comparable(series)
        target = values == positive
        strange = ~(target | (values == negative)).fill_null(False)
        if strange.any():
            rows = strange.arg_true()
            came = series[rows[0]]
            raise UserError(
                f"{where}: the target '{self.name}' holds {'nothing' if came is None else came} in {rows_at(rows, first_row)}."
                f" It must be {self.negative} or {self.positive} in every row."
            )
        return torch.from_numpy(target.cast(pl.Float32).to_numpy(writable=True))[:, None]

    def _comparable(self, series: "pl.Series") -> tuple[Any, Any, "pl.Series"]:
        """Return both values and the column in one type: numbers where both are numbers, so that 1.0 is 1; or else text."""
        import polars as pl

        try:
            positive, negative = float(self.positive), float(self.negative)
        except ValueError:
            positive = negative = 0.0
        if positive == negative:
            return self.positive, self.negative, _text(series)
        if series.dtype == pl.Boolean or series.dtype.is_numeric():
            return positive, negative, series.cast(pl.Float64)
        return positive, negative, _text(series).cast(pl.Float64, strict=False)

    def plain(self) -> dict[str, str]:
        """Return the labels as plain values, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Labels":
        """Return the labels that `plain` wrote down."""
        return cls(**values)

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
        if len(values) != 2:
            raise UserError(
                f"{where}: the target '{series.name}' holds {len(values)} different values, {short_list(values)}. There must be"
                " two, one of them data.positive."
            )
        return cls(series.name, positive, next(value for value in values if value != positive))

    @staticmethod
    def _not_binary(series: "pl.Series", values: list[str], where: str) -> UserError:
        strange = [value for value in values if value not in ("0", "1")]
        rows = (~_text(series).is_in(["0", "1"])).arg_true()
        cure = (
            f"Type {suggestion('data.positive', values[-1])} if that is the value to predict."
            if len(values) == 2
            else ("A logistic regression tells two classes apart: write 0 and 1 into the file.")
        )
        return UserError(
            f"{where}: the target '{series.name}' must be 0 or 1 and holds {short_list(strange)}, in {rows_at(rows)}. {cure}"
        )


def _text(series: "pl.Series") -> "pl.Series":
    """Return the values as text, without the spaces that some programs write behind a separator."""
    return as_text(series).str.strip_chars()
