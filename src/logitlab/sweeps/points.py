"""Trials whose values are known: those of a grid, and those that a killed search had drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

Values = Mapping[str, Any]
"""Name of a parameter -> its value."""


class Points(BaseSampler):
    """Gives trial `n` the values of point `n`.

    Optuna's GridSampler goes through a grid in a drawn order, knows no parameter that belongs to a choice, and ends a study
    that is driven by `ask` and `tell` by an exception.
    """

    def __init__(self, points: Sequence[Values] | Mapping[int, Values]) -> None:
        self.points = points

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: D102
        return {}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:  # noqa: D102
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return the value."""
        return self.points[trial.number][param_name]
