"""The best epoch so far, and patience with epochs that are no better: of one training, or of each of many side by side.

Conventions: a shape is () for one training and (members,) for many; a value is a metric after an epoch, of that shape.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

YES = torch.tensor(True)


def shaped(members: Tensor, like: Tensor) -> Tensor:
    """Return a tensor of the common shape such that it goes with `like`, (*shape, ...), on its device."""
    return members.to(like.device).reshape(*members.shape, *[1] * (like.ndim - members.ndim))


class Best:
    """The weights at the end of the best epoch.

    Attributes:
        score: sign * value of that epoch, float64; inf where there was none.
        epoch: its number; -1 where there was none.
        weights: by name, (*shape, ...); empty before the first epoch that counts.
    """

    def __init__(self, sign: float, shape: tuple[int, ...] = ()) -> None:
        """Take what makes a better value less: 1, or -1 where more is better."""
        self.sign = sign
        self.score = torch.full(shape, torch.inf, dtype=torch.float64)
        self.epoch = torch.full(shape, -1)
        self.weights: dict[str, Tensor] = {}

    def update(
        self, value: Tensor, epoch: int, weights: Mapping[str, Tensor], among: Tensor = YES, always: bool = False
    ) -> bool:
        """Copy the weights where the value is finite and the best so far; return whether it is anywhere.

        Args:
            value: after the epoch.
            epoch: its number.
            weights: as they are, by name.
            among: those that count.
            always: a finite value counts as better than any before.
        """
        score = self.sign * value.detach().cpu().double()
        better = among & score.isfinite()
        if not always:
            better = better & (score < self.score)
        if not better.any():
            return False
        self.score, self.epoch = torch.where(better, score, self.score), torch.where(better, epoch, self.epoch)
        if not self.weights or better.all():
            self.weights = {name: each.detach().clone() for name, each in weights.items()}
            return True
        kept = self.weights
        self.weights = {name: torch.where(shaped(better, each), each.detach(), kept[name]) for name, each in weights.items()}
        return True


class Patience:
    """Epochs in a row that brought no improvement.

    Attributes:
        best: sign * value of the best epoch so far, float64.
        waited: epochs since then.
    """

    def __init__(self, sign: float, patience: int, min_delta: float, shape: tuple[int, ...] = ()) -> None:
        """Take what makes a better value less, the epochs to wait, and what counts as an improvement."""
        self.sign = sign
        self.patience = patience
        self.min_delta = abs(min_delta)
        self.best = torch.full(shape, torch.inf, dtype=torch.float64)
        self.waited = torch.zeros(shape, dtype=torch.int64)

    def update(self, value: Tensor, among: Tensor = YES) -> Tensor:
        """Take the value after an epoch; return where patience is at its end, of bool."""
        value = self.sign * value.detach().cpu().double()
        better = among & (value + self.min_delta < self.best)
        self.best = torch.where(better, value, self.best)
        self.waited = torch.where(better, 0, self.waited + among.long())
        return self.ended

    @property
    def ended(self) -> Tensor:
        """Where patience is at its end."""
        return self.waited >= self.patience
