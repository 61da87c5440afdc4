"""Folds of a cross-validation, against what scikit-learn's StratifiedKFold and StratifiedGroupKFold promise."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import compose_config
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from logitlab.cli import checks
from logitlab.cli.primary_configs import top_level_keys
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.hours import hours
from logitlab.data.scores import scores
from logitlab.data.splits import by_folds, by_fractions, by_groups
from logitlab.data.study import study
from logitlab.data.table import table
from logitlab.data.toy import toy
from logitlab.errors import UserError
from logitlab.recorded import CONF

TABLE = ("data=table", "data.path=t", "data.target=y")


def val_rows(strata, folds, seed=0, test=None, groups=None):
    """Return the val rows of every fold, after a look at what holds of all of them."""
    found = [by_folds(strata, folds, fold, seed, test, groups) for fold in range(folds)]
    aside = set() if test is None else set(test.tolist())
    for rows in found:
        parts = [set(rows[name].tolist()) for name in ("train", "val", "test")]
        assert sum(map(len, parts)) == len(strata)
        assert set.union(*parts) == set(range(len(strata)))
        assert parts[2] == aside
    every = torch.cat([rows["val"] for rows in found]).sort().values
    assert every.tolist() == sorted(set(range(len(strata))) - aside), "every row is in one fold"
    return [rows["val"] for rows in found]


def shares(strata, parts):
    """Return how many rows of class 0 and of class 1 each part has, (parts, 2)."""
    return np.array([np.bincount(strata[rows].long().numpy(), minlength=2) for rows in parts])


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 7), st.integers(0, 40), st.integers(0, 40), st.integers(0, 3))
def test_every_fold_has_its_share_of_both_classes(folds, more_negative, more_positive, seed):
    strata = torch.tensor([0.0] * (folds + more_negative) + [1.0] * (folds + more_positive))
    ours = shares(strata, val_rows(strata, folds, seed))
    assert np.ptp(ours, axis=0).max() <= 1
    assert np.ptp(ours.sum(1)) <= 1
    split = StratifiedKFold(folds, shuffle=True, random_state=seed).split(strata, strata)
    theirs = shares(strata, [torch.tensor(val) for _, val in split])
    assert sorted(ours[:, 0]) == sorted(theirs[:, 0])
    assert sorted(ours[:, 1]) == sorted(theirs[:, 1])


@pytest.mark.parametrize("seed", range(6))
def test_groups_stay_whole_and_the_classes_as_even_as_scikit_learn_has_them(seed):
    random = np.random.default_rng(seed)
    groups = torch.tensor(random.integers(0, 40, 600))
    strata = torch.tensor(random.random(600) < np.linspace(0.1, 0.7, 40)[groups.numpy()]).float()
    test = by_groups(groups, 0, 0.2, seed)["test"]
    parts = val_rows(strata, 5, seed, test, groups)
    together = [set(groups[part].tolist()) for part in parts]
    assert sum(map(len, together)) == len(set.union(*together)) == len(groups.unique()) - len(groups[test].unique())
    rest = np.setdiff1d(np.arange(600), test.numpy())
    split = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(rest, strata[rest], groups[rest])
    theirs = [torch.tensor(rest[val]) for _, val in split]
    spread = [np.ptp(shares(strata, each)[:, 1] / shares(strata, each).sum(1)) for each in (parts, theirs)]
    assert spread[0] <= spread[1] + 0.03


def test_a_seed_names_the_folds_and_nothing_else_does():
    strata = torch.tensor([0.0, 1.0]).repeat(50)
    first, again, other = (by_folds(strata, 5, 0, seed)["val"].tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_all_folds_train_where_none_validates():
    strata = torch.tensor([0.0, 1.0]).repeat(50)
    test = by_fractions(100, 0, 0.2, 0, strata)["test"]
    rows = by_folds(strata, 5, "all", 0, test)
    assert len(rows["val"]) == 0
    assert len(rows["train"]) == 80


@pytest.mark.parametrize(("source", "folds"), [(toy, 3), (hours, 2), (scores, 3), (study, 5)])
def test_the_scaling_is_learnt_of_the_folds_training_rows(source, folds):
    whole = source()
    for fold in range(folds):
        data = InMemoryDataModule(source(), scale="standard", folds=folds, fold=fold)
        train, val = data.rows("train"), data.rows("val")
        assert len(train) + len(val) == len(whole)
        torch.testing.assert_close(train.features.mean(0), torch.zeros(data.in_features), atol=1e-6, rtol=0)
        center, scale = (torch.tensor(each) for each in (data.preprocessing.scaling.center, data.preprocessing.scaling.scale))
        own = torch.cat([train.features, val.features]) * scale + center
        assert sorted(own[:, 0].round(decimals=4).tolist()) == sorted(whole.features[:, 0].round(decimals=4).tolist())


@pytest.mark.parametrize(
    ("given", "told"), [({"folds": 5}, "type data.folds=3"), ({"folds": 9}, "at least 9 rows of each class")]
)
def test_too_few_rows_are_refused(given, told):
    with pytest.raises(UserError, match=told):
        InMemoryDataModule(toy(), **given, fold=0)


@pytest.fixture
def csv(tmp_path):
    random = np.random.default_rng(3)
    x, group = random.normal(size=200), random.integers(0, 20, 200)
    y = (random.random(200) < 1 / (1 + np.exp(-x))).astype(int)
    split = random.choice(["train", "val", "test"], 200, p=[0.6, 0.2, 0.2])
    lines = [f"{a:.6f},{b},{g},{s}" for a, b, g, s in zip(x, y, group, split, strict=True)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["x,y,site,part", *lines]) + "\n")
    return path, group, split


def read(path, fold, **rest):
    data = table(str(path), "y", features=["x"], scale="none", folds=4, fold=fold, **rest)
    return {name: sorted(round(float(x), 5) for x in rows.features[:, 0]) for name, rows in data.splits.items()}


@pytest.mark.parametrize(
    "given", [{}, {"split": "none"}, {"split": "group", "split_by": "site"}, {"split": "column", "split_by": "part"}]
)
def test_a_tables_test_rows_are_set_aside_first(csv, given):
    path, _, split = csv
    found = [read(path, fold, **given) for fold in range(4)]
    for each in found[1:]:
        assert each.get("test") == found[0].get("test")
    judged = sorted(x for each in found for x in each["val"])
    refit = read(path, "all", **given)
    assert judged == refit["train"], "what is judged in turn is what the refit is trained on"
    assert "val" not in refit
    assert refit.get("test") == found[0].get("test")
    if given.get("split") == "column":
        assert len(refit["test"]) == (split == "test").sum()
    if given == {}:
        whole = table(str(path), "y", features=["x"], scale="none")
        assert refit["test"] == sorted(round(float(x), 5) for x in whole.rows("test").features[:, 0])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["data.folds=5"], r'-m "data.fold=range\(5\)"'),
        (["data.fold=1"], "data.folds=5 data.fold=1"),
        (["data.folds=3", "data.fold=3"], "they are 0 to 2"),
        (["data.folds=1", "data.fold=0"], "a whole number from 2 up"),
        (
            ["data=table", "data.path=t", "data.target=y", "data.folds=3", "data.fold=0", "data.split=time"],
            "those of the future",
        ),
        (["data=table", "data.path=t", "data.target=y", "data.folds=3", "data.fold=0", "data.val_path=v"], "names others"),
    ],
)
def test_folds_that_cannot_be_are_refused_before_anything_is_read(tmp_path, given, told):
    with pytest.raises(UserError, match=told):
        checks.check(compose_config(*given, directory=tmp_path), top_level_keys("config", CONF))
