"""Firth's method against its closed form, against an independent maximiser, and on separable tables."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from real_tables import TABLES
from scipy.optimize import minimize
from scipy.stats import chi2

from logitlab.data.toy import toy
from logitlab.errors import UserError
from logitlab.penalties import Firth
from logitlab.results import coefficients as coefficients_result
from logitlab.solvers.firth import FirthObjective, firth
from logitlab.statistics.likelihood import Likelihood
from logitlab.statistics.table import coefficient_table


def test_one_yes_or_no_column_gives_half_a_case_more_in_each_cell():
    """In a saturated model the estimate is that of the table with 1/2 added to every cell (Firth 1993, section 4)."""
    x, y = torch.zeros(30, 1), torch.zeros(30)
    x[12:], y[3:12], y[12:] = 1.0, 1.0, 1.0  # 3 no and 9 yes without, 0 no and 18 yes with: quasi-complete separation
    ours = firth(x, y)
    assert ours.converged
    without, with_ = np.log(9.5 / 3.5), np.log(18.5 / 0.5)
    assert float(ours.bias) == pytest.approx(without, rel=1e-8)
    assert float(ours.weight[0]) == pytest.approx(with_ - without, rel=1e-8)
    p, q = 9.5 / 13, 18.5 / 19
    variance = 1 / (12 * p * (1 - p)) + 1 / (18 * q * (1 - q))  # of the difference of two groups' logits
    covariance = torch.linalg.inv(ours.hessian * 30)
    assert float(covariance[0, 0]) == pytest.approx(variance, rel=1e-7)


def penalised_likelihood(theta, x, y):
    """Return minus the log-likelihood minus half the log-determinant of the information, written in numpy alone."""
    logit = x @ theta
    p = 1 / (1 + np.exp(-logit))
    information = (x * (p * (1 - p))[:, None]).T @ x
    return np.logaddexp(0, logit).sum() - y @ logit - np.linalg.slogdet(information)[1] / 2


@pytest.mark.parametrize("name", ["spector", "iris", "breast_cancer", "toy"])
def test_maximum_is_that_of_an_independent_maximiser(name):
    if name == "toy":
        table = toy()
        x, y = table.features.double().numpy(), table.target[:, 0].double().numpy()
    else:
        x, y = TABLES[name]()
        x = (x - x.mean(0)) / x.std(0)
    ours = firth(torch.tensor(x), torch.tensor(y))
    assert ours.converged
    ones = np.column_stack([x, np.ones(len(x))])
    theirs = minimize(penalised_likelihood, np.zeros(ones.shape[1]), (ones, y), method="BFGS", options={"gtol": 1e-7})
    at_ours = penalised_likelihood(np.array([*ours.weight, ours.bias]), ones, y)
    assert at_ours <= theirs.fun + 1e-9
    assert ours.value * len(y) == pytest.approx(at_ours, rel=1e-10)
    np.testing.assert_allclose([*ours.weight, ours.bias], theirs.x, rtol=2e-4, atol=1e-4)


def test_gradient_is_the_numerical_derivative():
    table = toy()
    objective, step = FirthObjective(table.features, table.target), 1e-6
    point = torch.tensor([0.4, -0.2, 0.3], dtype=torch.float64)
    for j, unit in enumerate(torch.eye(3, dtype=torch.float64)):
        slope = (objective(point + step * unit).value - objective(point - step * unit).value) / (2 * step)
        assert float(objective(point).gradient[j]) == pytest.approx(slope, abs=1e-8)


def test_row_weights_count_as_repeated_rows():
    table = toy()
    times = torch.tensor([1, 2, 3, 1, 2, 3])
    weighted = firth(table.features, table.target, weight=times)
    repeated = firth(table.features.repeat_interleave(times, 0), table.target.repeat_interleave(times, 0))
    torch.testing.assert_close(weighted.weight, repeated.weight)


def test_weights_count_as_repeated_rows_in_the_penalty_that_every_optimiser_is_given():
    """Batches carry weights of mean 1; what they were divided by is in the penalty."""
    table = toy()
    times = torch.tensor([1.0, 2, 3, 1, 2, 3])[:, None]
    p = torch.sigmoid(table.features.sum(1, keepdim=True) / 3 - 1)
    repeated = Firth()(table.features.repeat_interleave(times[:, 0].long(), 0), p.repeat_interleave(times[:, 0].long(), 0))
    weighted = Firth(mean_weight=float(times.mean()))(table.features, p, times / times.mean())
    torch.testing.assert_close(weighted, repeated)


def test_collinear_columns_are_refused():
    table = toy()
    with pytest.raises(UserError, match="linearly independent"):
        firth(torch.cat([table.features, table.features.sum(1, keepdim=True)], dim=1), table.target)


PUBLISHED = {"NV": (2.92927, 1.55076), "PI": (-0.03475, 0.03958), "EH": (-2.60416, 0.77602), "bias": (3.77456, 1.48869)}
"""Estimates and standard errors of the endometrial cancer study (79 patients; NV separates them), as R's brglm2 prints them."""


