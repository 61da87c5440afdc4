"""A path of l1 penalties for each of five folds and for all rows, by another library: table.npz in, coefficients out, seconds.

python path.py adelie|glmnet table.npz coefficients.npy
"""

import sys
import time
import warnings

import numpy as np


def adelie(x: np.ndarray, y: np.ndarray, fold: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """Fit with adelie; return weights and bias of all rows, (penalties, columns + 1)."""
    import adelie as ad

    for held in [*range(fold.max() + 1), -1]:
        weight = (fold != held) / (fold != held).sum()
        matrix = ad.matrix.dense(x, method="naive", n_threads=2)
        family = ad.glm.binomial(y=y, weights=weight, dtype=np.float64)
        options = {"alpha": 1, "early_exit": False, "progress_bar": False, "tol": 1e-9, "n_threads": 2}
        found = ad.grpnet(matrix, family, lmda_path=strengths, **options)
    return np.column_stack([found.betas.toarray(), found.intercepts])


def glmnet(x: np.ndarray, y: np.ndarray, fold: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """Fit with python-glmnet, the Fortran code of R's glmnet, at its own tolerance; return the same."""
    from glmnet import LogitNet

    for held in [*range(fold.max() + 1), -1]:
        rows = fold != held
        model = LogitNet(alpha=1, lambda_path=strengths, n_splits=0, standardize=False).fit(x[rows], y[rows])
    return np.column_stack([model.coef_path_[0].T, model.intercept_path_[0]])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    name, source, output = sys.argv[1:]
    table = np.load(source)
    x, y, fold, strengths = np.asfortranarray(table["x"]), table["y"], table["fold"], table["strengths"]
    started = time.perf_counter()
    coefficients = {"adelie": adelie, "glmnet": glmnet}[name](x, y, fold, strengths)
    print(time.perf_counter() - started)
    np.save(output, coefficients)
