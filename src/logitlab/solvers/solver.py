"""Optimisers that make one move an epoch, from sums over all rows: Newton's method and L-BFGS for a LightningModule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from logitlab import memory, penalties, rules
from logitlab.features import Features
from logitlab.penalties import ElasticNet, Firth
from logitlab.solvers.basis import Basis, coordinates
from logitlab.solvers.firth import firth_evaluation
from logitlab.solvers.lbfgs import MOST_FOR_A_HESSIAN, LBFGSSteps
from logitlab.solvers.newton import NewtonSteps, minimum
from logitlab.solvers.objective import Evaluation, Objective, Sums, evaluation, one_core
from logitlab.solvers.steps import Steps
from logitlab.sparse import SparseFeatures

SAMPLE_ROWS_PER_COLUMN = 50
SMALLEST_SAMPLE = 20_000
WORTH_SAMPLING = 8
"""A table with this many times the sample's rows is begun from the sample's optimum."""


class Solver(torch.optim.Optimizer, ABC):
    """A torch optimiser that is shown every batch (`accumulate`) and moves once all rows have been seen (`step`).

    torch's own optimisers know the gradient of one batch and nothing else. These need sums over all rows, the Hessian among
    them, at one point; so an epoch is one evaluation, in as many batches as there are, and the point moves at its end. The
    network's parameters are those of one linear map, the bias last. They hold the best point that the method has accepted: one
    that a line search only tries, and may reject, is the solver's own. Sums in float32 lead near the optimum; from
    there on they are float64, so that the last steps, and whether they converged, are exact whatever `dtype` says.

    Attributes:
        penalty: of the weights.
        pos_weight: how many rows of class 0 a row of class 1 counts as.
        steps: the method; made at the first move.
        finished: nothing is left to do, converged or not.
        basis: coordinates in which nothing is nearly collinear; None where there is an elastic net, or nobody chose one.
        loss: the mean loss at the accepted point, without the penalty; `accuracy` and `penalty_value`, likewise.
        takes_l1: the method can work with an l1 penalty.
        takes_hessian: the method forms Hessians.
    """

    takes_l1 = False
    takes_hessian = False

    def __init__(self, params: Iterable[nn.Parameter], tolerance: float, dtype: str) -> None:
        """Take over the parameters.

        Args:
            params: of a linear map with one output: weights, then the bias.
            tolerance: converged where the gradient's largest absolute entry is at most this.
            dtype: "float64", or "float32" for sums over blocks that are faster and good to about 1e-7.
        """
        rules.check("optimizer", tolerance=tolerance, dtype=dtype)
        super().__init__(params, {"lr": 1.0})
        self.tolerance = tolerance
        self.dtype = {"float64": torch.float64, "float32": torch.float32}[dtype]
        self.penalty: ElasticNet | Firth = penalties.NONE
        self.pos_weight = 1.0
        self.steps: Steps | None = None
        self.finished = False
        self.basis: Basis | None = None
        self.loss = self.accuracy = self.penalty_value = 0.0
        self._diagonal: Tensor | None = None
        self._is_exact = self.dtype == torch.float64
        self._point: Tensor | None = None
        self._sums: Sums | None = None
        self._only_batch: Objective | None = None
        self._seen: Evaluation | None = None
        self._seen_accuracy = 0.0

    def prepare(self, penalty: ElasticNet | Firth, pos_weight: float) -> None:
        """Take what is minimised besides the loss, before training."""
        self.penalty = penalty
        self.pos_weight = pos_weight

    def choose_basis(self, features: Tensor | Features, target: Tensor) -> None:
        """Take the basis of all training rows, features (rows, features) and target (rows, 1), once it is prepared.

        Raises:
            UserError: there is no room for the basis, or for a Hessian.
        """
        penalty = self.penalty if isinstance(self.penalty, ElasticNet) else penalties.NONE
        if self.takes_hessian or not penalty:
            memory.check_squares(features.shape[1])
        self.basis = coordinates(Objective(features, target, penalty=penalty))
        is_wide = features.shape[1] > MOST_FOR_A_HESSIAN and not self.takes_hessian
        if is_wide and self.basis is None and isinstance(features, SparseFeatures):
            self._diagonal = self._hessian_diagonal(features)

    @abstractmethod
    def make_steps(self, features: int) -> Steps:
        """Return the method at its start."""

    @property
    def converged(self) -> bool:
        """Whether the best point is the optimum, within the tolerance."""
        return self.steps is not None and self.steps.converged

    @property
    def gradient_norm(self) -> float:
        """The gradient's largest absolute entry at the best point; infinite before the first move."""
        best = None if self.steps is None else self.steps.best
        return float("inf") if best is None else best.gradient_norm

    @torch.no_grad()
    def accumulate(self, features: Tensor | Features, target: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Add a batch to the sums at the present point.

        Args:
            features: (batch, features).
            target: (batch, 1).
            weight: of the rows, (batch, 1); None: 1 each.

        Returns:
            The batch's mean loss (without the penalty) and its accuracy, () each.
        """
        if self.basis is not None:
            features = self.basis.features(features)
        if self.steps is None:
            self._begin(features, target, weight)
        assert self.steps is not None and self._point is not None
        if isinstance(self.penalty, Firth):
            self._only_batch = Objective(features, target, weight, pos_weight=self.pos_weight)
        dtype = torch.float64 if self._is_exact else self.dtype
        batch = Objective(features, target, weight, dtype=dtype, pos_weight=self.pos_weight)
        part = batch.sums(self._point, self.steps.wants_hessian)
        self._sums = part if self._sums is None else self._sums + part
        return part.loss / part.weight, part.right / part.weight

    @torch.no_grad()
    def evaluate(self) -> float:
        """Make the evaluation of all batches seen since the last move; return the objective, leave its gradient in `.grad`.

        The gradient is that at the point evaluated, which a line search may reject.
        """
        assert self._point is not None and self._sums is not None, "no batch was seen"
        if isinstance(self.penalty, Firth):
            assert self._only_batch is not None
            seen = firth_evaluation(self._only_batch, self._sums, self._point, self.penalty.mean_weight)
        else:
            seen = evaluation(self._sums, self._point, self.penalty)
        self._seen_accuracy = float(self._sums.right) / self._sums.weight
        self._sums, self._only_batch, self._seen = None, None, seen
        for parameter, part in self._parts(self._outward_gradient(seen.gradient)):
            parameter.grad = part.to(parameter)
        return seen.value

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move to the next point; the closure is `evaluate`, or None where that was called before."""
        value = None if closure is None else closure()
        assert self.steps is not None and self._seen is not None, "nothing was evaluated"
        seen, self._seen = self._seen, None
        with one_core(len(seen.parameters)):
            following = self.steps.next_point(seen)
        best = self.steps.best
        assert best is not None
        if best.parameters is seen.parameters:  # accepted
            self.loss, self.accuracy, self.penalty_value = seen.loss, self._seen_accuracy, seen.value - seen.loss
            for parameter, part in self._parts(best.parameters if self.basis is None else self.basis.outward(best.parameters)):
                parameter.copy_(part)
        self._point = best.parameters if following is None else following
        if following is None and not self._is_exact:
            self._is_exact = True
            self.steps.restart()
        else:
            self.finished = following is None
        return value

    def _outward_gradient(self, gradient: Tensor) -> Tensor:
        """Return the gradient by the coefficients, (features + 1,)."""
        inverse = None if self.basis is None else self.basis.inverse
        return gradient if inverse is None else inverse.T @ gradient

    def state_dict(self) -> dict[str, Any]:
        """Return everything remembered, in float64, as plain values and tensors."""
        own = {
            "steps": None if self.steps is None else self.steps.plain(),
            "sums": None if self._sums is None else vars(self._sums),
            "point": self._point,
            "finished": self.finished,
            "is_exact": self._is_exact,
            "accepted": (self.loss, self.accuracy, self.penalty_value),
        }
        return {**super().state_dict(), "solver": own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        own = state_dict["solver"]
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "solver"})
        self._point, self.finished, self._is_exact = own["point"], own["finished"], own["is_exact"]
        self.loss, self.accuracy, self.penalty_value = own["accepted"]
        self._sums = None if own["sums"] is None else Sums(**own["sums"])
        if own["steps"] is not None:
            assert self._point is not None
            self.steps = self.make_steps(len(self._point) - 1)
            self.steps.restore(own["steps"])

    def _begin(self, features: Tensor | Features, target: Tensor, weight: Tensor | None) -> None:
        """Read the start from the network; with many rows, go to the optimum of a sample of them first."""
        columns = features.shape[1]
        parameters = [parameter.reshape(-1).double() for group in self.param_groups for parameter in group["params"]]
        self._point = torch.cat(parameters).cpu()
        if self.basis is not None:
            self._point = self.basis.inward(self._point)
        assert len(self._point) == columns + 1, "a solver trains one linear map with one output"
        self.steps = self.make_steps(columns)
        if isinstance(self.penalty, Firth):
            return
        if self._diagonal is not None:
            self.steps.precondition(self._diagonal)
        sample = max(SMALLEST_SAMPLE, SAMPLE_ROWS_PER_COLUMN * columns)
        if len(features) < WORTH_SAMPLING * sample or columns > MOST_FOR_A_HESSIAN:
            return
        every = len(features) // sample
        weights = None if weight is None else weight[::every]
        rows = Objective(features[::every], target[::every], weights, self.penalty, self.dtype, self.pos_weight)
        begun = minimum(rows, NewtonSteps(1e-3, self.penalty.l1), self._point, max_iterations=10)
        if begun.converged:
            self._point = torch.cat([begun.weight, begun.bias[None]])
            self.steps.precondition(begun.hessian)

    def _hessian_diagonal(self, features: SparseFeatures) -> Tensor:
        """Return about the diagonal of the Hessian at zero, (features + 1,), of features that are 0 and 1 or scaled to 1."""
        ones = torch.ones(len(features), dtype=torch.float64, device=features.device)
        matrix: Any = features.to(torch.float64)
        mean = matrix.transposed_times(ones).cpu() / len(features)
        mean[features.places.cpu()] = 1.0
        return torch.cat([mean / 4 + getattr(self.penalty, "l2", 0.0), torch.full((1,), 0.25)]).clamp(min=1e-12)

    def _parts(self, vector: Tensor) -> Iterator[tuple[nn.Parameter, Tensor]]:
        """Yield every parameter with its part, of its shape, of a vector (features + 1,)."""
        start = 0
        for parameter in (each for group in self.param_groups for each in group["params"]):
            yield parameter, vector[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()


class Newton(Solver):
    """Newton's method, with the exact Hessian of all rows (`newton.NewtonSteps`)."""

    takes_l1 = True
    takes_hessian = True

    def __init__(self, params: Iterable[nn.Parameter], tolerance: float = 1e-9, dtype: str = "float64") -> None:
        """See `Solver`."""
        super().__init__(params, tolerance, dtype)

    def make_steps(self, features: int) -> Steps:  # noqa: D102
        return NewtonSteps(self.tolerance, getattr(self.penalty, "l1", 0.0))


class LBFGS(Solver):
    """L-BFGS over all rows (`lbfgs.LBFGSSteps`)."""

    def __init__(
        self, params: Iterable[nn.Parameter], tolerance: float = 1e-7, dtype: str = "float32", history_size: int = 10
    ) -> None:
        """Take over the parameters.

        Args:
            params: see `Solver`.
            tolerance: see `Solver`.
            dtype: see `Solver`.
            history_size: changes of point and gradient that are remembered.
        """
        rules.check("optimizer", history_size=history_size)
        super().__init__(params, tolerance, dtype)
        self.history_size = history_size

    def make_steps(self, features: int) -> Steps:  # noqa: D102
        rounding = 1e-7 if self.dtype == torch.float32 else 1e-15
        return LBFGSSteps(self.tolerance, features, self.history_size, rounding)
