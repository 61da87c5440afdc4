"""The coefficient table of separated rows: estimates of the coefficients that stay finite, from the rows on the boundary.

As the separated rows become certain, the likelihood of the table tends to that of the rows on the boundary, which has an
optimum along the other directions. Its estimates, errors and tests are the limits of those of the table (Geyer, Electronic
Journal of Statistics 3, 2009, section 3). The coefficients that the boundary leaves open are infinite, or follow from such.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from logitlab.statistics.likelihood import Likelihood
from logitlab.statistics.table import EFFECTS, CoefficientTable, Units, coefficient_table, column_means

INFINITE = "infinite: separates the classes"


def boundary(likelihood: Likelihood, rows: Tensor) -> Likelihood:
    """Return the likelihood of the rows of those numbers."""
    return Likelihood(likelihood.features[rows], likelihood.target[rows], likelihood.weight[rows])


def limit_table(
    likelihood: Likelihood,
    rows: Tensor,
    theta: Tensor,
    infinite: Collection[int],
    names: Sequence[str],
    units: Units,
    groups: Tensor | None = None,
    **options: Any,
) -> CoefficientTable:
    """Return the table at the limit.

    Args:
        likelihood: of all rows.
        rows: the numbers of those on the boundary.
        theta: their optimum, (features + 1,).
        infinite: the coefficients that they leave open, by their places.
        names: of the features.
        units: of the columns.
        groups: the group of each of all rows, for cluster errors.
        options: `coefficient_table`'s other arguments.
    """
    inside = boundary(likelihood, rows)
    table = coefficient_table(inside, theta, names, units, groups=None if groups is None else groups[rows], **options)
    kept = len(likelihood.basis.kept) + 1
    share = inside.rows / likelihood.rows  # the other rows' probabilities are 0 or 1, whatever a finite coefficient is
    table = table.without(dict.fromkeys(infinite, INFINITE))
    return replace(
        table,
        **{name: getattr(table, name) * share for name in EFFECTS},
        mean=column_means(likelihood, units),
        goodness=replace(table.goodness, null_log_likelihood=likelihood.null(), rows=likelihood.rows, parameters=kept),
        dependencies=[each for each in table.dependencies if each.column in likelihood.basis.aliased],
    )
