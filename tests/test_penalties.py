"""Penalised optima against scikit-learn and glum, in their own words for the strength."""

import glum
import numpy as np
import pytest
import torch
from real_tables import TABLES
from sklearn.linear_model import LogisticRegression

from logitlab.penalties import ElasticNet, Firth
from logitlab.solvers.newton import newton

STRENGTHS = [(0.0, 0.05), (0.02, 0.0), (0.01, 0.02), (0.1, 0.0)]


def standardised(name):
    x, y = TABLES[name]()
    return (x - x.mean(0)) / x.std(0), y


@pytest.mark.parametrize("strength", STRENGTHS, ids=str)
@pytest.mark.parametrize("name", ["spector", "fair", "anes96", "breast_cancer", "iris"])
def test_optimum_is_that_of_scikit_learn_and_glum(name, strength):
    penalty = ElasticNet(*strength)
    x, y = standardised(name)
    ours = newton(torch.tensor(x), torch.tensor(y), l1=penalty.l1, l2=penalty.l2)
    assert ours.converged
    solver = "saga" if penalty.l1 else "newton-cholesky"
    sklearn = LogisticRegression(**penalty.as_sklearn(len(y)), solver=solver, tol=1e-9, max_iter=100_000).fit(x, y)
    theirs = glum.GeneralizedLinearRegressor(family="binomial", **penalty.as_glum(), gradient_tol=1e-9, max_iter=1000)
    for coefficients in (sklearn.coef_[0], theirs.fit(x, y).coef_):
        np.testing.assert_allclose(ours.weight, coefficients, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(ours.weight == 0, coefficients == 0)


def test_l1_with_collinear_columns_and_more_columns_than_rows():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, 50, generator=generator, dtype=torch.float64)
    x = torch.cat([x, x[:, :3]], dim=1)
    y = (x[:, 0] - x[:, 1] + torch.randn(30, generator=generator) > 0).double()
    ours = newton(x, y, l1=0.05)
    assert ours.converged
    penalty = ElasticNet(l1=0.05)
    theirs = LogisticRegression(**penalty.as_sklearn(30), solver="saga", tol=1e-10, max_iter=200_000).fit(x.numpy(), y.numpy())
    probability = torch.sigmoid(x @ ours.weight + ours.bias).numpy()
    np.testing.assert_allclose(probability, theirs.predict_proba(x.numpy())[:, 1], atol=1e-5)


def test_the_bias_is_free():
    x, y = standardised("anes96")
    ours = newton(torch.tensor(x), torch.tensor(y), l1=10.0, l2=10.0)
    assert ours.weight.tolist() == [0.0] * x.shape[1]
    assert torch.sigmoid(ours.bias).item() == pytest.approx(y.mean(), rel=1e-9)


def test_shrinking():
    prox = ElasticNet(l1=2.0).prox(torch.tensor([3.0, -0.5, -4.0, 0.0]), 0.5)
    assert prox.tolist() == [2.0, 0.0, -3.0, 0.0]


def test_firth_as_a_term_for_autograd_has_the_modified_score_as_gradient():
    from logitlab.solvers.firth import FirthObjective

    generator = torch.Generator().manual_seed(1)
    x = torch.randn(20, 2, generator=generator, dtype=torch.float64)
    y, rows = (torch.rand(20, generator=generator) < 0.5).double(), torch.ones(20, 1, dtype=torch.float64)
    rows[:5] = 2.0
    rows = rows / rows.mean()
    point = torch.tensor([0.5, -0.3, 0.2], dtype=torch.float64, requires_grad=True)
    probability = torch.sigmoid(x @ point[:2] + point[2])[:, None]
    loss = torch.nn.functional.binary_cross_entropy(probability, y[:, None], rows)
    (loss + Firth()(x, probability, rows)).backward()
    torch.testing.assert_close(FirthObjective(x, y, rows)(point.detach()).gradient, point.grad)
