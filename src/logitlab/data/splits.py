"""The division of rows into train, val and test.

Every function returns the row numbers of "train", "val" and "test", int64 in rising order; val and test may be empty. What is
random comes from a generator of its own, seeded by `seed`: neither the weights' start nor the shuffles change it.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from logitlab.errors import UserError

NAMES = ("train", "val", "test")

Rows = dict[str, Tensor]


def everything(rows: int) -> Rows:
    """Train on every row."""
    nothing = torch.empty(0, dtype=torch.long)
    return {"train": torch.arange(rows), "val": nothing, "test": nothing}


def by_fractions(rows: int, val: float, test: float, seed: int, strata: Tensor | None = None) -> Rows:
    """Draw the shares `val` and `test` at random.

    Each of the `strata`, (rows,), any numbers, is divided alike, to within a row; None: all rows are one stratum.
    """
    split = torch.empty(rows, dtype=torch.int8)
    split[_in_line(rows, seed, strata)] = _evenly(rows, val, test)
    return _collect(split)


def by_groups(groups: Tensor, val: float, test: float, seed: int) -> Rows:
    """Draw whole groups at random: no group has rows in two splits.

    Groups are drawn until a split has its share; one that is larger than what is left goes to the train rows.

    Args:
        groups: (rows,), the number of each row's group, from 0.
        val: the share of the val rows, as near as the groups allow.
        test: the share of the test rows.
        seed: of the generator.
    """
    sizes = groups.bincount()
    wanted = {"test": round(test * len(groups)), "val": round(val * len(groups))}
    split = torch.zeros(len(sizes), dtype=torch.long)
    for group in torch.randperm(len(sizes), generator=torch.Generator().manual_seed(seed)).tolist():
        for name, room in wanted.items():
            if sizes[group] <= room and not split[group]:
                split[group] = NAMES.index(name)
                wanted[name] = room - int(sizes[group])
    return _collect(split[groups])


def by_time(times: Tensor, val: float, test: float) -> Rows:
    """Divide by `times`, (rows,), any numbers that rise with time: train is the earliest, test the latest.

    Rows of one time stay together, in the earlier split: no val or test row is older than a training row. The shares `val` and
    `test` are met as nearly as ties allow.
    """
    rows = len(times)
    values = times.sort().values
    n_test, n_val = round(test * rows), round(val * rows)
    last_of_train = values[max(0, rows - n_test - n_val - 1)]
    last_of_val = values[max(0, rows - n_test - 1)]
    split = (times > last_of_train).long()
    if n_test:
        split = torch.where(times > last_of_val, 2, split)
    if not n_val:
        split = torch.where(split == 1, 2 if n_test else 0, split)
    return _collect(split)


def by_folds(
    strata: Tensor, folds: int, fold: int | str, seed: int, test: Tensor | None = None, groups: Tensor | None = None
) -> Rows:
    """Divide all but the test rows into folds: the rows of one are val, those of the others train.

    The folds are the same whichever of them is chosen. Their shares of a stratum differ by a row at most; with groups, by what
    whole groups allow: the largest first, each goes to the fold that has least of its strata.

    Args:
        strata: (rows,), 0 or 1.
        folds: how many, 2 at least.
        fold: which one is val, from 0; "all": none, every fold trains.
        seed: of the generator.
        test: the numbers of the test rows; None: there are none.
        groups: (rows,), the number of each row's group, from 0; None: every row stands alone.

    Raises:
        UserError: there are fewer rows of a stratum, or fewer groups, than folds.
    """
    split = torch.zeros(len(strata), dtype=torch.long)
    if test is not None:
        split[test] = 2
    others = (split == 0).nonzero()[:, 0]
    fold_of = torch.empty(len(others), dtype=torch.long)
    if groups is None:
        _check_enough(folds, int(strata[others].long().bincount(minlength=2).min()), "rows of each class")
        fold_of[_in_line(len(others), seed, strata[others])] = torch.arange(len(others)) % folds
    else:
        numbers = groups[others].unique(return_inverse=True)[1]
        _check_enough(folds, int(numbers.max()) + 1, "groups")
        fold_of = _assign_groups(numbers, strata[others], folds, seed)[numbers]
    if fold != "all":
        split[others[fold_of == fold]] = 1
    return _collect(split)


def fold_of(train: Tensor, folds: Sequence[Rows]) -> Tensor:
    """Return which fold holds each of the rows out whose numbers are `train`, int64, (rows,), given the rows with each fold."""
    numbers = torch.full((int(train.max()) + 1,), -1)
    for fold, rows in enumerate(folds):
        numbers[rows["val"]] = fold
    return numbers[train]


def by_names(names: Iterable[str]) -> Rows:
    """Take the split of each row as it is given: "train", "val" or "test"."""
    split = torch.tensor([NAMES.index(name) for name in names], dtype=torch.long)
    return _collect(split)


def _check_enough(folds: int, found: int, what: str) -> None:
    if found < folds:
        advice = f"type data.folds={found}, or give more rows" if found > 1 else "give more rows"
        raise UserError(
            f"data.folds={folds} needs at least {folds} {what} among the rows that are not test: there are {found}; {advice}."
        )


def _assign_groups(groups: Tensor, strata: Tensor, folds: int, seed: int) -> Tensor:
    """Return the fold of each group, (groups,), as scikit-learn's StratifiedGroupKFold does, without its search."""
    counts = torch.zeros(int(groups.max()) + 1, 2, dtype=torch.float64)
    counts.index_put_((groups, strata.long()), torch.ones(len(groups), dtype=torch.float64), accumulate=True)
    weights = (1 / counts.sum(0).clamp(min=1) ** 2).tolist()
    mixed = torch.randperm(len(counts), generator=torch.Generator().manual_seed(seed))
    order = mixed[counts[mixed].sum(1).sort(descending=True, stable=True).indices]
    counts_of = [[0.0, 0.0] for _ in range(folds)]
    fold_of = torch.empty(len(counts), dtype=torch.long)
    for group, added in zip(order.tolist(), counts[order].tolist(), strict=True):
        costs = [(sum(w * b * h for w, b, h in zip(weights, added, has, strict=True)), sum(has)) for has in counts_of]
        fold = costs.index(min(costs))
        fold_of[group] = fold
        counts_of[fold] = [has + more for has, more in zip(counts_of[fold], added, strict=True)]
    return fold_of


def _in_line(rows: int, seed: int, strata: Tensor | None) -> Tensor:
    """Return all row numbers by stratum, at random within: splits that take evenly spaced places are stratified."""
    shuffled = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    if strata is None:
        return shuffled
    mixed = strata[shuffled]
    return torch.cat([shuffled[mixed == stratum] for stratum in mixed.unique()])


def _evenly(rows: int, val: float, test: float) -> Tensor:
    """Return a split's number for each place of a line, such that every stretch of it has the splits in their shares."""
    split = torch.zeros(rows, dtype=torch.int8)
    for number, share in ((2, test), (1, val)):
        free = (split == 0).nonzero()[:, 0]
        wanted = round(share * rows)
        split[free[((torch.arange(wanted) + 0.5) * (len(free) / max(wanted, 1))).long()]] = number
    return split


def _collect(split: Tensor) -> Rows:
    return {name: (split == number).nonzero()[:, 0] for number, name in enumerate(NAMES)}
