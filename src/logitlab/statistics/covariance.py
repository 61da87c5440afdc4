"""How far the coefficients would scatter from table to table: four covariances of theta, and the map to other units.

    classical   A^-1, A the information: right where the model is
    hc0         A^-1 B A^-1, B = sum_i w_i u_i u_i', u_i = (y_i - p_i) x_i: right also where the model is not (White 1982)
    hc1         hc0 times n / (n - k), n rows and k parameters
    cluster     A^-1 B A^-1, B = sum_g U_g U_g', U_g the sum of w_i u_i over a group: rows of one group may be dependent;
                times G / (G - 1) (n - 1) / (n - k) for G groups

Factors as statsmodels has them; n counts each row by its weight, so a weighted table and the same table with its rows
repeated give the same errors.

Sampling weights are not counts: they state how much of a population a row represents. They have the mean 1, so that n is the
number of rows, and their square stands in B: of hc0, B = sum_i w_i^2 u_i u_i'. The factor of cluster is G / (G - 1) alone, as
R's survey and Stata have it. A^-1 alone is then not a covariance.
"""

import torch
from torch import Tensor

from logitlab.statistics.likelihood import Likelihood

KINDS = ("classical", "hc0", "hc1", "cluster")


def inverse(information: Tensor) -> Tensor:
    """Return the pseudo-inverse of an information matrix (k, k), positive semidefinite, on columns scaled to equal size.

    Directions with eigenvalues below k eps of the scaled matrix are left out: the rows do not determine them.
    """
    size = information.diagonal().sqrt()
    size = torch.where(size > 0, size, 1.0)
    values, vectors = torch.linalg.eigh(information / size[:, None] / size)
    known = values > len(values) * torch.finfo(values.dtype).eps * values[-1]
    half = vectors[:, known] / values[known].sqrt() / size[:, None]
    return half @ half.T


def robust(likelihood: Likelihood, theta: Tensor, bread: Tensor, correct: bool, sampling: bool = False) -> Tensor:
    """Return the sandwich hc0, or hc1 if `correct`; `bread` is the inverse information at `theta`, (k, k)."""
    meat = torch.zeros_like(bread)
    for design, target, weight in likelihood.chunks():
        residual = target - torch.sigmoid(design @ theta)
        size = (weight.square() if sampling else weight) * residual.square()
        meat += design.T @ (design * size[:, None])
    rows = likelihood.rows
    factor = rows / (rows - likelihood.parameters) if correct else 1.0
    return factor * (bread @ meat @ bread)


def clustered(likelihood: Likelihood, theta: Tensor, bread: Tensor, groups: Tensor, sampling: bool = False) -> Tensor:
    """Return the sandwich over groups of rows, `groups` (rows,) any numbers; other arguments as for `robust`.

    Raises:
        ValueError: there is a single group.
    """
    names, group = torch.unique(groups.reshape(-1), return_inverse=True)
    if len(names) < 2:
        raise ValueError("cluster-robust errors need at least two groups of rows")
    totals = theta.new_zeros(len(names), likelihood.parameters)
    start = 0
    for design, target, weight in likelihood.chunks():
        residual = weight * (target - torch.sigmoid(design @ theta))
        totals.index_add_(0, group[start : start + len(design)], design * residual[:, None])
        start += len(design)
    rows, count = likelihood.rows, len(names)
    factor = count / (count - 1) * (1 if sampling else (rows - 1) / (rows - likelihood.parameters))
    return factor * (bread @ (totals.T @ totals) @ bread)
