"""Firth's method against its closed form, against an independent maximiser, and on separable tables."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from real_tables import TABLES
from scipy.optimize import minimize

from logreg.data.toy import toy
from logreg.errors import UserError
from logreg.solvers.firth import FirthObjective, firth


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


def test_collinear_columns_are_refused():
    table = toy()
    with pytest.raises(UserError, match="linearly independent"):
        firth(torch.cat([table.features, table.features.sum(1, keepdim=True)], dim=1), table.target)


PUBLISHED = {"NV": (2.92927, 1.55076), "PI": (-0.03475, 0.03958), "EH": (-2.60416, 0.77602), "bias": (3.77456, 1.48869)}
"""Estimates and standard errors of the endometrial cancer study (79 patients; NV separates them), as R's brglm2 prints them."""


def test_the_endometrial_study_is_the_published_one(tmp_path, fit):
    """Heinze and Schemper, A solution to the problem of separation in logistic regression, Statistics in Medicine 21, 2002."""
    overrides = ("data=table", f"data.path={Path(__file__).parent}/endometrial.csv", "data.target=HG", "data.split=none")
    run = fit(*overrides, "penalty=firth", "optimizer=newton")
    with (run.path / "coefficients.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    for name, (estimate, error) in PUBLISHED.items():
        assert float(rows[name]["estimate"]) == pytest.approx(estimate, abs=1e-5)
        assert float(rows[name]["std_error"]) == pytest.approx(error, abs=1e-5)
