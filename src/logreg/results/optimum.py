"""The optimum of what a fit aimed at, sought once for all results that speak of it."""

from logreg.data.examples import Examples
from logreg.module import LogisticRegression
from logreg.penalties import NONE, Firth
from logreg.solvers.firth import FirthObjective
from logreg.solvers.newton import NewtonSteps, Solution, minimum
from logreg.solvers.objective import Objective
from logreg.solvers.separation import Separation, Unknown, optimum

MOST_WORK = 3e9
"""Rows * features^2 up to which the optimum is sought: about a second."""

Verdict = Solution | Separation | Unknown | None
"""Where the optimum is, the direction in which there is none, neither proved, or, for a table that is too large, not sought."""


def objective(module: LogisticRegression, rows: Examples) -> Objective:
    """Return what the module was trained to make small, in float64."""
    pos_weight, penalty = float(getattr(module.loss, "pos_weight", None) or 1.0), module.penalty
    if isinstance(penalty, Firth):
        return FirthObjective(rows.exact, rows.target, rows.weight, pos_weight=pos_weight)
    return Objective(rows.exact, rows.target, rows.weight, penalty, pos_weight=pos_weight)


def verdict(table: Objective) -> Verdict:
    """Return the optimum of an objective.

    The search starts at zero, not at the fitted point: far out towards infinity everything is flat, and a fit that has run
    there would look like an optimum.
    """
    rows, features = table.features.shape
    if rows * features**2 > MOST_WORK:
        return None
    if isinstance(table, FirthObjective):
        return minimum(table, NewtonSteps(1e-9))
    if table.penalty is NONE:
        return optimum(table)
    return minimum(table, NewtonSteps(1e-10, table.penalty.l1))
