"""The optimum of what a fit aimed at, sought once for all results that speak of it."""

from torch import Tensor

from logitlab.data.examples import Examples
from logitlab.penalties import NONE, Firth
from logitlab.solvers.basis import basis, minimum_within
from logitlab.solvers.firth import FirthObjective
from logitlab.solvers.newton import NewtonSteps, Solution
from logitlab.solvers.objective import Objective
from logitlab.solvers.separation import Separation, Unknown, by_columns, optimum
from logitlab.sparse import SparseFeatures
from logitlab.training.module import LogisticRegression

MOST_WORK = 1e10
"""Rows * features^2 up to which the optimum is sought from afar: some ten passes of one to two seconds each on two cores."""

MOST_TO_PROVE = 1e11
"""The same where a solver has converged, and one step more proves that it stands at the optimum: some five such passes."""

MOST_CELLS = 1e9
"""Rows * features, of a table with codes, up to which single columns are looked at for what separates the classes."""

Verdict = Solution | Separation | Unknown | None
"""Where the optimum is, the direction in which there is none, neither proved, or, for a table that is too large, not sought."""


def objective(module: LogisticRegression, rows: Examples) -> Objective:
    """Return what the module was trained to make small, in float64."""
    pos_weight, penalty = float(getattr(module.loss, "pos_weight", None) or 1.0), module.penalty
    if isinstance(penalty, Firth):
        return FirthObjective(rows.exact, rows.target, rows.weight, pos_weight=pos_weight)
    return Objective(rows.exact, rows.target, rows.weight, penalty, pos_weight=pos_weight)


def verdict(table: Objective, reached: Tensor | None = None) -> Verdict:
    """Return the optimum of an objective.

    The search starts at the point that a solver has reached, if one has; what it finds there counts only with its proof. Else,
    or where that fails, it starts at zero: far out towards infinity everything is flat, and a fit that has run there would look
    like an optimum. Of a table that is too large for a search, classes that one column separates are still found.

    Args:
        table: the objective.
        reached: where a solver has converged, (features + 1,).
    """
    if _work(table) > (MOST_WORK if reached is None else MOST_TO_PROVE):
        is_plain = table.penalty is NONE and not isinstance(table, FirthObjective)
        is_long = isinstance(table.features, SparseFeatures) and table.features.shape.numel() > MOST_CELLS
        return by_columns(table) if is_plain and not is_long else None
    if isinstance(table, FirthObjective):
        return minimum_within(table, NewtonSteps(1e-9), reached, span=basis(table))
    if table.penalty is NONE:
        return optimum(table, reached)
    return minimum_within(table, NewtonSteps(1e-10, table.penalty.l1), reached)


def _work(table: Objective) -> float:
    """Return about how many operations a pass of Newton's method takes: with codes little more than to solve its equations."""
    rows, features = table.features.shape
    if isinstance(table.features, SparseFeatures) and table.penalty is not NONE:
        return table.features.numel() * 8 + features**3 / 3
    return rows * features**2
