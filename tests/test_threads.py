"""Little work stays in one thread; how many there are besides is the user's business."""

from collections.abc import Callable, Iterator

import pytest
import torch
from runs import Run

from logitlab import threads
from logitlab.training.module import LogisticRegression


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_little_work_has_one_thread_and_gives_the_others_back() -> None:
    with threads.enough_for(threads.LITTLE_WORK + 1):
        assert torch.get_num_threads() == 3
    with pytest.raises(ZeroDivisionError), threads.enough_for(threads.LITTLE_WORK):
        assert torch.get_num_threads() == 1
        _ = 1 / 0
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("most", [5, 12])  # the toy data are 6 rows of 2 features
def test_training_has_the_threads_that_its_batches_are_worth(
    most: int, fit: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "LITTLE_WORK", most)
    seen = set()
    step = LogisticRegression.training_step

    def watched(self: LogisticRegression, batch: tuple[torch.Tensor, ...], batch_idx: int) -> torch.Tensor | None:
        seen.add(torch.get_num_threads())
        return step(self, batch, batch_idx)

    monkeypatch.setattr(LogisticRegression, "training_step", watched)
    fit("trainer.max_epochs=2")
    assert seen == {3 if most == 5 else 1}
    assert torch.get_num_threads() == 3
