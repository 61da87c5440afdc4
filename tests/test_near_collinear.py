"""Columns that nearly or exactly depend on others: the coefficients and errors that R's glm gives, whatever the seed."""

import csv
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from processes import run_command

CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).parents[1]


def trained(tmp_path, path, *more):
    """Train to the optimum; return what was printed, the coefficients by name, and statistics.json."""
    words = ["data=table", f"data.path={path}", "data.target=y", "penalty=null"]
    words += ["data.split=none", "hydra.run.dir=run", "logger=none", *more]
    if not any("optimizer=" in word for word in more):
        words.append("optimizer=newton")
    done = run_command("train", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "run" / "coefficients.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    return done.stdout, rows, json.loads((tmp_path / "run" / "statistics.json").read_text())


def number(rows, name, column="estimate"):
    return float(rows[name][column])


def orthogonal_fit(x, y):
    """Return coefficients and errors in own units, the bias last, by statsmodels on orthogonal columns, exactly."""
    middle = x.mean(0)
    orthogonal, upper = np.linalg.qr(x - middle)
    theirs = sm.GLM(y, sm.add_constant(orthogonal), family=sm.families.Binomial()).fit(tol=1e-15, maxiter=100)
    inverse = np.linalg.inv(upper)
    estimate, scatter = inverse @ theirs.params[1:], inverse @ theirs.cov_params()[1:, 1:] @ inverse.T
    return estimate, np.sqrt(scatter.diagonal()), theirs.deviance


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_start_and_end_in_seconds(tmp_path, solver):
    out, rows, statistics = trained(tmp_path, CASES / "start_end.csv", f"optimizer={solver}")
    assert "optimum reached" in " ".join(out.split()) and "collinear" not in out
    frame = pl.read_csv(CASES / "start_end.csv")
    x = frame.select("start", "end").to_numpy()
    estimate, error, deviance = orthogonal_fit(
        np.column_stack([x[:, 0] - 1_600_000_000, x[:, 1] - x[:, 0]]), frame["y"].to_numpy()
    )
    digits = 1e-6 if solver == "newton" else 1e-4
    assert number(rows, "end") == pytest.approx(estimate[1], rel=digits)
    assert number(rows, "start") == pytest.approx(estimate[0] - estimate[1], rel=digits)
    assert number(rows, "end", "std_error") == pytest.approx(error[1], rel=digits)
    # R 4.2.2, glm
    assert number(rows, "start") == pytest.approx(-0.013454, abs=5e-7)
    assert number(rows, "end") == pytest.approx(0.013454, abs=5e-7)
    assert number(rows, "end", "z") == pytest.approx(22.98, abs=0.005)
    assert statistics["deviance"] == pytest.approx(deviance, rel=1e-9) == pytest.approx(3236.3, abs=0.05)


def test_the_network_that_is_saved_predicts_what_the_table_says(tmp_path):
    trained(tmp_path, CASES / "start_end.csv")
    done = run_command("predict", "run=run", f"data.path={CASES / 'start_end.csv'}", "output=p.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    p, y = (
        pl.read_csv(path)[name].to_numpy()
        for path, name in ((tmp_path / "p.csv", "probability"), (CASES / "start_end.csv", "y"))
    )
    assert -2 * np.log(np.where(y == 1, p, 1 - p)).sum() == pytest.approx(3236.3, abs=0.05)


def test_columns_that_agree_to_seven_digits(tmp_path):
    _, rows, statistics = trained(tmp_path, CASES / "near1e-07.csv")
    frame = pl.read_csv(CASES / "near1e-07.csv")
    a, b = frame["a"].to_numpy(), frame["b"].to_numpy()
    estimate, error, deviance = orthogonal_fit(np.column_stack([a, b - a]), frame["y"].to_numpy())
    assert statistics["deviance"] == pytest.approx(2247.0, abs=0.05)
    assert statistics["deviance"] == pytest.approx(deviance, rel=1e-9)
    assert number(rows, "b") == pytest.approx(estimate[1], rel=1e-6)
    assert number(rows, "b", "std_error") == pytest.approx(error[1], rel=1e-6)


@pytest.mark.parametrize("errors", ["classical", "hc0"])
def test_powers_of_the_year(tmp_path, errors):
    random = np.random.default_rng(2)
    year = random.integers(1960, 2025, size=800)
    t = (year - 1990) / 20
    y = (random.uniform(size=800) < 1 / (1 + np.exp(-(0.5 * t - t**2 + 0.8 * t**3)))).astype(int)
    pl.DataFrame({"year": year, "square": year**2, "cube": year**3, "y": y}).write_csv(tmp_path / "years.csv")
    _, rows, statistics = trained(tmp_path, tmp_path / "years.csv", f"results.coefficients.errors={errors}")
    theirs = sm.GLM(y, sm.add_constant(np.column_stack([t, t**2, t**3])), family=sm.families.Binomial())
    theirs = theirs.fit(tol=1e-15, maxiter=100, cov_type="nonrobust" if errors == "classical" else "HC0")
    assert statistics["deviance"] == pytest.approx(theirs.deviance, rel=1e-9)
    assert number(rows, "cube") == pytest.approx(theirs.params[3] / 20**3, rel=1e-6)
    assert number(rows, "cube", "std_error") == pytest.approx(theirs.bse[3] / 20**3, rel=1e-6)
    assert number(rows, "cube", "z") == pytest.approx(theirs.tvalues[3], rel=1e-6)
    contrast = np.array([0, 0, 1, -3 * 1990 / 20]) / 20**2  # of t^2 and t^3: the coefficient of year^2
    assert number(rows, "square") == pytest.approx(contrast @ theirs.params, rel=1e-5)
    error = (contrast @ theirs.cov_params() @ contrast) ** 0.5
    assert number(rows, "square", "std_error") == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize("seed", [1, 5])
def test_the_later_of_two_equal_columns_is_aliased_whatever_the_seed(tmp_path, seed):
    out, rows, statistics = trained(tmp_path, CASES / "dup.csv", f"seed={seed}")
    frame = pl.read_csv(CASES / "dup.csv")
    theirs = sm.GLM(
        frame["y"].to_numpy(), sm.add_constant(frame.select("a", "b").to_numpy()), family=sm.families.Binomial()
    ).fit(tol=1e-15)
    for place, name in enumerate(("bias", "a", "b")):
        assert number(rows, name) == pytest.approx(theirs.params[place], rel=1e-8)
        assert number(rows, name, "std_error") == pytest.approx(theirs.bse[place], rel=1e-8)
    assert number(rows, "a") == pytest.approx(0.846, abs=5e-4)
    assert rows["a2"]["estimate"] == rows["a2"]["std_error"] == ""
    assert rows["a2"]["note"] == "aliased: a2 = a"
    assert statistics["aic"] == pytest.approx(theirs.aic)
    assert "aliased" in out


def test_aliased_columns_are_no_degrees_of_freedom(tmp_path):
    _, rows, _ = trained(tmp_path, CASES / "dup20.csv", "results.coefficients.errors=hc1")
    assert number(rows, "b", "std_error") == pytest.approx(0.246, abs=5e-4)
    assert [name for name, row in rows.items() if row["note"]] == [f"a{place}" for place in range(1, 20)]
