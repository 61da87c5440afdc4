"""Categories of thousands of values.

To the l2 optimum (scikit-learn's C = 1), tables in memory in the type that each is said to take: codes for ours, a sparse
matrix of 0 and 1 for scikit-learn, tabmat's categorical matrix for glum. `excess` is how far the objective, worked out in
float64, stays above the least of all. Reading the table is not in it.
"""

from collections.abc import Callable
from typing import Any

import glum
import numpy as np
import pandas as pd
import scipy.sparse
import tabmat
import torch
from harness import alternately, comparison, headline, keeping, table
from sklearn.linear_model import LogisticRegression as Sklearn
from torch import Tensor

from logitlab.features import Features
from logitlab.networks import Logits
from logitlab.penalties import ElasticNet
from logitlab.solvers.objective import Objective
from logitlab.solvers.solver import LBFGS, Newton
from logitlab.sparse import Codes, SparseFeatures

SIZES = ((200_000, 3, 10_000), (200_000, 1, 1_000))
TOLERANCE = 1e-7

Subject = Callable[[], Tensor]


def measure(rounds: int) -> str:
    """Return a table for each size."""
    return "\n\n".join(_of_size(rows, columns, levels, rounds) for rows, columns, levels in SIZES)


def _of_size(rows: int, columns: int, levels: int, rounds: int) -> str:
    generator = np.random.default_rng(0)
    codes = generator.integers(0, levels, (rows, columns)).astype(np.int32)
    logit = (0.7 * generator.normal(size=(columns, levels)))[np.arange(columns), codes].sum(1)
    target = (generator.random(rows) < 1 / (1 + np.exp(-logit))).astype(float)
    penalty = ElasticNet(0.0, 1 / rows)
    features = _features(codes, levels)
    answer = torch.from_numpy(target)[:, None]
    ours = {"lbfgs": _ours(LBFGS, features, answer, penalty)}
    if columns * levels <= 1_000:
        ours["newton"] = _ours(Newton, features, answer, penalty)
    subjects = ours | _rivals(codes, levels, target, columns * levels <= 1_000)
    ends: dict[str, Tensor] = {}

    times = alternately(keeping(subjects, ends), rounds)
    objective = Objective(features, answer, penalty=penalty)
    seen = {name: objective(end.double(), hessian=False).value for name, end in ends.items()}
    least, best = min(seen.values()), "newton" if "newton" in ours else "lbfgs"
    rivals = [name for name in subjects if name not in ours]
    headline(f"{rows:,} rows, {columns} x {levels:,} categories", times, best, rivals)
    quality = [[name, f"{value - least:.0e}"] for name, value in seen.items()]
    title = f"{rows:,} rows, {columns} columns of {levels:,} categories:"
    return "\n\n".join([title, comparison(times, rivals[0]), table(["", "excess"], quality)])


def _features(codes: np.ndarray, levels: int) -> SparseFeatures:
    width = levels - 1
    parts = [
        Codes(place * width, torch.from_numpy(column.copy()), torch.full((width,), 1 / levels, dtype=torch.float64))
        for place, column in enumerate(codes.T)
    ]
    nothing = torch.empty(len(codes), 0, dtype=torch.float64)
    return SparseFeatures(Features.plain(nothing), torch.empty(0, dtype=torch.long), parts)


def _ours(kind: type[LBFGS] | type[Newton], features: SparseFeatures, target: Tensor, penalty: ElasticNet) -> Subject:
    def run() -> Tensor:
        solver: Any = kind(Logits(features.shape[1], 0.0, 0.0).double().parameters(), tolerance=TOLERANCE)
        solver.prepare(penalty, 1.0)
        solver.choose_basis(features, target)
        while not solver.finished:
            solver.accumulate(features, target)
            solver.step(solver.evaluate)
        assert solver.steps is not None and solver.steps.best is not None
        return solver.steps.best.parameters

    return run


def _rivals(codes: np.ndarray, levels: int, target: np.ndarray, has_glum: bool) -> dict[str, Subject]:
    rows, columns = codes.shape
    place, row = (codes - 1 + np.arange(columns) * (levels - 1))[codes > 0], np.nonzero(codes)[0]
    shape = (rows, columns * (levels - 1))
    matrix = scipy.sparse.csr_matrix((np.ones(len(row)), (row, place)), shape=shape)

    def sklearn(solver: str) -> Subject:
        def run() -> Tensor:
            fit: Any = Sklearn(C=1.0, solver=solver, tol=TOLERANCE if solver == "lbfgs" else 1e-4, max_iter=10_000)
            fit.fit(matrix, target)
            return torch.tensor(np.append(fit.coef_[0], fit.intercept_))

        return run

    def glum_irls() -> Tensor:
        split = tabmat.CategoricalMatrix(pd.Categorical(codes[:, 0], categories=range(levels)), drop_first=True)
        model = glum.GeneralizedLinearRegressor(family="binomial", alpha=1 / rows, gradient_tol=TOLERANCE, max_iter=100)
        fit = model.fit(split, target)
        return torch.tensor(np.append(fit.coef_, fit.intercept_))

    rivals = {"scikit-learn lbfgs": sklearn("lbfgs"), "scikit-learn liblinear": sklearn("liblinear")}
    return rivals | ({"glum, tabmat": glum_irls} if has_glum else {})
