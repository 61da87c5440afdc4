"""Batches: every row once in an epoch, in an order that is a function of (seed, epoch) alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from logreg.data.batches import Batches


def batches(rows: int, batch_size: int | None = None, *, shuffle: bool = False, seed: int = 0, epoch: int = 0) -> Batches:
    column = torch.arange(rows)
    return Batches((column, column * 10), batch_size, shuffle, seed, epoch=lambda: epoch)


def order(of: Batches) -> list[int]:
    return torch.cat([batch[0] for batch in of]).tolist()


@given(st.integers(1, 40), st.one_of(st.none(), st.integers(1, 50)), st.booleans(), st.integers(0, 5), st.integers(0, 9))
def test_every_row_once_and_tensors_stay_together(rows: int, size: int | None, shuffle: bool, seed: int, epoch: int) -> None:
    served = list(batches(rows, size, shuffle=shuffle, seed=seed, epoch=epoch))
    assert len(served) == len(batches(rows, size))
    assert all(len(one) == min(size or rows, rows) for one, _ in served[:-1])
    assert sorted(torch.cat([one for one, _ in served]).tolist()) == list(range(rows))
    assert all(torch.equal(ten, one * 10) for one, ten in served)


def test_without_shuffle_the_order_is_that_of_the_table() -> None:
    assert order(batches(7, 3)) == list(range(7))


def test_the_order_depends_on_seed_and_epoch_and_nothing_else() -> None:
    torch.manual_seed(0)
    first = order(batches(100, 8, shuffle=True, seed=3, epoch=5))
    torch.manual_seed(99)
    torch.rand(10)
    assert order(batches(100, 32, shuffle=True, seed=3, epoch=5)) == first
    orders = [order(batches(100, 8, shuffle=True, seed=seed, epoch=epoch)) for seed in range(6) for epoch in range(6)]
    assert len({tuple(each) for each in orders}) == 36


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("stop_after", range(4))
def test_goes_on_inside_an_epoch_with_the_very_next_batch(shuffle: bool, stop_after: int) -> None:
    begun = batches(10, 3, shuffle=shuffle, seed=1, epoch=2)
    served, iterator = [], iter(begun)
    for _ in range(stop_after):
        served += next(iterator)[0].tolist()
    resumed = batches(10, 3, shuffle=shuffle, seed=1, epoch=2)
    resumed.load_state_dict(begun.state_dict())
    assert served + order(resumed) == order(batches(10, 3, shuffle=shuffle, seed=1, epoch=2))
    assert len(order(resumed)) == 10  # the next epoch is whole


def test_a_finished_epoch_leaves_nothing_behind() -> None:
    finished = batches(10, 3)
    list(finished)
    assert finished.state_dict() == {"served": 0}
    whole = batches(10)
    list(whole)
    assert whole.state_dict() == {"served": 0}
