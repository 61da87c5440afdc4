"""The package from Python: `train`, `load` and `fit`, against the command line, statsmodels and the tests' other oracles."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from processes import environment

import logitlab as lg
from logitlab.data.study import study

HOURS = study().exact.numpy()
PASSED = study().target[:, 0].numpy().astype(int)


@pytest.fixture(scope="module")
def table() -> tuple[np.ndarray, np.ndarray]:
    """300 rows of three columns, one of them 0 or 1, whose classes overlap."""
    draw = np.random.default_rng(7)
    x = np.column_stack([draw.normal(size=300), 50 + 10 * draw.normal(size=300), draw.integers(0, 2, 300)])
    probability = 1 / (1 + np.exp(-(0.8 * x[:, 0] + 0.05 * (x[:, 1] - 50) - 0.7 * x[:, 2])))
    return x, (draw.random(300) < probability).astype(int)


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, logitlab; assert not {'torch', 'numpy', 'hydra', 'polars'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True, timeout=60)


def test_every_public_name_is_there() -> None:
    assert {"train", "load", "fit", "ElasticNet", "Firth", "Newton", "LBFGS", "Network", "UserError"} <= set(lg.__all__)
    for name in lg.__all__:
        assert getattr(lg, name).__doc__, name
    assert set(lg.__all__) <= set(dir(lg))
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        lg.fitt  # type: ignore[attr-defined]  # noqa: B018 (the attribute is the subject)


@pytest.mark.parametrize("errors", ["classical", "HC0"])
def test_fit_is_statsmodels_logit(table: tuple[np.ndarray, np.ndarray], errors: str) -> None:
    x, y = table
    fit = lg.fit(x, y, errors=errors.lower())
    kind = {} if errors == "classical" else {"cov_type": errors}
    theirs = sm.Logit(y, np.column_stack([x, np.ones(len(x))])).fit(disp=False, tol=1e-12, **kind)
    np.testing.assert_allclose([*fit.weight, fit.bias], theirs.params, rtol=1e-8)
    np.testing.assert_allclose(fit.std_errors, theirs.bse, rtol=1e-6)
    np.testing.assert_allclose(fit.coefficients["p"], theirs.pvalues, rtol=1e-5)
    assert fit.table.goodness.log_likelihood == pytest.approx(theirs.llf)
    hc0, hc1 = (lg.fit(x, y, errors=kind).std_errors for kind in ("hc0", "hc1"))
    np.testing.assert_allclose(hc1, hc0 * np.sqrt(300 / 296), rtol=1e-9)  # statsmodels' Logit leaves the factor out
    both = fit.predict_proba(x)
    assert both.shape == (300, 2)
    np.testing.assert_allclose(both[:, 1], theirs.predict(), rtol=1e-8)
    np.testing.assert_allclose(both.sum(axis=1), 1)
    assert (fit.predict(x) == (both[:, 1] >= 0.5)).all()


def test_weights_are_counts(table: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = table
    counts = np.random.default_rng(1).integers(1, 4, len(y))
    weighted, repeated = lg.fit(x, y, weight=counts), lg.fit(np.repeat(x, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.weight, repeated.weight, rtol=1e-9)
    np.testing.assert_allclose(weighted.std_errors, repeated.std_errors, rtol=1e-9)


def test_penalties(table: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn.linear_model import LogisticRegression

    x, y = table
    ours = lg.fit(x, y, penalty=lg.ElasticNet(l2=0.02))
    theirs = LogisticRegression(C=1 / (0.02 * len(y)), solver="newton-cholesky", tol=1e-10).fit(x, y)
    np.testing.assert_allclose(ours.weight, theirs.coef_[0], rtol=1e-6)
    assert np.isnan(ours.std_errors).all()
    assert "no standard errors: a penalty pulls the coefficients towards 0" in ours.summary()
    assert (lg.fit(x, y, penalty=lg.ElasticNet(l1=1)).weight == 0).all()
    separable = lg.fit([[0], [1], [2], [3]], [0, 0, 1, 1], penalty=lg.Firth())
    assert np.isfinite(separable.weight).all()


def test_frames_text_classes_and_names() -> None:
    frame = pd.DataFrame({"hours": HOURS[:, 0]})
    answers = np.where(PASSED == 1, "pass", "fail")
    fit = lg.fit(frame, answers)
    assert fit.classes.tolist() == ["fail", "pass"]
    assert fit.coefficients["name"].to_list() == ["hours", "bias"]
    assert set(fit.predict(pl.DataFrame(frame.to_dict("list")))) == {"fail", "pass"}
    assert "hours     1.505      0.6287" in fit.summary()


@pytest.mark.parametrize(
    ("x", "y", "given", "words"),
    [
        ([[0], [1], [2], [3]], [0, 0, 1, 1], {}, "no finite optimum: the classes are separable"),
        ([[0], [1]], [1, 1], {}, "y has 1 different values"),
        ([[0], [1]], [0, 1, 1], {}, "y has 3 values for 2 rows"),
        ([0, 1], [0, 1], {}, r"X has the shape \(2,\)"),
        ([["a"], ["b"]], [0, 1], {}, "X is no table of numbers"),
        ([[0], [float("nan")]], [0, 1], {}, "missing or infinite"),
        (HOURS, PASSED, {"errors": "hc9"}, "errors=hc9 is not allowed"),
        (HOURS, PASSED, {"errors": "hc1", "interval": "profile"}, "does not go with a profile"),
        (HOURS, PASSED, {"errors": "cluster"}, "needs the group of each of the 20 rows"),
        (HOURS, PASSED, {"weight": [0] * 20}, "weight holds a number that is not above 0"),
        (HOURS, PASSED, {"weight": [1, 2]}, "weight takes a finite number for each of the 20 rows"),
        (HOURS, PASSED, {"feature_names": ["a", "b"]}, "X has 1 columns, and there are 2 names"),
    ],
)
def test_what_cannot_be_fitted_is_refused(x: object, y: object, given: dict, words: str) -> None:
    with pytest.raises(lg.UserError, match=words):
        lg.fit(x, y, **given)


def test_a_run_is_that_of_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = list(sys.argv)
    run = lg.train("data=study", "optimizer=newton", "logger=none")
    assert run.path.parent == tmp_path / "outputs/study-sequential"
    assert sys.argv == before
    assert run.value == run.metrics["train/loss"] == pytest.approx(0.4014939)
    coefficients = {row["name"]: row for row in run.coefficients.to_dicts()}
    assert coefficients["hours"]["std_error"] == pytest.approx(lg.fit(HOURS, PASSED).std_errors[0], rel=1e-6)
    assert json.loads((run.path / "environment.json").read_text())["command"].startswith("python train.py data=study")

    model = lg.load(run.path)
    assert (model.columns, model.classes, model.threshold) == (("hours",), ("0", "1"), 0.5)
    both = model.predict_proba(np.array([[1.0], [3.0]]))
    assert both.shape == (2, 2)
    np.testing.assert_allclose(both, lg.fit(HOURS, PASSED).predict_proba([[1.0], [3.0]]), rtol=1e-6)
    for frame in pd.DataFrame({"other": [0, 0], "hours": [1.0, 3.0]}), pl.DataFrame({"hours": [1.0, 3.0]}):
        np.testing.assert_array_equal(model.predict_proba(frame), both)
    assert model.predict(np.array([[1.0], [3.0]])).tolist() == ["0", "1"]
    for wrong, words in (np.zeros((2, 2)), "the columns are hours"), (pd.DataFrame({"a": [1]}), "lacks the column hours"):
        with pytest.raises(lg.UserError, match=words):
            model.predict_proba(wrong)
    resumed = lg.train("data=study", "optimizer=newton", "logger=none", f"ckpt_path={run.path}")
    assert resumed.path == run.path


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("optimzer=newton",), "Did you mean 'optimizer'?"),
        (("data=studdy",), "data=studdy is not a choice. Did you mean 'study'?"),
        (("optimizer.lr=-1",), "optimizer.lr=-1 is not allowed"),
        (("-m", "seed=1,2"), "trains one run: -m is not one"),
        (("data=table",), "data.path and data.target are not given"),
    ],
)
def test_a_wrong_override_is_an_exception(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(lg.UserError) as caught:
        lg.train(*overrides)
    assert words in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_is_an_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(lg.RunError):
        lg.train("data=scores", "data.scale=none", "model=logits", "optimizer.lr=1e38", "logger=none")


def test_a_table_of_text_and_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(2)
    frame = pl.DataFrame(
        {"town": draw.choice(["north", "south"], 40), "age": draw.integers(20, 60, 40), "y": draw.integers(0, 2, 40)}
    )
    frame.write_csv("rows.csv")
    run = lg.train(
        "data=table", "data.path=rows.csv", "data.target=y", "data.split=none", "trainer.max_epochs=3", "logger=none"
    )
    both = run.model.predict_proba(frame)
    np.testing.assert_array_equal(both, run.model.predict_proba(frame.select(run.model.columns).to_pandas()))
    mixed = np.array([[town, age] for town, age in frame.select("town", "age").rows()], dtype=object)
    np.testing.assert_array_equal(both, run.model.predict_proba(mixed))
