"""What a solver is to whoever makes the passes over the rows: a dialogue of points and evaluations."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from logitlab.solvers.objective import Evaluation


class Steps(ABC):
    """A solver that is given the objective at a point and answers with the next point to look at.

    So the same steps serve a table in memory and one that streams by in batches: an evaluation is a pass over the rows,
    whoever makes it. Everything that a solver remembers is plain values and tensors among its attributes.

    Attributes:
        wants_hessian: the next evaluation is to bring a Hessian.
        best: the best evaluation so far.
        converged: the best point is the optimum, within the tolerance.
    """

    wants_hessian = False
    best: Evaluation | None = None
    converged = False

    @abstractmethod
    def next_point(self, seen: Evaluation) -> Tensor | None:
        """Return the next point, (features + 1,), given the objective at the one asked for last; None: finished."""

    def restart(self) -> None:
        """Take the next evaluation, at the best point or near it, for the first; keep what is known of the curvature."""
        self.best, self.converged = None, False

    def precondition(self, hessian: Tensor) -> None:  # noqa: B027
        """Take a Hessian, (features + 1, features + 1), at or near the start, if it is of use; it need not be exact."""

    def plain(self) -> dict[str, Any]:
        """Return everything remembered as plain values and tensors, for a checkpoint."""
        return {name: vars(value) if isinstance(value, Evaluation) else value for name, value in vars(self).items()}

    def restore(self, saved: dict[str, Any]) -> None:
        """Remember what `plain` returned."""
        for name, value in saved.items():
            setattr(self, name, Evaluation(**value) if name == "best" and value is not None else value)
