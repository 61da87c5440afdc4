"""L-BFGS against Newton's method on real tables, and its line search where a first step goes far wrong."""

import numpy as np
import pytest
import torch
from real_tables import TABLES

from logitlab.solvers.lbfgs import LBFGSSteps
from logitlab.solvers.newton import minimum, newton
from logitlab.solvers.objective import Objective


def standardised(name):
    x, y = map(torch.tensor, TABLES[name]())
    return (x - x.mean(0)) / x.std(0), y


@pytest.mark.parametrize("name", TABLES)
def test_in_float32_the_coefficients_agree_to_four_digits(name):
    x, y = standardised(name)
    exact = newton(x, y)
    steps = LBFGSSteps(1e-7, x.shape[1], rounding=1e-7)
    ours = minimum(Objective(x.float(), y, dtype=torch.float32), steps, max_iterations=200)
    assert ours.converged
    np.testing.assert_allclose([*ours.weight, ours.bias], [*exact.weight, exact.bias], rtol=1e-4)


@pytest.mark.parametrize("with_hessian", [True, False])
def test_in_float64_they_agree_to_seven(with_hessian):
    x, y = standardised("fair")
    exact = newton(x, y)
    steps = LBFGSSteps(1e-9, x.shape[1])
    steps.wants_hessian = with_hessian
    ours = minimum(Objective(x, y), steps, max_iterations=200)
    assert ours.converged
    np.testing.assert_allclose([*ours.weight, ours.bias], [*exact.weight, exact.bias], rtol=1e-6)


def test_a_hessian_makes_units_and_correlation_harmless():
    x, y = map(torch.tensor, TABLES["fair"]())
    x = x * torch.tensor([1e-3, 1.0, 1e3, 1, 1, 10, 100, 1e-2])
    steps = LBFGSSteps(1e-9, x.shape[1])
    assert minimum(Objective(x, y), steps).iterations < 30
    assert steps.converged


def test_the_search_comes_back_from_a_start_that_is_far_out():
    x, y = standardised("spector")
    far = torch.full((x.shape[1] + 1,), 30.0, dtype=torch.float64)
    steps = LBFGSSteps(1e-9, x.shape[1])
    ours = minimum(Objective(x, y), steps, start=far, max_iterations=500)
    assert ours.converged
    assert ours.loss == pytest.approx(newton(x, y).loss, rel=1e-10)


def test_memory_can_be_written_down_and_taken_up_again():
    x, y = standardised("spector")
    objective, steps = Objective(x, y), LBFGSSteps(1e-9, x.shape[1])
    point = torch.zeros(x.shape[1] + 1, dtype=torch.float64)
    for _ in range(4):
        point = steps.next_point(objective(point, steps.wants_hessian))
    copy = LBFGSSteps(1e-9, x.shape[1])
    copy.restore(steps.plain())
    seen = objective(point)
    assert torch.equal(steps.next_point(seen), copy.next_point(seen))
