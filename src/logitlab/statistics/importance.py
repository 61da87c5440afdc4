"""What a network that is not linear makes of its columns: permutation importance and partial dependence.

Conventions: x is (rows, features), float64, as the network sees it; y (rows,) is 0 or 1; a group is the places of the features
that one column of the table became. A function of x gives the logit, (rows,).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from logitlab.metrics import log_loss_of_logits

Logit = Callable[[Tensor], Tensor]


def permutation_importance(
    logit: Logit, x: Tensor, y: Tensor, weight: Tensor, groups: Sequence[Sequence[int]], repeats: int = 10, seed: int = 0
) -> Tensor:
    """Return by how much the mean log loss rises when the values of one column are shuffled among the rows.

    The features of a group move together. A column that holds nothing which another does not hold too has a rise of about 0,
    also where the network uses it. (Breiman, Random Forests, 2001; Fisher, Rudin and Dominici, All Models Are Wrong, 2019.)

    Args:
        logit: of the network.
        x: the rows.
        y: the target.
        weight: of the rows, (rows,).
        groups: of features.
        repeats: shuffles of each group.
        seed: of the shuffles, which are the same for every group.

    Returns:
        The rise of each group and shuffle, (groups, repeats).
    """
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(x), generator=generator) for _ in range(repeats)]
    base = log_loss_of_logits(logit(x), y, weight)
    rises = torch.empty(len(groups), repeats, dtype=torch.float64)
    for number, group in enumerate(groups):
        places = torch.tensor(list(group))
        for repeat, order in enumerate(orders):
            shuffled = x.clone()
            shuffled[:, places] = x[order][:, places]
            rises[number, repeat] = log_loss_of_logits(logit(shuffled), y, weight) - base
    return rises


def partial_dependence(logit: Logit, x: Tensor, weight: Tensor, group: Sequence[int], values: Tensor) -> Tensor:
    """Return the mean probability of all rows, were one column at a value in each of them, (values,).

    (Friedman, Greedy Function Approximation: A Gradient Boosting Machine, 2001.)

    Args:
        logit: of the network.
        x: the rows.
        weight: of the rows, (rows,).
        group: the features of the column.
        values: what these are set to, (values, features of the column).
    """
    share, places = weight / weight.sum(), torch.tensor(list(group))
    means = []
    for value in values:
        moved = x.clone()
        moved[:, places] = value
        means.append((share * logit(moved).sigmoid()).sum())
    return torch.stack(means)
