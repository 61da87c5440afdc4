"""The batches of many members: of one table, each in its own order, and of several tables side by side."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from logitlab.data.batches import Batches


def member_batches(batches: Batches, seeds: Sequence[int]) -> "Batches | MemberBatches":
    """Return `batches` itself where all members see the rows in one order, and otherwise an order for each.

    Args:
        batches: what one member alone would be served.
        seeds: of each member's orders.
    """
    if batches.shuffle and len(set(seeds)) > 1:
        return MemberBatches(batches, seeds)
    batches.seed = seeds[0]
    return batches


class _Several:
    """Batches that are served together, one of each at a time."""

    def __init__(self, each: "Sequence[Batches | _Several]") -> None:
        self._each = each
        self.batch_size: int = max(batches.batch_size for batches in each)

    def __len__(self) -> int:
        return len(self._each[0])

    def state_dict(self) -> dict[str, Any]:
        """Return what one member's `Batches` would."""
        return self._each[0].state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next epoch begin where the saved one stood."""
        for batches in self._each:
            batches.load_state_dict(state)


class MemberBatches(_Several):
    """An iterable over an epoch: every tensor (members, batch, ...), each member's rows in the order of its own seed."""

    def __init__(self, batches: Batches, seeds: Sequence[int]) -> None:
        distinct = sorted(set(seeds))
        super().__init__(
            [Batches(batches.tensors, batches.batch_size, shuffle=True, seed=seed, epoch=batches.epoch) for seed in distinct]
        )
        index = [distinct.index(seed) for seed in seeds]
        self._index = None if index == list(range(len(distinct))) else torch.tensor(index, device=batches.tensors[0].device)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for parts in zip(*self._each, strict=True):
            stacked = (torch.stack(tensors) for tensors in zip(*parts, strict=True))
            yield tuple(tensor if self._index is None else tensor[self._index] for tensor in stacked)


def side_by_side(each: "Sequence[Batches | MemberBatches]") -> "Batches | MemberBatches | TableBatches":
    """Return the batches of one table as they are, or those of several together."""
    return each[0] if len(each) == 1 else TableBatches(each)


class TableBatches(_Several):
    """An iterable over an epoch of tables that have as many batches each: (features of each table, targets of each, ...)."""

    def __iter__(self) -> Iterator[tuple[tuple[Tensor, ...], ...]]:
        for batches in zip(*self._each, strict=True):
            yield tuple(zip(*batches, strict=True))
