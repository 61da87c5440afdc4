"""The scikit-learn estimator keeps scikit-learn's own promises, and agrees with its LogisticRegression."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression as Theirs
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from logitlab.errors import UserError
from logitlab.sklearn import LogisticRegression

CHECKS = {check.func.__name__ for _, check in estimator_checks_generator(LogisticRegression())}
CHECKS -= {
    "check_array_api_input"
}  # only where SCIPY_ARRAY_API is set before scipy is imported; the estimator takes numpy's arrays


@pytest.mark.filterwarnings("default")  # the checks raise and catch warnings of their own
@pytest.mark.parametrize("name", sorted(CHECKS))
def test_scikit_learns_own_checks_pass(name: str) -> None:
    """All of `check_estimator`, each by itself; none is expected to fail."""
    for estimator, check in estimator_checks_generator(LogisticRegression()):
        if check.func.__name__ == name:
            check(estimator)


def test_it_is_scikit_learns_optimum() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    ours, theirs = LogisticRegression().fit(x, y), Theirs(tol=1e-10, max_iter=10_000, solver="newton-cholesky").fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), rtol=1e-5, atol=1e-9)
    weight = np.random.default_rng(0).integers(0, 3, len(y))
    np.testing.assert_allclose(
        LogisticRegression(l1=0.01, l2=0).fit(x, y, weight).coef_,
        LogisticRegression(l1=0.01, l2=0).fit(np.repeat(x, weight, axis=0), np.repeat(y, weight)).coef_,
        atol=1e-7,
    )


def test_it_works_in_a_pipeline_and_has_errors() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    assert cross_val_score(make_pipeline(StandardScaler(), LogisticRegression()), x, y).mean() > 0.97
    result = LogisticRegression(l2=0).fit(x[:, :2], y).result_
    assert (result.std_errors > 0).all()


def test_a_strength_that_is_not_allowed_is_refused() -> None:
    for given in {"l1": -1}, {"l2": "strong"}:
        with pytest.raises(UserError, match="is not allowed"):
            LogisticRegression(**given).fit([[0], [1]], [0, 1])
