"""Newton's method against statsmodels on real tables, and on tables that have no optimum or more than one."""

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from real_tables import TABLES

from logitlab.data.toy import toy
from logitlab.solvers.newton import newton
from logitlab.solvers.quadratic import solve


@pytest.mark.parametrize("name", TABLES)
def test_coefficients_are_those_of_statsmodels(name):
    x, y = TABLES[name]()
    theirs = sm.Logit(y, np.column_stack([x, np.ones(len(x))])).fit(disp=0, method="newton", maxiter=100, tol=1e-12)
    ours = newton(torch.tensor(x), torch.tensor(y))
    assert ours.converged
    np.testing.assert_allclose([*ours.weight, ours.bias], theirs.params, rtol=1e-8)
    np.testing.assert_allclose(ours.loss, -theirs.llf / len(y), rtol=1e-12)
    covariance = torch.linalg.inv(ours.hessian * len(y))
    np.testing.assert_allclose(covariance.diagonal().sqrt(), theirs.bse, rtol=1e-6)


def test_row_weights_count_as_repeated_rows():
    x, y = map(torch.tensor, TABLES["spector"]())
    times = torch.arange(len(y)) % 3 + 1
    weighted = newton(x, y, weight=times)
    repeated = newton(x.repeat_interleave(times, 0), y.repeat_interleave(times))
    torch.testing.assert_close(weighted.weight, repeated.weight)
    torch.testing.assert_close(weighted.hessian, repeated.hessian)


def test_a_separable_table_is_never_called_converged():
    table = toy()
    for most in (10, 50, 200):
        solution = newton(table.features, table.target, max_iterations=most)
        assert not solution.converged
        assert torch.isfinite(solution.weight).all()


def test_one_class_is_never_called_converged():
    solution = newton(torch.randn(20, 2, generator=torch.Generator().manual_seed(1)), torch.ones(20))
    assert not solution.converged
    assert torch.isfinite(solution.weight).all()


def test_collinear_and_constant_columns_give_the_same_probabilities():
    x, y = map(torch.tensor, TABLES["anes96"]())
    plain = newton(x, y)
    doubled = newton(torch.cat([x, x[:, :1] + 2 * x[:, 1:2], torch.full((len(x), 1), 7.0)], dim=1), y)
    assert doubled.converged
    assert doubled.loss == pytest.approx(plain.loss, rel=1e-10)


def test_more_columns_than_rows():
    generator = torch.Generator().manual_seed(2)
    x, y = torch.randn(10, 30, generator=generator), torch.arange(10) % 2
    solution = newton(x, y, l2=0.1)
    assert solution.converged
    assert not newton(x, y).converged


def test_no_signal_at_all():
    solution = newton(torch.zeros(10, 2), torch.arange(10) % 2)
    assert solution.converged
    assert solution.weight.tolist() == [0, 0]


def test_solve_is_indifferent_to_units():
    generator = torch.Generator().manual_seed(3)
    root = torch.randn(50, 4, generator=generator, dtype=torch.float64) * torch.tensor([1e-6, 1.0, 1e3, 1e6])
    matrix, answer = root.T @ root, torch.tensor([1e6, 1.0, 1e-3, 1e-6], dtype=torch.float64)
    torch.testing.assert_close(solve(matrix, matrix @ answer)[0], answer, rtol=1e-9, atol=0)
