"""From the columns of a table to the matrix that the network sees: fitted on training rows, carried by the checkpoint."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_type_hints

import torch
from torch import Tensor

from logitlab.data.category import Category
from logitlab.data.columns import Column, Date, Number
from logitlab.data.scaling import Scaling
from logitlab.errors import UserError, did_you_mean
from logitlab.signatures import is_of
from logitlab.sparse import Codes, SparseMatrix
from logitlab.threads import one_thread

if TYPE_CHECKING:
    import polars as pl

KINDS: dict[str, type[Column]] = {"number": Number, "date": Date, "category": Category}

CODED_FROM = 200
"""Features that the categories of a table make together, from which on each category is kept as one column of codes."""

MOST_LISTED = 1_000
"""Levels, and numbers of a scaling, that a checkpoint holds one by one."""

BLOCK_VALUES = 2**18
"""Values that are turned into float64 at a time: they fit in a core's cache, and memory stays flat."""


class Preprocessing:
    """Columns of a table -> features in their own units -> scaled features.

    Everything is worked out in float64; float32 is rounded once, at the end.

    Attributes:
        encoders: one for each input column.
        scaling: from own units to what the network sees.
    """

    def __init__(self, encoders: Sequence[Column], scaling: Scaling) -> None:
        self.encoders = tuple(encoders)
        self.scaling = scaling

    @classmethod
    def of_numbers(cls, names: Iterable[str], scaling: Scaling) -> "Preprocessing":
        """Return the preprocessing of columns that are numbers and never missing."""
        return cls([Number(name) for name in names], scaling)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the input columns."""
        return tuple(encoder.name for encoder in self.encoders)

    @property
    def kinds(self) -> dict[str, str]:
        """How each input column is to be read: number, category or date."""
        return {encoder.name: encoder.kind for encoder in self.encoders}

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each feature, as in ("age", "age is missing", "sex=male")."""
        return tuple(name for encoder in self.encoders for name in encoder.feature_names)

    @cached_property
    def coded(self) -> tuple[tuple[int, Category], ...]:
        """The columns that are kept as codes, each with the place of its first feature: none, or all categories."""
        found = [(places.start, encoder) for encoder, places in self.groups() if isinstance(encoder, Category)]
        return tuple(found) if is_coded(encoder.width for _, encoder in found) else ()

    @cached_property
    def numbers(self) -> "Preprocessing":
        """The preprocessing of the columns that are not kept as codes: this one, where none is."""
        if not self.coded:
            return self
        kept = [encoder for encoder in self.encoders if not isinstance(encoder, Category)]
        center, scale = ([each[place] for place in self.places] for each in (self.scaling.center, self.scaling.scale))
        return Preprocessing(kept, Scaling(center, scale))

    @cached_property
    def places(self) -> Sequence[int]:
        """Which features are those of `numbers`."""
        coded = {place for start, encoder in self.coded for place in range(start, start + encoder.width)}
        return [place for place in range(len(self.scaling.center)) if place not in coded]

    def codes(self, frame: "pl.DataFrame", where: str = "the table", first_row: int = 1) -> list[Codes]:
        """Return the codes of the columns that are kept so; arguments and errors are `transform`'s."""
        found = []
        for start, encoder in self.coded:
            codes = encoder.codes(frame[encoder.name])
            if encoder.missing == "refuse" and bool((refused := codes > len(encoder.shares)).any()):
                raise _no_value(encoder.name, first_row + int(refused.nonzero()[0]), where)
            found.append(Codes(start, codes.int(), torch.tensor(encoder.shares[1:], dtype=torch.float64)))
        return found

    def groups(self) -> Iterator[tuple[Column, range]]:
        """Yield each input column with the places of its features."""
        start = 0
        for encoder in self.encoders:
            places = range(start, start := start + encoder.width)
            yield encoder, places

    def transform(self, frame: "pl.DataFrame", where: str = "the table", first_row: int = 1) -> Tensor:
        """Return the features of a table's rows in float32, (rows, features); arguments and errors are those of `blocks`."""
        blocks = self.blocks(frame, where, first_row)
        return torch.cat([(block.dense() if isinstance(block, SparseMatrix) else block).float() for block in blocks])

    def blocks(self, frame: "pl.DataFrame", where: str = "the table", first_row: int = 1) -> Iterator[Tensor | SparseMatrix]:
        """Yield the features of successive rows of a table, float64, (rows, features); in memory they lie column by column.

        Args:
            frame: has at least `columns`, in any order.
            where: the name of the file, for errors.
            first_row: the number of the frame's first row in that file.

        Raises:
            UserError: a column is missing, or a value is missing, infinite or no float32 after scaling.
        """
        self.check_columns(frame.columns, where)
        numbers, places = self.numbers, torch.tensor(self.places if self.coded else [], dtype=torch.long)
        rows = max(BLOCK_VALUES // max(len(numbers.feature_names) + len(self.coded), 1), 1)
        with one_thread():
            for start in range(0, max(len(frame), 1), rows):
                block = frame[start : start + rows]
                values = numbers.scaling.transform(numbers.own_units(block))
                numbers._check(block, values, where, first_row + start)
                yield SparseMatrix(values, places, self.codes(block, where, first_row + start)) if self.coded else values

    def checked_own_units(self, frame: "pl.DataFrame", where: str, first_row: int) -> Tensor:
        """Return `own_units` of rows whose scaled features are finite in float32; arguments and errors are `transform`'s."""
        values = self.own_units(frame)
        self._check(frame, self.scaling.transform(values), where, first_row)
        return values

    def own_units(self, frame: "pl.DataFrame") -> Tensor:
        """Return the features before scaling, float64, (rows, features), column by column; NaN where a value is missing."""
        nothing = torch.empty(0, len(frame), dtype=torch.float64)
        return torch.cat([nothing, *(encoder.encode(frame[encoder.name]).T for encoder in self.encoders)]).T

    def check_columns(self, names: Iterable[str], where: str = "the table") -> None:
        """Refuse a table that lacks a column.

        Raises:
            UserError: names the columns that are missing and their nearest names.
        """
        names = list(names)
        missing = [name for name in self.columns if name not in set(names)]
        if missing:
            near = did_you_mean(missing[0], names)
            raise UserError(
                f"{where} lacks {'the column' if len(missing) == 1 else f'{len(missing)} columns:'} "
                f"{', '.join(map(repr, missing[:5]))}{', ...' if len(missing) > 5 else ''}, which the model takes.{near} It"
                f" has: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}."
            )

    def unseen(self, frame: "pl.DataFrame") -> dict[tuple[str, str], int]:
        """Return (column, category) -> rows with a category that the training rows did not have, in order of appearance."""
        return {
            (encoder.name, value): number
            for encoder in self.encoders
            if isinstance(encoder, Category)
            for value, number in encoder.unseen(frame[encoder.name]).value_counts().iter_rows()
        }

    def in_own_units(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Return weight (features,) and bias () in the table's own units: the same logit from the features before scaling."""
        return self.scaling.in_own_units(weight, bias)

    def plain(self) -> dict[str, Any]:
        """Return the preprocessing as plain values, for a checkpoint."""
        return {"columns": [_packed(encoder.plain()) for encoder in self.encoders], "scaling": _packed(self.scaling.plain())}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """Return the preprocessing that `plain` wrote down."""
        columns = [_column(_unpacked(column)) for column in values["columns"]]
        return cls(columns, Scaling.from_plain(_unpacked(values["scaling"])))

    def _check(self, block: "pl.DataFrame", scaled: Tensor, where: str, first_row: int) -> None:
        if not scaled.numel() or torch.stack(scaled.T.aminmax()).abs().max() <= torch.finfo(torch.float32).max:
            return
        finite = scaled.float().isfinite()
        if finite.all():
            return
        row, feature = (~finite).nonzero()[0].tolist()
        owners = [encoder.name for encoder in self.encoders for _ in encoder.feature_names]
        name = owners[feature]
        came = block[name][row]
        if came is None or came != came:
            raise _no_value(name, first_row + row, where)
        raise UserError(
            f"{where}: the column '{name}' holds {came} in row {first_row + row}, which is not a number that can be"
            " computed with in float32. Correct the value, or leave the row out."
        )


def _column(values: Mapping[str, Any]) -> Column:
    """Return the column that `Column.plain` wrote down.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    arguments = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name != "kind"}
    kind = KINDS[values["kind"]]
    hints = get_type_hints(kind)
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in arguments and not is_of(arguments[field.name], hints[field.name]):
            raise TypeError(f"{field.name} of a column cannot be {arguments[field.name]!r}")
    column = kind(**arguments)
    if isinstance(column, Category):
        _ = column.missing_row
        if len(column.shares) != len(column.levels) + column.rare + (column.missing == "level"):
            raise ValueError(f"{len(column.shares)} shares for {len(column.levels)} levels")
    return column


def is_coded(widths: Iterable[int]) -> bool:
    """Return whether the categories of a table, which become so many features each, are kept as codes."""
    return sum(widths) > CODED_FROM


def _packed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values with long lists as one tensor, or as one text: Lightning visits each value whenever it saves."""

    def pack(value: Any) -> Any:
        if not isinstance(value, list | tuple) or len(value) <= MOST_LISTED:
            return value
        return json.dumps(value) if isinstance(value[0], str) else torch.tensor(value, dtype=torch.float64)

    return {name: pack(value) for name, value in values.items()}


def _unpacked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain values of which `_packed` made these."""
    lists = {name: value.tolist() for name, value in values.items() if isinstance(value, Tensor)}
    texts = {name: json.loads(value) for name, value in values.items() if name == "levels" and isinstance(value, str)}
    return {**values, **lists, **texts}


def _no_value(name: str, row: int, where: str) -> UserError:
    return UserError(
        f"{where}: the column '{name}' has no value in row {row}, and the model was trained without"
        " missing values. Fill it in, or train with data.missing=mean, which learns what a missing value means."
    )
