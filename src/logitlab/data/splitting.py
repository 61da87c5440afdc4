"""How data.split divides a table, and whether each split is usable."""

from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from logitlab.data import reading, splits
from logitlab.data.columns import as_text, days_since
from logitlab.data.faults import rows_at, short_list, shown
from logitlab.data.kinds import settle
from logitlab.data.labels import Labels
from logitlab.data.options import TableOptions
from logitlab.data.roles import Roles
from logitlab.data.splits import NAMES, Rows
from logitlab.errors import UserError


@dataclass(frozen=True)
class Plan:
    """The keys data.split, data.split_by, ...

    Attributes:
        way: "fractions", "group", "time", "column", "files" or "none"; "fractions" becomes "files" where there are files for
            val or test.
        by: the column of groups, times or splits.
        val: the share of the val rows.
        test: the share of the test rows.
        val_path: a file of val rows.
        test_path: a file of test rows.
        seed: of the draw.
        folds: of a cross-validation, that divide all but the test rows; None: there is none.
        fold: the one whose rows are val, or "all": none of them.
    """

    way: str
    by: str | None
    val: float
    test: float
    val_path: str | None
    test_path: str | None
    seed: int
    folds: int | None = None
    fold: int | str | None = None

    def __post_init__(self) -> None:
        if self.folds is not None:  # val is a fold
            object.__setattr__(self, "val", 0.0)
        if self.way == "fractions" and (self.val_path or self.test_path):
            object.__setattr__(self, "way", "files")
        if self.way in ("group", "time", "column") and not self.by:
            raise UserError(f"data.split={self.way} needs the name of the column: data.split_by=<column>.")
        if self.by and self.way not in ("group", "time", "column"):
            raise UserError(f"data.split_by={self.by} goes with data.split=group, time or column, not with {self.way}.")
        if self.way == "files" and not (self.val_path or self.test_path):
            raise UserError("data.split=files needs data.val_path=<file> or data.test_path=<file>.")
        if self.val + self.test >= 1:
            raise UserError(
                f"data.val_fraction={self.val:g} and data.test_fraction={self.test:g} leave no training rows: together they"
                " must be below 1."
            )


def read_files(
    path: str, plan: Plan, form: TableOptions, roles: Roles, max_columns: int, notices: list[str]
) -> tuple[pl.DataFrame, pl.Series | None]:
    """Return the rows of all files, one below the other, and the split of each where files make the splits."""
    where = reading.named(path)
    frame = reading.read(path, form, columns=roles.needed, max_columns=max_columns, notices=notices, text=roles.categorical)
    if plan.way != "files":
        return frame, None
    kinds = {name: "number" if dtype.is_numeric() else "category" for name, dtype in frame.schema.items()}
    frames, names = [frame], ["train"] * len(frame)
    for name, other in (("val", plan.val_path), ("test", plan.test_path)):
        if other:
            reading.check_path(other, f"data.{name}_path")
            more = reading.read(other, form, kinds, roles.needed, max_columns, notices)
            if lacking := [column for column in roles.needed if column not in more.columns]:
                raise UserError(
                    f"{other} lacks the columns {short_list([shown(each) for each in lacking])}, which {where} has."
                )
            frames.append(more.select(frame.columns))
            names += [name] * len(more)
    return pl.concat(frames, how="vertical_relaxed", rechunk=False), pl.Series("split", names)


def split(plan: Plan, target: Tensor, by: pl.Series | None, own: pl.Series | None, where: str) -> Rows:
    """Return the rows of each split; where there are folds, they divide what is not test.

    Args:
        plan: of the split.
        target: (rows, 1), 0 or 1; the strata of data.split=fractions.
        by: the column data.split_by.
        own: the split of each row where files make the splits.
        where: the file, for errors.
    """
    rows = _split(plan, target, by, own, where)
    if plan.folds is None or plan.fold is None:
        return rows
    groups = _groups(by) if plan.way == "group" and by is not None else None
    return splits.by_folds(target[:, 0], plan.folds, plan.fold, plan.seed, rows["test"], groups)


def _split(plan: Plan, target: Tensor, by: pl.Series | None, own: pl.Series | None, where: str) -> Rows:
    if own is not None:
        return splits.by_names(own)
    if plan.way == "none":
        return splits.everything(len(target))
    if by is None:
        return splits.by_fractions(len(target), plan.val, plan.test, plan.seed, target[:, 0])
    if by.null_count():
        raise UserError(f"{where}: the column '{by.name}' (data.split_by) has no value in {rows_at(by.is_null().arg_true())}.")
    if plan.way == "group":
        return splits.by_groups(_groups(by), plan.val, plan.test, plan.seed)
    if plan.way == "time":
        return splits.by_time(_times(by, where), plan.val, plan.test)
    return splits.by_names(_names(by, where))


def _groups(by: pl.Series) -> Tensor:
    return torch.from_numpy(by.rank("dense").cast(pl.Int64).to_numpy(writable=True)) - 1


def check(rows: Rows, target: Tensor, plan: Plan, labels: Labels, where: str) -> list[str]:
    """Return sentences about splits of one class.

    Raises:
        UserError: there are no training rows of one class, or a split that was asked for has no rows.
    """
    notices = []
    for name in NAMES:
        wanted = name == "train" or (plan.way in ("fractions", "group", "time") and getattr(plan, name) > 0)
        if not len(rows[name]) and wanted:
            together = f" that stay together by '{plan.by}'" if plan.by else ""
            raise UserError(
                f"{where}: {len(target):,} rows{together} leave none for {name}. Type data.split=none to train on every row"
                + (f", or a larger data.{name}_fraction." if name != "train" else ", or smaller fractions for val and test.")
            )
        classes = target[rows[name]].unique().tolist()
        if len(classes) == 1:
            only = labels.classes[int(classes[0])]
            if name == "train":
                raise UserError(
                    f"{where}: all {len(rows[name]):,} training rows have {labels.name}={only}. There must be training rows of"
                    " both classes: take more rows, or split in another way (data.split, data.split_seed)."
                )
            notices.append(f"All {len(rows[name]):,} {name} rows have {labels.name}={only}: AUROC is not defined there.")
    return notices


def lines(rows: Rows, target: Tensor, labels: Labels) -> list[str]:
    """Return a line for each split: rows, and the share of class 1."""
    shown_rows = {name: len(rows[name]) for name in NAMES if len(rows[name])}
    width = max(len(f"{count:,}") for count in shown_rows.values())
    return [
        f"  {name:<5}  {count:>{width},} rows, {target[rows[name]].mean():.1%} of them {labels.name}={labels.positive}"
        for name, count in shown_rows.items()
    ]


def _times(by: pl.Series, where: str) -> Tensor:
    values = settle(by, False, where, max_categories=0)[1] if by.dtype == pl.String else by
    if values.dtype.is_temporal():
        first = values.cast(pl.Date).min()
        return days_since(values, first)  # type: ignore[arg-type]
    if not values.dtype.is_numeric():
        raise UserError(
            f"{where}: the column '{by.name}' (data.split=time) must hold ISO dates or numbers that rise with time."
        )
    return torch.from_numpy(values.cast(pl.Float64).to_numpy(writable=True))


def _names(by: pl.Series, where: str) -> pl.Series:
    text = as_text(by)
    wrong = (~text.is_in(list(NAMES))).arg_true()
    if len(wrong):
        raise UserError(
            f"{where}: the column '{by.name}' (data.split=column) holds {shown(text[wrong[0]])} in {rows_at(wrong)}. It must"
            " hold train, val or test."
        )
    return text
