"""What will be wanted next is made while the present is used."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Number = TypeVar("Number")
Made = TypeVar("Made")


def prefetched(make: Callable[[Number], Made], numbers: Iterable[Number]) -> Iterator[Made]:
    """Yield `make(number)` for every number, in order; the next one is being made in a thread when one is handed out.

    It gains time where `make` lets go of Python's lock, as numpy's gathering of rows does. No more than two are in memory. A
    fault of `make` is raised where its result would have been handed out. The thread ends with the iteration, also where that
    is left early.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = None
        for number in numbers:
            ready, coming = coming, pool.submit(make, number)
            if ready is not None:
                yield ready.result()
        if coming is not None:
            yield coming.result()
