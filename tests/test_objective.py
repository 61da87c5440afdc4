"""The objective against its closed forms: numerical derivatives, autograd's cross-entropy, other splittings into blocks."""

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from logitlab.penalties import ElasticNet
from logitlab.solvers import objective as module
from logitlab.solvers.objective import Objective


@pytest.fixture
def table():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    y = (torch.rand(40, generator=generator) < 0.4).double()
    return x, y, torch.rand(40, generator=generator, dtype=torch.float64) + 0.1


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.7])
def test_gradient_and_hessian_are_numerical_derivatives(table, weighted, l2):
    x, y, weight = table
    objective = Objective(x, y, weight if weighted else None, ElasticNet(l2=l2))
    point, step = torch.tensor([0.3, -1.2, 0.5, 0.4], dtype=torch.float64), 1e-5
    here = objective(point)
    for j, unit in enumerate(torch.eye(4, dtype=torch.float64)):
        ahead, behind = objective(point + step * unit), objective(point - step * unit)
        assert here.gradient[j] == pytest.approx((ahead.value - behind.value) / (2 * step), abs=1e-9)
        torch.testing.assert_close(here.hessian[j], (ahead.gradient - behind.gradient) / (2 * step), rtol=0, atol=1e-9)


def test_loss_is_torchs(table):
    x, y, weight = table
    point = torch.tensor([0.3, -1.2, 0.5, 0.4], dtype=torch.float64)
    logit = x @ point[:-1] + point[-1]
    assert Objective(x, y)(point).loss == pytest.approx(binary_cross_entropy_with_logits(logit, y).item(), rel=1e-14)
    weighted = binary_cross_entropy_with_logits(logit, y, weight / weight.sum(), reduction="sum").item()
    assert Objective(x, y, weight)(point).loss == pytest.approx(weighted, rel=1e-14)


def test_blocks_do_not_matter(table, monkeypatch):
    point = torch.tensor([0.3, -1.2, 0.5, 0.4], dtype=torch.float64)
    whole = Objective(*table)(point)
    monkeypatch.setattr(module, "rows_in_a_block", lambda features: 7)
    split = Objective(*table)(point)
    assert split.loss == pytest.approx(whole.loss, rel=1e-14)
    torch.testing.assert_close(split.gradient, whole.gradient)
    torch.testing.assert_close(split.hessian, whole.hessian)


def test_far_out_nothing_overflows_or_loses_its_digits():
    x, y = torch.tensor([[1.0], [-1.0]]), torch.tensor([1.0, 0.0])
    for logit in (50.0, 700.0):
        right = Objective(x, y)(torch.tensor([logit, 0.0], dtype=torch.float64))
        assert right.loss == pytest.approx(np.exp(-logit), rel=1e-12)
        assert right.gradient[0] == pytest.approx(-np.exp(-logit), rel=1e-12)
        assert right.hessian[0, 0] == pytest.approx(np.exp(-logit), rel=1e-12)
        wrong = Objective(x, 1 - y)(torch.tensor([logit, 0.0], dtype=torch.float64))
        assert wrong.loss == pytest.approx(logit)
        assert wrong.gradient[0] == pytest.approx(1.0)


def test_float32_arithmetic_is_close(table):
    point = torch.tensor([0.3, -1.2, 0.5, 0.4], dtype=torch.float64)
    fast, exact = Objective(*table, dtype=torch.float32)(point), Objective(*table)(point)
    assert fast.gradient.dtype == torch.float64
    torch.testing.assert_close(fast.gradient, exact.gradient, rtol=1e-5, atol=1e-7)
