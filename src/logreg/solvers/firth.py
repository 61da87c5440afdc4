"""Firth's penalised likelihood: finite coefficients and standard errors, also where the classes are separable."""

from dataclasses import dataclass

import torch
from torch import Tensor

from logreg.errors import UserError
from logreg.solvers.newton import NewtonSteps, Solution, minimum
from logreg.solvers.objective import Evaluation, Objective, Sums, evaluation, rows_in_a_block
from logreg.solvers.quadratic import solve


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


def firth_evaluation(table: Objective, total: Sums, parameters: Tensor) -> Evaluation:
    """Return the penalised objective at `parameters`, given the sums over all rows there.

    With q_i = a_i h_i (1 - h_i) x_i' I^-1 x_i, the leverages, the gradient is that of the loss - sum_i q_i (1/2 - h_i) x_i / n.
    """
    plain = evaluation(total, parameters)
    assert total.hessian is not None and plain.hessian is not None
    size = len(parameters)
    inverse = torch.stack([solve(total.hessian, unit)[0] for unit in torch.eye(size, dtype=torch.float64)])
    scale = total.hessian.diagonal().sqrt()
    sign, logdet = torch.linalg.slogdet(total.hessian / scale / scale[:, None])
    if sign <= 0 or logdet < -30 * size:
        raise UserError(
            "penalty=firth needs columns that are linearly independent, and among these some are constant or follow from the"
            " others. Leave them out, or type penalty=elastic_net penalty.l2=0.01."
        )
    gradient = plain.gradient - _pull(table, parameters, inverse) / total.weight
    value = plain.loss - float(logdet + 2 * scale.log().sum()) / (2 * total.weight)
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
