"""A table from CSV or Parquet: read, split, fitted on its training rows, and served.

The preprocessing is fitted on the training rows alone: other values in val or test rows change nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import polars as pl
import torch
from torch import Tensor

from logitlab import rules
from logitlab.data import kinds, memory, quality, reading, splits, splitting
from logitlab.data.category import Category
from logitlab.data.columns import Column, as_text
from logitlab.data.datamodule import InMemoryDataModule, Prepared
from logitlab.data.description import checksums
from logitlab.data.examples import Examples
from logitlab.data.faults import Faults, short_list
from logitlab.data.labels import Labels
from logitlab.data.options import TableOptions
from logitlab.data.preprocessing import KINDS, Preprocessing, is_coded
from logitlab.data.roles import Roles
from logitlab.data.scaling import Scaling
from logitlab.data.table_summary import TableSummary
from logitlab.errors import UserError
from logitlab.features import Features, narrowest
from logitlab.sparse import SparseFeatures, stored_in_a_row
from logitlab.threads import one_thread

FULL_BATCH_VALUES = 2**21
"""Tables of up to so many values (rows x features) train on one batch of all rows."""

MINI_BATCH_ROWS = 8_192

MOST_DESCRIBED = 1_000
"""Features of one column that columns.json lists, with their scaling; those of a category are its levels anyway."""

PART_ROWS = 16_384
PART_VALUES = 2**21
"""So many rows of the table at most, and values of features, are turned into the matrix at a time, and released."""


def table(
    path: str,
    target: str,
    positive: Any = None,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    weight: str | None = None,
    weight_kind: str | None = None,
    cluster: str | None = None,
    missing: str = "refuse",
    missing_target: str = "refuse",
    separator: str = ",",
    encoding: str = "utf-8",
    decimal_comma: bool = False,
    null_values: Sequence[str] = (),
    format: str | None = None,
    sheet: str | None = None,
    query: str | None = None,
    split: str = "fractions",
    split_by: str | None = None,
    val_fraction: float = 0.15,
    test_fraction: float = 0.15,
    val_path: str | None = None,
    test_path: str | None = None,
    split_seed: int = 0,
    folds: int | None = None,
    fold: int | str | None = None,
    scale: str = "standard",
    batch_size: int | None = None,
    shuffle: bool | None = None,
    max_categories: int = kinds.MAX_CATEGORIES,
    min_count: int = 1,
    hash: int | None = None,
    max_columns: int = reading.MAX_COLUMNS,
    seed: int = 0,
) -> InMemoryDataModule:
    """Return the data module of a table; conf/data/table.yaml documents the arguments.

    Raises:
        UserError: the table cannot be read, or holds what cannot be trained on.
    """
    rules.check("data", weight_kind=weight_kind, missing=missing, missing_target=missing_target, split=split, scale=scale)
    rules.check("data", max_categories=max_categories, max_columns=max_columns, min_count=min_count, hash=hash)
    form = TableOptions(separator, encoding, decimal_comma, null_values, format, sheet, query)
    plan = splitting.Plan(split, split_by, val_fraction, test_fraction, val_path, test_path, split_seed, folds, fold)
    names = reading.column_names(path, form, max_columns)
    rows, value_bytes = reading.size(path, form)
    roles = Roles.assign(names, reading.named(path), target, features, drop, categorical, weight, split_by, cluster)
    memory.check_file(path, rows, roles.needed, len(names), value_bytes)
    draft = _Draft(reading.named(path), roles, missing, missing_target, max_categories, max_columns, min_count, hash)
    frame, own_split = splitting.read_files(path, plan, form, roles, max_columns, draft.notices)
    sums = draft.take(frame, positive, weight_kind)
    del frame
    draft.split(plan, own_split)
    preprocessing = draft.fit(scale)
    with one_thread():
        examples = draft.examples(preprocessing)
    prepared = Prepared(examples, preprocessing, draft.labels.plain(), draft.summary(preprocessing), sums, draft.fold_of)
    return _served(prepared, batch_size, shuffle, seed)


def _served(prepared: Prepared, batch_size: int | None, shuffle: bool | None, seed: int) -> InMemoryDataModule:
    """Return the data module of a table, in full or, of a large one, in shuffled mini-batches, but for what is given."""
    train = prepared.splits["train"]
    if batch_size is None and len(train) * stored_in_a_row(train.exact) > FULL_BATCH_VALUES:
        batch_size = MINI_BATCH_ROWS
    if shuffle is None:
        shuffle = batch_size is not None and batch_size < len(train)
    return InMemoryDataModule(prepared, batch_size=batch_size, shuffle=shuffle, seed=seed)


def _bytes(column: pl.Series) -> Any:
    """Return the content of a column for a checksum: its numbers, or its texts."""
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return column.cast(pl.String).fill_null("").str.join("\0").item().encode()


@dataclass
class _Draft:
    """A table while it is prepared: `take`, `split`, `fit` and `examples`, in this order.

    Attributes:
        path: of the file, for errors.
        roles: of the columns.
        missing: and missing_target, max_categories, max_columns, min_count: the keys of data.
        buckets: data.hash.
        notices: sentences for the summary.
        frame: the feature columns; released as they are turned into the matrix.
        kinds: of the feature columns that are kept.
        numbers: of the rows, in the file.
        rows: of each split.
        encoders: of the features that are kept.
        fold_of: the fold of each training row, where there are folds and all train.
    """

    path: str
    roles: Roles
    missing: str
    missing_target: str
    max_categories: int
    max_columns: int
    min_count: int
    buckets: int | None
    kinds: dict[str, str] = field(default_factory=dict)
    encoders: list[Column] = field(default_factory=list)
    fold_of: Tensor | None = None

    def __post_init__(self) -> None:
        self.notices = self.roles.notices

    def take(self, frame: pl.DataFrame, positive: Any, weight_kind: str | None) -> dict[str, str]:
        """Check the table, settle the kinds of its columns, read target and weights; return a checksum of each column.

        Raises:
            UserError: with everything that is wrong.
        """
        roles, faults = self.roles, Faults(self.path)
        frame = self._settled(frame, faults)
        self.numbers = pl.arange(1, len(frame) + 1, dtype=pl.UInt32, eager=True)
        with faults.collecting():
            frame = self._complete(frame)
        if roles.target in self.kinds:
            with faults.collecting():
                Labels.check_answers(frame[roles.target], self.path)
            with faults.collecting():
                self.labels = Labels.fit(frame[roles.target], positive, self.path)
                if self.labels.rest:
                    others = short_list(self.labels.rest)
                    self.notices.append(
                        f"{roles.target}={self.labels.positive} is class 1, all other values class 0: {others}."
                    )
        self.weight, self.cluster, self.sampling = None, None, False
        if roles.weight in self.kinds:
            with faults.collecting():
                self.weight = quality.weights(frame[roles.weight], self.path)
        if roles.cluster in self.kinds:
            with faults.collecting():
                self.cluster = quality.groups(frame[roles.cluster], self.path)
        faults.refuse()
        self.target = self.labels.encode(frame[roles.target], self.path)
        self.kinds = {name: self.kinds[name] for name in roles.features}
        self.split_values = None if roles.split_by is None else frame[roles.split_by]
        self.frame = frame.select(roles.features)
        becomes = memory.features_of(self.frame, self.kinds, self.missing == "mean")
        categories = [name for name, kind in self.kinds.items() if kind == "category"]
        if is_coded(becomes[name] for name in categories):
            becomes |= dict.fromkeys(categories, 1)
        held = int(self.frame.estimated_size())
        memory.check_features(len(frame), becomes, self.kinds, held, self.path, self.max_columns)
        if self.weight is not None:
            self.sampling, notice = quality.kind_of_weights(self.weight, roles.weight, weight_kind)
            self.notices.append(notice)
        return checksums({column.name: partial(_bytes, column) for column in frame.get_columns()})

    def _settled(self, frame: pl.DataFrame, faults: Faults) -> pl.DataFrame:
        """Return the columns in the types of their kinds; those with faults have no kind."""
        columns = {column.name: column for column in frame.get_columns()}
        for name, column in columns.items():
            with faults.collecting():
                kinds.check_type(column, self.path)
                kind = "no feature"
                if name in self.roles.features:
                    is_category = name in self.roles.categorical
                    is_bounded = self.min_count > 1 or self.buckets is not None
                    most = len(column) if is_bounded else self.max_categories
                    kind, column = kinds.settle(column, is_category, self.path, most)
                if kind != "no feature" or name == self.roles.target:
                    columns[name] = quality.checked(column, self.path)
                self.kinds[name] = kind
        return pl.DataFrame(list(columns.values()))

    def _complete(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that are not to be left out for a missing value, and keep their numbers."""
        target = frame[self.roles.target]
        if self.missing_target == "drop" and 0 < target.null_count() < len(target):
            answered = target.is_not_null()
            self.notices.append(f"{target.null_count():,} rows without an answer were left out (data.missing_target=drop).")
            frame, self.numbers = frame.filter(answered), self.numbers.filter(answered)
        features = [name for name in self.roles.features if name in self.kinds]
        incomplete = quality.incomplete(frame, features, self.missing, self.path)
        if incomplete is not None:
            self.notices.append(f"{int(incomplete.sum()):,} rows with a missing value were left out (data.missing=drop).")
            frame, self.numbers = frame.filter(~incomplete), self.numbers.filter(~incomplete)
        return frame

    def split(self, plan: "splitting.Plan", own_split: pl.Series | None) -> None:
        """Give each row its split, and check that the splits are usable."""
        if own_split is not None:
            own_split = own_split.gather(self.numbers - 1)
        self.rows = splitting.split(plan, self.target, self.split_values, own_split, self.path)
        if plan.folds is not None and plan.fold == "all":
            plans = [replace(plan, fold=fold) for fold in range(plan.folds)]
            folds = [splitting.split(each, self.target, self.split_values, own_split, self.path) for each in plans]
            self.fold_of = splits.fold_of(self.rows["train"], folds)
        self.notices += splitting.check(self.rows, self.target, plan, self.labels, self.path)

    def fit(self, scale: str) -> Preprocessing:
        """Fit the preprocessing on the training rows."""
        constants: list[str] = []
        scalings: list[Scaling] = []
        rows = self.rows["train"].numpy()
        weight = None if self.weight is None else self.weight[self.rows["train"]]
        self.described: list[dict[str, Any]] = []
        for (name, kind), values in zip(self.kinds.items(), self.frame.get_columns(), strict=True):
            train = values.gather(rows)
            gaps = train.null_count()
            if gaps == len(train) or (gaps == 0 and train.min() == train.max()):
                constants.append(name)
                self.described.append({"name": name, "role": "constant, left out", "value": as_text(train[:1])[0]})
                continue
            column = self._fit(kind, train, weight)
            scaling = column.fit_scaling(train, scale, weight)
            if kind == "number" and (notice := quality.identifier_notice(values, self.numbers)):
                self.notices.append(notice)
            if gaps and column.feature_names == (f"{name} is missing",):
                value = as_text(train.drop_nulls()[:1])[0]
                self.notices.append(f"'{name}' is {value} wherever it is known: only whether it is missing is a feature.")
            if isinstance(column, Category):
                self.notices += kinds.category_notices(train, column, self.max_categories, name in self.roles.categorical)
            self.encoders.append(column)
            scalings.append(scaling)
            described = {"role": "feature", **column.plain(), "missing_in_train": gaps}
            if column.width <= MOST_DESCRIBED:
                features = zip(column.feature_names, scaling.center, scaling.scale, strict=True)
                described["features"] = [dict(zip(("name", "center", "scale"), each, strict=True)) for each in features]
            self.described.append(described)
        if constants:
            self.notices.append(f"Left out, for all training rows have one value there: {short_list(constants)}.")
        if not self.encoders:
            raise UserError(
                f"{self.path}: every feature column has one value in all training rows; there is nothing to learn from."
            )
        quality.check_names([name for column in self.encoders for name in column.feature_names], self.path)
        centers, scales = ([each for one in scalings for each in getattr(one, name)] for name in ("center", "scale"))
        return Preprocessing(self.encoders, Scaling(centers, scales))

    def _fit(self, kind: str, train: pl.Series, weight: Tensor | None) -> Column:
        """Return the encoder of a column, given its training rows."""
        if kind != "category":
            return KINDS[kind].fit(train, self.missing == "mean", weight)
        buckets = self.buckets if train.n_unique() > self.max_categories else None
        return Category.fit(train, self.missing == "mean", weight, self.min_count, buckets)

    def examples(self, preprocessing: Preprocessing) -> dict[str, Examples]:
        """Turn the rows into `Features`, part by part; the table's own columns are released on the way."""
        numbers = preprocessing.numbers
        rows = {name: rows for name, rows in self.rows.items() if len(rows)}
        places = self._places_by_type(numbers)
        becomes = {column.name: column.width for column in numbers.encoders}
        becomes |= {column.name: 1 for _, column in preprocessing.coded}
        row_bytes = sum(len(each) * dtype.itemsize for dtype, each in places.items()) + 4 * len(preprocessing.coded)
        held = int(self.frame.estimated_size())
        memory.check_features(len(self.target), becomes, self.kinds, held, self.path, sum(becomes.values()), row_bytes)
        parts_of = {
            name: [(each, torch.empty(len(rows[name]), len(each), dtype=dtype)) for dtype, each in places.items()]
            for name in rows
        }
        done = dict.fromkeys(rows, 0)
        codes = preprocessing.codes(self.frame, self.path)
        step = max(min(PART_ROWS, PART_VALUES // max(len(numbers.feature_names), 1)), 1)
        parts = [self.frame[start : start + step] for start in range(0, len(self.frame), step)]
        self.frame = pl.DataFrame()
        parts.reverse()
        start = 0
        membership = torch.empty(len(self.target), dtype=torch.int8)
        for number, name in enumerate(rows):
            membership[rows[name]] = number
        while parts:
            part = parts.pop()
            values = numbers.checked_own_units(part, self.path, start + 1)
            split = membership[start : start + len(part)]
            for number, name in enumerate(rows):
                mine = values[split == number] if len(rows) > 1 else values
                for each, kept in parts_of[name]:
                    kept[done[name] : done[name] + len(mine)] = mine[:, each]
                done[name] += len(mine)
            start += len(part)
        center, scale = torch.tensor([numbers.scaling.center, numbers.scaling.scale], dtype=torch.float64)
        places_of_numbers, examples = torch.tensor(preprocessing.places, dtype=torch.long), {}
        for name in rows:
            features = Features(parts_of[name], center, scale)
            if codes:
                features = SparseFeatures(features, places_of_numbers, [one[rows[name]] for one in codes])
            examples[name] = self._examples(features, rows[name], preprocessing.feature_names)
        return examples

    def _places_by_type(self, numbers: Preprocessing) -> dict[torch.dtype, Tensor]:
        """Return the narrowest type that holds all values of a feature -> the places of such features."""
        types: list[torch.dtype] = []
        for column in numbers.encoders:
            series, width = self.frame[column.name], column.width
            if isinstance(column, Category):
                takes_shares = len(column.unseen(series)) or (column.missing == "unseen" and series.null_count())
                types += [torch.float64 if takes_shares else torch.int8] * width
            else:
                types += [narrowest(column.encode(series)[:, 0]), torch.int8][:width]
        kept = dict.fromkeys(types or [torch.int8])
        return {dtype: torch.tensor([j for j, each in enumerate(types) if each == dtype], dtype=torch.long) for dtype in kept}

    def summary(self, preprocessing: Preprocessing) -> TableSummary:
        """Return the summary of the table."""
        roles = self.roles
        columns = [{"name": roles.target, "role": "target", "positive": self.labels.positive, "negative": self.labels.negative}]
        columns += self.described
        for role, name in (("row weight", roles.weight), ("split", roles.split_by), ("cluster", roles.cluster)):
            columns += [] if name is None else [{"name": name, "role": role}]
        columns += [{"name": name, "role": "not used"} for name in roles.dropped]
        size = f"{len(self.encoders)} columns become {len(preprocessing.feature_names):,} features"
        title = f"Table {self.path}: {len(self.target):,} rows, {size}"
        lines = splitting.lines(self.rows, self.target, self.labels)
        return TableSummary(title, columns, lines, self.notices, self.rows, self.numbers)

    def _examples(self, features: Features, rows: Tensor, names: tuple[str, ...]) -> Examples:
        weight = None if self.weight is None else self.weight[rows]
        if weight is not None and self.sampling:
            weight = (weight / weight.double().mean()).float()
        cluster = None if self.cluster is None else self.cluster[rows]
        return Examples(features, self.target[rows], names, self.roles.target, weight, cluster, self.sampling)
