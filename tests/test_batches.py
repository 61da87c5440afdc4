"""Batches: every row once in an epoch, in an order that is a function of (seed, epoch) alone."""

import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from logitlab.data import batches as module
from logitlab.data.batches import Batches
from logitlab.data.prefetching import prefetched


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


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a part hold two batches of eight rows, so that a small table has several of them."""
    monkeypatch.setattr(module, "VALUES_IN_A_PART", 20)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("stop_after", [0, 1, 2, 3, 12])
def test_parts_are_gathered_ahead_and_change_nothing(stop_after: int) -> None:
    begun = batches(100, 8, shuffle=True, seed=1, epoch=2)
    served, iterator = [], iter(begun)
    for _ in range(stop_after):
        served.append(next(iterator)[0])
    iterator.close()  # type: ignore[attr-defined]
    assert [each.name for each in threading.enumerate() if "ThreadPool" in each.name] == []
    resumed = batches(100, 8, shuffle=True, seed=1, epoch=2)
    resumed.load_state_dict(begun.state_dict())
    served += [batch[0] for batch in resumed]
    generator = torch.Generator().manual_seed(2654435761 + 2)
    rows = torch.randperm(100, generator=generator)
    assert [len(each) for each in served] == [8] * 12 + [4]
    assert torch.equal(torch.cat(served), rows)


def test_what_comes_next_is_made_while_the_present_is_used() -> None:
    asked: list[int] = []
    begun = threading.Event()

    def make(number: int) -> int:
        asked.append(number)
        if number == 1:
            begun.set()
        return number * 10

    made = prefetched(make, range(3))
    assert next(made) == 0
    assert begun.wait(timeout=10)  # 1 is in the making, though nobody has asked for it
    assert list(made) == [10, 20]
    assert asked == [0, 1, 2]


def test_a_fault_is_raised_in_its_place() -> None:
    made = prefetched(lambda number: 1 / number, [1, 0, 2])
    assert next(made) == 1.0
    with pytest.raises(ZeroDivisionError):
        next(made)
    assert list(prefetched(str, [])) == []
