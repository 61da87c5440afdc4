"""Firth's penalised likelihood: finite coefficients and standard errors, also where the classes are separable."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from logitlab.errors import UserError
from logitlab.solvers.newton import NewtonSteps, Solution, minimum
from logitlab.solvers.objective import Evaluation, Objective, Sums, evaluation, rows_in_a_block


def firth(
    features: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    start: Tensor | None = None,
    tolerance: float = 1e-9,
    max_iterations: int = 200,
) -> Solution:
    """Return the maximum of the log-likelihood + 1/2 log det(information), in float64 (formula: `penalties.Firth`).

    `Solution.hessian` is that of the mean loss alone: its inverse over the number of rows holds the squared standard errors,
    as Heinze and Schemper give them. The arguments are those of `newton`.

    Raises:
        UserError: columns are collinear or constant: the determinant is 0 everywhere.
    """
    return minimum(FirthObjective(features, target, weight), NewtonSteps(tolerance), start, max_iterations)


@dataclass(frozen=True)
class FirthObjective(Objective):
    """`Objective` with Firth's penalty in place of the elastic net; `Evaluation.hessian` stays that of the loss."""

    def __call__(self, parameters: Tensor, hessian: bool = True) -> Evaluation:  # noqa: D102
        return firth_evaluation(self, self.sums(parameters), parameters)


def firth_evaluation(table: Objective, total: Sums, parameters: Tensor, mean_weight: float = 1.0) -> Evaluation:
    """Return the penalised objective at `parameters`, given the sums over all rows there.

    With q_i = a_i h_i (1 - h_i) x_i' I^-1 x_i, the leverages, the gradient is that of the loss - sum_i q_i (1/2 - h_i) x_i / n.

    Args:
        table: all rows.
        total: their sums at the point.
        parameters: the point, (features + 1,).
        mean_weight: what the rows' weights were divided by; the leverages do not depend on it, n and det I do.

    Raises:
        UserError: columns are collinear or constant: the determinant is 0 everywhere.
    """
    plain = evaluation(total, parameters)
    assert total.hessian is not None and plain.hessian is not None
    size, rows = len(parameters), total.weight * mean_weight
    scale = total.hessian.diagonal().sqrt()
    factor, failed = torch.linalg.cholesky_ex(total.hessian / scale / scale[:, None])
    logdet = 2 * float(factor.diagonal().log().sum())
    if failed or not logdet >= -30 * size:
        raise UserError(
            "penalty=firth needs columns that are linearly independent, and among these some are constant or follow from the"
            " others. Leave them out, or type penalty=elastic_net penalty.l2=0.01."
        )
    inverse = torch.cholesky_inverse(factor) / scale / scale[:, None]
    gradient = plain.gradient - _pull(table, parameters, inverse) / rows
    value = plain.loss - (logdet + 2 * float(scale.log().sum()) + size * math.log(mean_weight)) / (2 * rows)
    return Evaluation(plain.parameters, plain.loss, value, gradient, plain.hessian, float(gradient.abs().max()))


def _pull(table: Objective, parameters: Tensor, inverse: Tensor) -> Tensor:
    """Return sum_i q_i (1/2 - h_i) (x_i, 1), (features + 1,), on the CPU."""
    point, inverse = (each.to(table.features.device, torch.float64) for each in (parameters, inverse))
    result = torch.zeros_like(point)
    size = rows_in_a_block(table.features.shape[1])
    for start in range(0, len(table.features), size):
        rows = slice(start, start + size)
        x = table.features[rows].double()
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        logit = x @ point
        tail = (-logit.abs()).exp()
        variance = tail / (1 + tail).square()
        if table.weight is not None:
            variance = variance * table.weight[rows].reshape(-1).double()
        if table.pos_weight != 1:
            variance = variance * torch.where(table.target[rows].reshape(-1) > 0, table.pos_weight, 1.0)
        leverage = variance * ((x @ inverse) * x).sum(1)
        result += (leverage * (0.5 - torch.sigmoid(logit))) @ x
    return result.cpu()
