"""Separation against the linear programme that defines it, on real and on hundreds of random tables."""

import numpy as np
import pytest
import torch
from real_tables import TABLES
from scipy.optimize import linprog
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from logitlab.data.hours import hours
from logitlab.data.scores import scores
from logitlab.data.toy import toy
from logitlab.solvers.newton import Solution
from logitlab.solvers.objective import Objective
from logitlab.solvers.separation import Separation, optimum, separation


def is_separable(x, y):
    """Return whether a direction of any length has no row against it and some row for it (Konis 2007, section 4)."""
    spread = np.where(x.std(0) > 0, x.std(0), 1)
    margins = (2 * y - 1)[:, None] * np.column_stack([(x - x.mean(0)) / spread, np.ones(len(x))])
    box = [(-1, 1)] * margins.shape[1]
    return -linprog(-margins.sum(0), A_ub=-margins, b_ub=np.zeros(len(x)), bounds=box, method="highs").fun > 1e-7


def found(x, y):
    return optimum(Objective(torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)))


def assert_proves(proof, x, y):
    margins = (2 * y - 1) * (x @ proof.weight.numpy() + proof.bias.item())
    assert margins.max() == pytest.approx(1)
    assert margins.min() > (0 if proof.complete else -1e-9)
    assert (margins < 1e-9).sum() == proof.on_boundary


@pytest.mark.parametrize("source", [toy, hours, scores])
def test_the_tutorials_tables_are_separable(source):
    table = source()
    x, y = table.features.double().numpy(), table.target[:, 0].double().numpy()
    proof = found(x, y)
    assert isinstance(proof, Separation) and proof.complete
    assert_proves(proof, x, y)


def real():
    x, y = load_breast_cancer(return_X_y=True)
    yield "all 30 columns of breast cancer", x, y
    for loader in (load_wine, load_iris):
        x, y = loader(return_X_y=True)
        for kind in range(3):
            yield f"{loader.__name__} {kind}", x, (y == kind).astype(float)
    for name in ("spector", "anes96", "breast_cancer", "iris"):
        yield name, *TABLES[name]()


@pytest.mark.parametrize(("x", "y"), [pytest.param(x, y, id=name) for name, x, y in real()])
def test_real_tables(x, y):
    answer = found(x, y)
    assert isinstance(answer, Separation) == is_separable(x, y)
    if isinstance(answer, Separation):
        assert_proves(answer, x, y)
    else:
        assert isinstance(answer, Solution) and answer.converged


@pytest.mark.parametrize("seed", range(200))
def test_random_tables_of_whole_numbers_and_of_any_unit(seed):
    random = np.random.default_rng(seed)
    rows, columns = random.integers(4, 60), random.integers(1, 6)
    if seed % 2:
        x = random.integers(0, 3, size=(rows, columns)).astype(float)
    else:
        x = random.normal(size=(rows, columns)) * 10.0 ** random.integers(-3, 4, size=columns)
    logit = (x - x.mean(0)) / (x.std(0) + 1e-9) @ random.normal(size=columns) * 3
    y = (random.uniform(size=rows) < 1 / (1 + np.exp(-logit))).astype(float)
    if seed % 4 == 3:  # a column that is never 107 but with class 1: quasi-complete separation
        marked = random.uniform(size=rows) < 0.3
        y[marked] = 1
        x = np.column_stack([x, marked * 7.0 + 100])
    answer = found(x, y)
    assert isinstance(answer, Separation) == is_separable(x, y)
    if isinstance(answer, Separation) and not answer.one_class:
        assert_proves(answer, x, y)


def test_quasi_complete_separation_names_the_column():
    random = np.random.default_rng(5)
    x = np.column_stack([random.normal(size=200), random.uniform(size=200) < 0.2])
    y = ((random.uniform(size=200) < 0.5) | (x[:, 1] > 0)).astype(float)
    proof = found(x, y)
    assert isinstance(proof, Separation) and not proof.complete
    assert abs(proof.weight[0]) < 1e-9 < proof.weight[1]
    assert proof.on_boundary == (x[:, 1] == 0).sum()


def test_nearly_separable_is_not_separable():
    x = np.linspace(-1, 1, 400)[:, None]
    y = (x[:, 0] > 0).astype(float)
    y[[199, 200]] = y[[200, 199]]
    answer = found(x, y)
    assert isinstance(answer, Solution) and answer.converged
    assert answer.weight[0] > 100


def test_one_class():
    proof = found(np.random.default_rng(0).normal(size=(9, 2)), np.zeros(9))
    assert isinstance(proof, Separation) and proof.one_class
    assert proof.bias < 0


def test_rows_without_weight_have_no_say():
    x, y = torch.tensor([[1.0], [2.0], [3.0], [4.0]]), torch.tensor([0.0, 1.0, 0.0, 1.0])
    weight = torch.tensor([1.0, 0.0, 1.0, 1.0])
    assert isinstance(optimum(Objective(x, y)), Solution)
    assert isinstance(optimum(Objective(x, y, weight)), Separation)


def test_a_direction_that_one_row_speaks_against_proves_nothing():
    table = toy()
    direction = torch.tensor([1.0, 0.0, -3.5], dtype=torch.float64)
    objective = Objective(table.features, table.target)
    assert separation(objective, direction) is not None
    assert separation(objective, direction + torch.tensor([0.0, 0.0, 0.6])) is None