PROFILES = {"NV": (0.6097, 7.8546, 0.009124), "PI": (-0.1245, 0.0405, 0.387482), "EH": (-4.3652, -1.2327, 2.506867e-05)}
"""Profile penalised-likelihood intervals and p of the same study; NV as Heinze and Schemper's logistf prints it."""

BIRTHWT = Path(__file__).parent / "birthwt.csv"
ENDOMETRIAL = Path(__file__).parent / "endometrial.csv"


def coefficients(run):
    with (run.path / "coefficients.csv").open(newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def test_a_weighted_run_is_that_of_the_repeated_rows(tmp_path, fit):
    """Rows counted once, twice and three times in turn; logistf's NV is 4.011, which all other rounding is far from."""
    head, *rows = ENDOMETRIAL.read_text().splitlines()
    times = [1 + number % 3 for number in range(len(rows))]
    (tmp_path / "w.csv").write_text("\n".join([f"{head},w", *(f"{row},{w}" for row, w in zip(rows, times, strict=True))]))
    (tmp_path / "x.csv").write_text("\n".join([head, *(row for row, w in zip(rows, times, strict=True) for _ in range(w))]))
    found = []
    for name, more in (("w", ["data.weight=w"]), ("x", [])):
        where = ("data=table", f"data.path={tmp_path}/{name}.csv", "data.target=HG", "data.split=none")
        run = fit(*where, "penalty=firth", "optimizer=newton", *more, directory=tmp_path / name)
        found.append(coefficients(run))
        assert float(found[-1]["NV"]["estimate"]) == pytest.approx(4.011, abs=5e-4)
        assert run.json()["train/excess_loss"] < 1e-9
    for column in ("estimate", "std_error", "p", "ci_low", "ci_high"):
        weighted, repeated = ([float(row[column]) for row in rows.values()] for rows in found)
        np.testing.assert_allclose(weighted, repeated, rtol=1e-4)


def test_the_endometrial_study_is_the_published_one(tmp_path, fit, capsys):
    """Heinze and Schemper, A solution to the problem of separation in logistic regression, Statistics in Medicine 21, 2002."""
    overrides = ("data=table", f"data.path={ENDOMETRIAL}", "data.target=HG", "data.split=none")
    run = fit(*overrides, "penalty=firth", "optimizer=newton")
    rows = coefficients(run)
    for name, (estimate, error) in PUBLISHED.items():
        assert float(rows[name]["estimate"]) == pytest.approx(estimate, abs=1e-5)
        assert float(rows[name]["std_error"]) == pytest.approx(error, abs=1e-5)
    for name, (low, high, p) in PROFILES.items():
        assert float(rows[name]["ci_low"]) == pytest.approx(low, abs=5e-3)
        assert float(rows[name]["ci_high"]) == pytest.approx(high, abs=5e-3)
        assert float(rows[name]["p"]) == pytest.approx(p, rel=0.01)
    whole = run.json("statistics.json")
    assert whole["interval"] == "profile"
    assert [whole[name] for name in ("aic", "bic", "lr_statistic", "lr_p")] == [None] * 4
    said = capsys.readouterr().out
    assert "p and intervals of the profile likelihood; Firth's penalised likelihood" in said
    assert "AIC" not in said and "null model" not in said


def test_walds_intervals_are_given_where_they_are_asked_for(tmp_path, fit):
    where = ("data=table", f"data.path={ENDOMETRIAL}", "data.target=HG", "data.split=none")
    run = fit(*where, "penalty=firth", "optimizer=newton", "results.coefficients.interval=wald")
    row = coefficients(run)["NV"]
    estimate, error = PUBLISHED["NV"]
    assert float(row["ci_low"]) == pytest.approx(estimate - 1.959964 * error, abs=1e-4)
    assert float(row["p"]) == pytest.approx(0.0589, abs=1e-4)


def test_profiles_that_would_take_long_are_walds_and_it_is_said(tmp_path, fit, capsys, monkeypatch):
    monkeypatch.setattr(coefficients_result, "MOST_WORK", 79 * 4**3 - 1)
    where = ("data=table", f"data.path={ENDOMETRIAL}", "data.target=HG", "data.split=none", "penalty=firth", "optimizer=newton")
    assert fit(*where).json("statistics.json")["interval"] == "wald"
    assert "results.coefficients.interval=profile asks for them" in capsys.readouterr().out
    asked = fit(*where, "results.coefficients.interval=profile", directory=tmp_path / "asked")
    assert asked.json("statistics.json")["interval"] == "profile"


def test_a_rare_level_has_the_test_of_logistf(tmp_path, fit):
    """rare is 1 in five rows of birthwt, all of low weight: quasi-complete separation."""
    where = ("data=table", f"data.path={BIRTHWT}", "data.target=low", "data.split=none", "data.drop=[w,ptl,ht,ftv]")
    row = coefficients(fit(*where, "penalty=firth", "optimizer=newton"))["rare"]
    assert float(row["p"]) == pytest.approx(0.0052, abs=5e-5)
    assert float(row["ci_low"]) > 0


@pytest.mark.parametrize("name", ["spector", "toy"])
def test_profile_ends_and_p_are_those_of_an_independent_maximiser(name):
    """The penalised likelihood with one coefficient held, maximised by scipy: where the interval says, and at 0."""
    if name == "toy":
        table = toy()
        x, y = table.features.double().numpy(), table.target[:, 0].double().numpy()
    else:
        x, y = TABLES[name]()
    ones = np.column_stack([x, np.ones(len(x))])
    best = firth(torch.tensor(x), torch.tensor(y), tolerance=1e-12)
    theta = torch.cat([best.weight, best.bias[None]])
    table = coefficient_table(
        Likelihood(torch.tensor(x), torch.tensor(y)), theta, [""] * x.shape[1], interval="profile", firth=True
    )
    least = penalised_likelihood(theta.numpy(), ones, y)

    def ratio(column, value):
        def held(others):
            return penalised_likelihood(np.insert(others, column, value), ones, y)

        others = np.delete(theta.numpy(), column)
        return 2 * (minimize(held, others, method="BFGS", options={"gtol": 1e-7}).fun - least)

    for column in range(len(theta)):
        for end in (table.ci_low[column].item(), table.ci_high[column].item()):
            assert np.isinf(end) or ratio(column, end) == pytest.approx(chi2.ppf(0.95, 1), abs=2e-4)
        assert chi2.sf(ratio(column, 0.0), 1) == pytest.approx(table.p[column].item(), rel=1e-3)
