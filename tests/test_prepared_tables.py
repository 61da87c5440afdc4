"""How a table is prepared: what is scaled and what is not, and what weights have to do with it.

The oracles are scikit-learn and the same table with its rows written out as often as they count.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from runs import Run
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from logitlab.data.preprocessing import Preprocessing
from logitlab.data.table import table
from logitlab.errors import UserError
from logitlab.inference.model_file import load_model

NEWTON = ("optimizer=newton", "logger=none", "callbacks.early_stopping=null")


def options(path: Path, *more: str) -> list[str]:
    return ["data=table", f"data.path={path}", "data.target=y", *more]


def coefficients(run: Run) -> dict[str, float]:
    with (run.path / "coefficients.csv").open() as file:
        return {row["name"]: float(row["estimate"]) for row in csv.DictReader(file)}


def many_levels(rows: int = 3_000, seed: int = 0) -> pl.DataFrame:
    """A number, a flag and a category of many rare levels, which all say something about the answer."""
    draw = np.random.default_rng(seed)
    x, flag, level = draw.normal(size=rows), draw.random(rows) < 0.03, np.minimum(draw.geometric(1 / 80, size=rows), 400)
    y = draw.random(rows) < 1 / (1 + np.exp(-(0.8 * x + flag + draw.normal(size=401)[level])))
    part = np.array(["test", "val", "train", "train", "train", "train"])[np.arange(rows) % 6]
    levels = [f"c{each:03}" for each in level]
    return pl.DataFrame({"x": 50 + 20 * x, "flag": flag.astype(int), "cat": levels, "y": y.astype(int), "part": part})


def test_categories_and_flags_stay_0_and_1_so_that_c_is_scikit_learns(fit: Callable[..., Run], tmp_path: Path) -> None:
    frame = many_levels()
    frame.write_csv(path := tmp_path / "t.csv")
    data = options(path, "data.split=column", "data.split_by=part", "data.categorical=[cat]")
    train, test = (frame.filter(part=name) for name in ("train", "test"))
    levels = sorted(train["cat"].unique())

    def features(rows: pl.DataFrame) -> np.ndarray:
        x = (rows["x"] - train["x"].mean()) / train["x"].std(ddof=0)
        return np.column_stack([x, rows["flag"], *((rows["cat"] == level).cast(int) for level in levels[1:])])

    model = LogisticRegression(C=1, solver="newton-cholesky", tol=1e-10, max_iter=1_000).fit(features(train), train["y"])
    found = coefficients(fit(*data, *NEWTON, directory=tmp_path / "newton"))
    theirs = model.coef_[0] / np.array([train["x"].std(ddof=0), *[1] * len(levels)])
    np.testing.assert_allclose(list(found.values())[:-1], theirs, rtol=0, atol=1e-5)
    known = test.filter(pl.col("cat").is_in(levels))
    best = log_loss(known["y"], model.predict_proba(features(known))[:, 1])
    run = fit(*data, "logger=none", directory=tmp_path / "default")
    assert run.json()["test/loss"] == pytest.approx(best, abs=0.01)


def test_a_flag_with_gaps_stays_0_and_1_too(tmp_path: Path) -> None:
    frame = many_levels(200).with_columns(pl.Series("x", [None, *range(199)]), pl.Series("flag", [None, *[0, 1, 0] * 66, 1]))
    frame.write_csv(path := tmp_path / "t.csv")
    scaling = table(str(path), "y", drop=["part"], categorical=["cat"], missing="mean", split="none").preprocessing.scaling
    assert scaling.scale[0] == pytest.approx(np.r_[99, :199].std())
    assert set(scaling.scale[1:]) == {1.0}
    assert set(scaling.center[1:]) == {0.0}


@pytest.mark.parametrize("penalty", ["penalty.l2=0.05", "penalty.l1=0.02"])
def test_weighted_and_repeated_rows_agree_under_a_penalty(fit: Callable[..., Run], tmp_path: Path, penalty: str) -> None:
    frame = many_levels(240).with_columns(
        cat=pl.col("cat").str.slice(0, 3),
        day=pl.Series([None, *(f"2024-01-{1 + row % 31:02}" for row in range(239))]),
        times=pl.Series([1 + row % 4 for row in range(240)]),
        x=pl.when(pl.int_range(240) % 11 == 0).then(None).otherwise("x"),
    )
    frame.write_csv(tmp_path / "weighted.csv")
    frame.select(pl.all().repeat_by("times").explode()).write_csv(tmp_path / "repeated.csv")
    common = ("data.drop=[part,times]", "data.split=none", "data.missing=mean", "penalty=elastic_net", penalty)
    weighted, repeated = (
        coefficients(fit(*options(tmp_path / f"{name}.csv", *common, *more), *NEWTON, directory=tmp_path / name))
        for name, more in (("weighted", ["data.drop=[part]", "data.weight=times"]), ("repeated", []))
    )
    assert list(weighted) == list(repeated)
    np.testing.assert_allclose(list(weighted.values()), list(repeated.values()), rtol=1e-6, atol=1e-9)


def test_values_whose_variance_is_no_float64_are_refused(tmp_path: Path) -> None:
    (path := tmp_path / "t.csv").write_text("x,y\n0,0\n2e-313,1\n0,1\n2e-313,0\n")
    with pytest.raises(UserError, match=r"column 'x' are too near to each other .* 1e-313.*data.drop=\[x\]"):
        table(str(path), "y", split="none")


def test_a_column_that_is_one_value_or_missing_says_only_that_it_is_missing(
    fit: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    draw = np.random.default_rng(0)
    x, known = draw.normal(size=200), draw.random(200) > 0.3
    y = (x + ~known + draw.logistic(size=200) > 0).astype(int)
    frame = pl.DataFrame({"x": x, "c": np.where(known, 5.0, np.nan), "since": np.where(known, "2024-03-01", ""), "y": y})
    frame = frame.with_columns(pl.col("c").fill_nan(None), since=pl.when(pl.lit(known)).then("since"))
    frame.drop("since").write_csv(path := tmp_path / "t.csv")
    run = fit(*options(path, "data.missing=mean", "data.split=none", "penalty=elastic_net"), *NEWTON)
    assert set(coefficients(run)) == {"x", "c is missing", "bias"}
    assert "'c' is 5 wherever it is known: only whether it is missing is a feature." in capsys.readouterr().out
    model = load_model(run.path)
    new = pl.DataFrame({"x": [0.3] * 3, "c": [5.0, 105.0, None]})
    probability = model.network.probability(model.network(model.preprocessing.transform(new).double()))[:, 0].tolist()
    assert probability[0] == probability[1] != probability[2]
    frame.write_csv(path)
    dated = table(str(path), "y", missing="mean", split="none").preprocessing
    assert dated.feature_names == ("x", "c is missing", "since is missing")
    assert Preprocessing.from_plain(dated.plain()).plain() == dated.plain()


@pytest.mark.parametrize("gap", [False, True])
def test_a_row_number_is_noticed_in_a_table_that_is_split(tmp_path: Path, gap: bool) -> None:
    frame = many_levels(200).drop("cat", "part").with_columns(nth=pl.int_range(1, 201))
    if gap:
        frame = frame.with_columns(x=pl.when(pl.int_range(200) % 7 == 3).then(None).otherwise("x"))
    frame.write_csv(path := tmp_path / "t.csv")
    notices = table(str(path), "y", missing="drop").data_summary.notices
    assert any("'nth' counts the rows and looks like a row number" in notice for notice in notices)
