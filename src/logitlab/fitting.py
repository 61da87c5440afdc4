"""The optimum of a logistic regression with its standard errors: arrays in, nothing written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from logitlab import penalties, rules
from logitlab.errors import UserError
from logitlab.features import Features
from logitlab.penalties import ElasticNet, Firth
from logitlab.solvers import separation
from logitlab.solvers.basis import basis, minimum_within
from logitlab.solvers.firth import FirthObjective
from logitlab.solvers.newton import NewtonSteps, Solution
from logitlab.solvers.objective import Objective
from logitlab.statistics.likelihood import Likelihood
from logitlab.statistics.table import CoefficientTable, Units, coefficient_table, indicators


@dataclass(frozen=True)
class LogisticFit:
    """A fitted logistic regression: probability of the second class = 1 / (1 + exp(-(x weight + bias))).

    Attributes:
        weight: (features,), float64.
        bias: the intercept.
        classes: the two values of y, sorted, (2,).
        feature_names: one for each feature.
        table: everything that is known of the coefficients.
        iterations: evaluations of the objective.
    """

    weight: np.ndarray
    bias: float
    classes: np.ndarray
    feature_names: tuple[str, ...]
    table: CoefficientTable = field(repr=False)
    iterations: int

    @property
    def coefficients(self) -> pl.DataFrame:
        """The coefficient table: a row for each feature, and one for the bias; null where there is nothing to say."""
        return pl.DataFrame(self.table.columns(), strict=False).fill_nan(None)

    @property
    def std_errors(self) -> np.ndarray:
        """The standard errors, (features + 1,), the bias last; NaN where there are none, as under a penalty."""
        return self.table.std_error.numpy()

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803 (scikit-learn's name)
        """Return the probabilities of both classes, (rows, 2), in the order of `classes`, for X (rows, features)."""
        x, _ = _matrix(X, self.feature_names)
        logit = torch.from_numpy(x @ self.weight + self.bias)
        return np.stack([torch.sigmoid(-logit).numpy(), torch.sigmoid(logit).numpy()], axis=1)

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803 (scikit-learn's name)
        """Return the more probable class of each row, (rows,)."""
        return self.classes[(self.predict_proba(X)[:, 1] >= 0.5).astype(int)]

    def summary(self) -> str:
        """Return the coefficient table and the goodness of fit as text."""
        from logitlab.results.coefficient_lines import cells, goodness_line, header

        lines = [header(self.table.level), *cells(self.table)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]
        none = [f"no standard errors: {self.table.why_none}"] if self.table.why_none else []
        return "\n".join([*text, *none, goodness_line(self.table)])


def fit(
    X: Any,  # noqa: N803 (scikit-learn's name)
    y: Any,
    *,
    weight: Any = None,
    penalty: ElasticNet | Firth | None = None,
    errors: str = "classical",
    interval: str | None = None,
    level: float = 0.95,
    groups: Any = None,
    feature_names: Sequence[str] | None = None,
) -> LogisticFit:
    """Return the coefficients that minimise the mean cross-entropy plus a penalty, proved to be the optimum, in float64.

    Without a penalty they are the estimates of greatest likelihood, as in R's glm and statsmodels' Logit.

    Args:
        X: (rows, features): a numpy array, a tensor, a polars or pandas DataFrame or nested lists, of numbers; not scaled.
        y: (rows,): two values; the larger one is class 1.
        weight: of the rows, (rows,), above 0: a row of weight 2 counts as two rows.
        penalty: `ElasticNet(l1, l2)` on the mean loss, or `Firth()`.
        errors: "classical", "hc0", "hc1" or "cluster".
        interval: "wald" or "profile" (of the likelihood); None: profile with Firth's penalty, else wald.
        level: of the intervals.
        groups: for errors="cluster" the group of each row, (rows,).
        feature_names: None: those of the DataFrame, or x1, x2, ...

    Raises:
        UserError: an argument is not allowed, or there is no finite optimum: the classes are separable.
    """
    rules.check("results.coefficients", errors=errors, interval=interval, level=level)
    x, names = _matrix(X, feature_names)
    classes, target = _target(y, len(x))
    rows = _weights(weight, len(x))
    members = None if groups is None else torch.from_numpy(np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1))
    if errors == "cluster" and (members is None or len(members) != len(x)):
        raise UserError(f"errors=cluster needs the group of each of the {len(x)} rows: give groups.")
    penalty = penalties.NONE if penalty is None or penalty == penalties.NONE else penalty
    firth = isinstance(penalty, Firth)
    if errors != "classical" and (firth or interval == "profile"):
        raise UserError(f"errors={errors} does not go with a profile of the likelihood, nor with Firth's penalty.")
    features = Features.plain(torch.from_numpy(x))
    firth_objective = FirthObjective(features, target, rows)
    objective = firth_objective if isinstance(penalty, Firth) else Objective(features, target, rows, penalty)
    found = _optimum(objective)
    theta = torch.cat([found.weight, found.bias.reshape(1)])
    likelihood = Likelihood(features, target, rows)
    table = coefficient_table(
        likelihood,
        theta,
        names,
        kind=errors,
        interval=interval or ("profile" if firth else "wald"),
        level=level,
        groups=members,
        indicators=indicators(likelihood, Units(theta.new_zeros(x.shape[1]), theta.new_ones(x.shape[1]))),
        why_none=None if firth or penalty is penalties.NONE else "a penalty pulls the coefficients towards 0",
        firth=firth,
    )
    return LogisticFit(found.weight.numpy(), float(found.bias), classes, names, table, found.iterations)


def _optimum(objective: Objective) -> Solution:
    """Return the optimum, proved.

    Raises:
        UserError: there is none, or it is not decided.
    """
    if isinstance(objective, FirthObjective):
        found: Any = minimum_within(objective, NewtonSteps(1e-9), span=basis(objective))
    elif objective.penalty:
        found = minimum_within(objective, NewtonSteps(1e-10, objective.penalty.l1))
    else:
        found = separation.optimum(objective)
    if isinstance(found, separation.Separation):
        raise UserError(
            "There is no finite optimum: the classes are separable by these features, or all rows are of one class. For finite"
            " coefficients give penalty=Firth() or penalty=ElasticNet(l2=0.01)."
        )
    if isinstance(found, separation.Unknown):
        raise UserError(f"Whether there is an optimum is not decided: {found.why}.")
    return found


def _matrix(X: Any, names: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:  # noqa: N803 (scikit-learn's name)
    """Return X as (rows, features) float64, and the names of its features.

    Raises:
        UserError: it is no table of finite numbers.
    """
    given = names if names is not None else getattr(X, "columns", None)
    try:
        x = np.array(X.detach().cpu() if isinstance(X, Tensor) else X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"X is no table of numbers ({error}): turn text into columns of 0 and 1 first.") from error
    if x.ndim != 2 or 0 in x.shape:
        raise UserError(f"X has the shape {x.shape}: it takes (rows, features), at least one of each.")
    if not np.isfinite(x).all():
        raise UserError("X holds a missing or infinite value: leave such rows out, or fill them in.")
    found = tuple(map(str, given)) if given is not None else tuple(f"x{place + 1}" for place in range(x.shape[1]))
    if len(found) != x.shape[1]:
        raise UserError(f"X has {x.shape[1]} columns, and there are {len(found)} names of features.")
    return x, found


def _target(y: Any, rows: int) -> tuple[np.ndarray, Tensor]:
    """Return the two classes, sorted, and the target, (rows, 1), 0 or 1.

    Raises:
        UserError: there are not two values, or not one for each row.
    """
    values = np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y).reshape(-1)
    if len(values) != rows:
        raise UserError(f"y has {len(values)} values for {rows} rows of X.")
    classes, codes = np.unique(values, return_inverse=True)
    if len(classes) != 2:
        raise UserError(f"y has {len(classes)} different values: logistic regression takes two.")
    return classes, torch.from_numpy(codes.reshape(-1, 1)).double()


def _weights(values: Any, rows: int) -> Tensor | None:
    if values is None:
        return None
    column = torch.from_numpy(np.array(values, dtype=np.float64).reshape(-1, 1))
    if len(column) != rows or not bool(torch.isfinite(column).all()):
        raise UserError(f"weight takes a finite number for each of the {rows} rows.")
    if not bool((column > 0).all()):
        raise UserError("weight holds a number that is not above 0: leave such rows out.")
    return column
