"""Batches of tensors that are in memory already: slices, never rows put together one by one."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from logitlab.data.prefetching import prefetched
from logitlab.sparse import SparseMatrix, rows_of

VALUES_IN_A_PART = 2**20
"""Values of the features that are gathered at a time, as many whole batches as they make: they stay in the cache until they are
used, no second copy of the table is made, and a thread is not called for every batch."""


class Batches:
    """An iterable over one epoch's batches, for Lightning in place of a DataLoader.

    The order of an epoch is a function of (seed, epoch) alone. With `state_dict`, which Lightning saves and restores, a run
    that stopped inside an epoch resumes with the very next batch.
    """

    def __init__(
        self,
        tensors: tuple[Tensor, ...],
        batch_size: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
        epoch: Callable[[], int] = lambda: 0,
    ) -> None:
        """Take the tensors, which share their first dimension.

        Args:
            tensors: each (rows, ...).
            batch_size: rows in a batch, the last one may be smaller; None: all rows in one.
            shuffle: draw a new order for every epoch.
            seed: of the orders.
            epoch: returns the number of the epoch that begins.
        """
        self.tensors = tensors
        self.rows = len(tensors[0])
        self.batch_size = min(batch_size or self.rows, self.rows)
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = epoch
        self._served = 0
        self._resume_at = 0

    def __len__(self) -> int:
        return -(-self.rows // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        self._served, self._resume_at = self._resume_at, 0
        in_a_part = self._batches_in_a_part if self.shuffle else len(self)
        skipped = self._served % in_a_part  # a part begins where it always does: a sum's last bits may depend on the alignment
        for part in self._parts(range(self._served - skipped, len(self), in_a_part)):
            starts = range(skipped * self.batch_size, len(part[0]), self.batch_size)
            skipped = 0
            for start in starts:
                self._served += 1
                yield part if len(part[0]) <= self.batch_size else tuple(each[start : start + self.batch_size] for each in part)

    def state_dict(self) -> dict[str, Any]:
        """Return how many batches of this epoch have been served; a finished epoch counts as none."""
        return {"served": self._served % len(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next epoch begin where the saved one stood."""
        self._resume_at = state["served"]

    @property
    def _batches_in_a_part(self) -> int:
        values = self.batch_size * (self.tensors[0].numel() // self.rows)
        return min(max(VALUES_IN_A_PART // max(values, 1), 1), len(self))

    def _parts(self, firsts: range) -> Iterable[tuple[Tensor, ...]]:
        """Return the rows of several batches in a row, for each of the batches that such a part begins with."""
        if not self.shuffle:
            return [self.tensors]
        order, rows = self._order(), firsts.step * self.batch_size

        def gathered(first: int) -> tuple[Tensor, ...]:
            rows_ = order[first * self.batch_size : first * self.batch_size + rows]
            return tuple(
                tensor[rows_] if isinstance(tensor, SparseMatrix) else rows_of(tensor, rows_) for tensor in self.tensors
            )

        worth_a_thread = len(firsts) > 1 and self.tensors[0].device.type == "cpu"
        return prefetched(gathered, firsts) if worth_a_thread else map(gathered, firsts)

    def _order(self) -> Tensor:
        """Return this epoch's order of the rows, (rows,)."""
        # (seed, epoch) -> one number by Knuth's multiplicative hash: neighbouring pairs must not share their orders
        generator = torch.Generator().manual_seed((self.seed * 2654435761 + self.epoch()) % 2**63)
        # the order is the same in either type; the short numbers stay in the cache and take half the time
        dtype = torch.int32 if self.rows < 2**31 else torch.int64
        return torch.randperm(self.rows, generator=generator, dtype=dtype).to(self.tensors[0].device)
