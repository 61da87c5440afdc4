"""Logistic regression as a scikit-learn classifier. scikit-learn has to be installed; nothing else of logitlab needs it."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, check_non_negative, validate_data

from logitlab.fitting import fit
from logitlab.penalties import ElasticNet


class LogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Binary logistic regression at its optimum, found and proved in float64 by `logitlab.fit`.

    It minimises mean cross-entropy + l1 * sum |w| + l2 / 2 * sum w^2. scikit-learn's own class has C = 1 / (rows * (l1 + l2)).

    Attributes:
        classes_: the two values of y, sorted, (2,).
        coef_: the weights, (1, features).
        intercept_: the bias, (1,).
        n_iter_: evaluations of the objective, (1,).
        result_: everything that is known of the fit, a `logitlab.LogisticFit`: with l1=0, l2=0 standard errors too.
    """

    def __init__(self, l1: float = 0.0, l2: float | str = "auto") -> None:
        """Take the strengths of the penalty; l2="auto" is 1 / (sum of the rows' weights), which is scikit-learn's C = 1."""
        self.l1 = l1
        self.l2 = l2

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 (scikit-learn's name)
        """Fit the model.

        Args:
            X: (rows, features).
            y: (rows,), two values; the larger one is class 1.
            sample_weight: (rows,), not negative: how many rows each counts as; None: one.

        Raises:
            ValueError: the arguments are not of that form.
            UserError: a strength is not allowed; without a penalty, the classes are separable.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)  # noqa: N806 (scikit-learn's name)
        check_classification_targets(y)
        if (kind := type_of_target(y, input_name="y")) != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        weight = np.ones(len(y))
        if sample_weight is not None:
            weight = check_array(sample_weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight")
            if weight.ndim != 1:
                raise ValueError("Sample weights must be 1D array or scalar")
            check_consistent_length(X, weight)
            check_non_negative(weight, "LogisticRegression.fit: sample_weight")
        kept = weight > 0
        if not kept.any():
            raise ValueError("Every sample_weight is zero: there are no rows to fit.")
        if len(np.unique(y[kept])) < 2:
            raise ValueError(f"Classifier can't train when only one class is present: {np.unique(y[kept])}.")
        strength = 1 / weight.sum() if self.l2 == "auto" else self.l2
        penalty = ElasticNet(self.l1, strength)  # type: ignore[arg-type]  # a text other than "auto" is refused there
        self.result_ = fit(X[kept], y[kept], weight=None if sample_weight is None else weight[kept], penalty=penalty)
        self.classes_ = self.result_.classes
        self.coef_ = self.result_.weight[None]
        self.intercept_ = np.array([self.result_.bias])
        self.n_iter_ = np.array([self.result_.iterations])
        return self

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803 (scikit-learn's name)
        """Return the logit of the second class, (rows,), for X (rows, features)."""
        check_is_fitted(self)
        logit: np.ndarray = validate_data(self, X, dtype=np.float64, reset=False) @ self.coef_[0] + self.intercept_[0]
        return logit

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803 (scikit-learn's name)
        """Return the probabilities of both classes, (rows, 2), in the order of `classes_`."""
        positive = np.exp(-np.logaddexp(0, -self.decision_function(X)))
        return np.stack([1 - positive, positive], axis=1)

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803 (scikit-learn's name)
        """Return the more probable class of each row, (rows,)."""
        is_second = self.decision_function(X) > 0
        return self.classes_[is_second.astype(int)]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
