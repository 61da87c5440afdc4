"""Tables of integers and dummies: separation against a linear programme on thousands, and what is said of it."""

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
import torch
from processes import run_command
from scipy.optimize import linprog

from logitlab.data.scaling import Scaling
from logitlab.solvers.newton import Solution
from logitlab.solvers.objective import Objective
from logitlab.solvers.separation import Separation, optimum

CASES = Path(__file__).parent / "cases"
ROOT = Path(__file__).parents[1]


def random_table(seed):
    """Return a table of one to five columns of small whole numbers: dummies, counts, levels, with ties and with dependence."""
    random = np.random.default_rng(seed)
    rows, columns = random.integers(4, 70), random.integers(1, 6)
    low, high = random.choice([(0, 2), (0, 3), (-3, 4), (0, 10), (1, 6)])
    x = random.integers(low, high, size=(rows, columns))
    if seed % 7 == 0 and columns > 1:
        x[:, -1] = x[:, 0] + random.integers(0, 2, size=rows)
    logit = (x - x.mean(0)) @ random.normal(size=columns) * random.choice([0.5, 2.0, 10.0]) / (x.std() + 0.1)
    y = (random.uniform(size=rows) < 1 / (1 + np.exp(-logit.clip(-30, 30)))).astype(int)
    return x, y


def signed(x, y):
    return (2 * y - 1)[:, None] * np.column_stack([x, np.ones(len(x), dtype=int)])


def is_separable(x, y):
    """Return what the linear programme of Konis (2007, section 4) says."""
    margins = np.unique(signed(x, y), axis=0)
    box = [(-1, 1)] * margins.shape[1]
    best = linprog(-margins.sum(0), A_ub=-margins, b_ub=np.zeros(len(margins)), bounds=box, method="highs")
    return -best.fun > 1e-7


def check_exactly(found, x, y):
    """Multiply every rule out in Python's fractions: each holds for all rows on the boundary of those before it."""
    rows = [[int(value) for value in row] for row in signed(x, y)]
    for rule in found.rules:
        margins = [sum(value * weight for value, weight in zip(row, rule, strict=True)) for row in rows]
        assert min(margins) >= 0 and max(margins) > 0
        rows = [row for row, margin in zip(rows, margins, strict=True) if not margin]
    assert found.complete == (not rows)
    assert found.on_boundary == len(rows)


@pytest.mark.parametrize("part", range(8))
def test_separation_agrees_with_a_linear_programme_on_2000_tables(part):
    for seed in range(250 * part, 250 * (part + 1)):
        x, y = random_table(seed)
        own = torch.tensor(x, dtype=torch.float64)
        answer = optimum(Objective(Scaling.standard(own).features(own), torch.tensor(y)))
        assert isinstance(answer, Solution | Separation), (seed, answer)
        assert isinstance(answer, Separation) == is_separable(x, y), seed
        if isinstance(answer, Separation):
            check_exactly(answer, x, y)
        else:
            assert answer.converged


def test_decimals_and_dates_in_seconds_are_decided_exactly_too():
    random = np.random.default_rng(3)
    price = random.integers(100, 2000, size=300) / 100
    start = 1_600_000_000 + random.integers(0, 10**7, size=300)
    other = random.normal(size=300)
    delay = random.integers(0, 50, size=300) / 10
    at, bound = np.round((price + delay) * 100), 1330
    at[:20] = bound
    price[:20] = np.round(bound - delay[:20] * 100) / 100  # in float64 not all of these add up to 13.3
    y = np.where(at == bound, random.integers(0, 2, size=300), at > bound)
    x = torch.tensor(np.column_stack([price, delay, start, other]))
    found = optimum(Objective(Scaling.standard(x).features(x), torch.tensor(y)))
    assert isinstance(found, Separation) and not found.complete
    assert len(found.rules) == 1 and found.on_boundary == (at == bound).sum()


def run(tmp_path, name, *more, command="train"):
    words = [*more]
    if command == "train":
        words += ["data=table", f"data.path={name}", "data.target=y", "penalty=null", "optimizer=newton", "data.split=none"]
        words += ["hydra.run.dir=run"]
    done = run_command(command, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def coefficients(tmp_path):
    with (tmp_path / "run" / "coefficients.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def printed_rule(text):
    """Return the direction that a line of the summary names, as a function of a row, and its threshold."""
    left, right = re.search(r"no row with (.+?) > (\S+) has y = 0", text).groups()
    terms = re.findall(r"(-?)\s*(?:([\d.]+) )?([a-z]\w*)", left.replace("+ ", "").replace("- ", "-"))
    return {name: float(size or 1) * (-1 if sign else 1) for sign, size, name in terms}, float(right)


@pytest.mark.parametrize("name", ["lp987", "lp103"])
def test_no_table_stands_beside_what_is_infinite(tmp_path, name):
    frame = pl.read_csv(CASES / f"{name}.csv")
    out = run(tmp_path, CASES / f"{name}.csv", *(["data.scale=none"] if name == "lp103" else []))
    assert "optimum reached" not in " ".join(out.split())
    weights, threshold = printed_rule(out)
    side = sum(frame[column] * weight for column, weight in weights.items()) - threshold
    assert not len(frame.filter((side > 0) & (frame["y"] == 0))) and not len(frame.filter((side < 0) & (frame["y"] == 1)))
    assert f"({(side == 0).sum()} rows lie on the boundary)" in out
    rows = coefficients(tmp_path)
    errors = [float(row["std_error"]) for row in rows.values() if row["std_error"]]
    assert max(errors, default=0) < 100
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["separable"] == 1


def test_one_column_that_separates_is_named_and_the_others_keep_their_numbers(tmp_path):
    path = CASES / "quasi_separation.csv"
    out = run(tmp_path, path, "results=pictures")
    assert "no row with g > 0 has y = 0" in out and "No finite coefficient has g;" in out
    rows = coefficients(tmp_path)
    assert rows["g"]["estimate"] == rows["g"]["std_error"] == "" and rows["g"]["note"].startswith("infinite")
    frame = pl.read_csv(path).filter(pl.col("g") == 0)
    theirs = sm.GLM(frame["y"].to_numpy(), sm.add_constant(frame["x"].to_numpy()), family=sm.families.Binomial()).fit(tol=1e-14)
    for name, place in (("x", 1), ("bias", 0)):
        assert float(rows[name]["estimate"]) == pytest.approx(theirs.params[place], rel=1e-7)
        assert float(rows[name]["std_error"]) == pytest.approx(theirs.bse[place], rel=1e-7)
    statistics = json.loads((tmp_path / "run" / "statistics.json").read_text())
    assert statistics["deviance"] == pytest.approx(theirs.deviance)
    assert (tmp_path / "run" / "metrics.json").is_file()
    told = run(tmp_path, "", "run=run", command="explain")
    assert "infinite" in told and "e+30" not in told and "inf " not in told
    run(tmp_path, "", "run=run", command="report")
    assert math.isfinite(float(rows["x"]["odds_ratio"]))


def test_metrics_are_written_before_anything_is_drawn_and_where_a_result_fails(fit, monkeypatch):
    from logitlab.results.dashboard import Dashboard

    seen = []

    def fails(self, fit):
        seen.append((fit.run.path / "metrics.json").is_file())
        raise ZeroDivisionError

    monkeypatch.setattr(Dashboard, "__call__", fails)
    with pytest.raises(ZeroDivisionError):
        fit("trainer.max_epochs=20")
    assert seen == [True]
