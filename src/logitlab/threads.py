"""How many threads torch's operations use: waking others for a little work takes longer than the work."""

import contextlib
from collections.abc import Iterator

import torch

LITTLE_WORK = 2**18
"""Values up to which one thread is enough: a pass over them takes a tenth of a millisecond."""


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: on a busy machine threads wait for each other far longer than a little work takes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def enough_for(values: int) -> contextlib.AbstractContextManager[None]:
    """Return the context in which to work on so many values at a time.

    Most operations of torch themselves stay in one thread below 32,768 values, but not all: log_sigmoid, which
    BCEWithLogitsLoss is made of, and a fused optimiser's step wake every thread for a handful. Where another program holds
    one of the cores that is 8 ms a time, a tick of the scheduler, for microseconds of work.
    """
    return one_thread() if values <= LITTLE_WORK else contextlib.nullcontext()
