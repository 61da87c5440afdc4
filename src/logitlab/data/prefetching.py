"""Results are made in threads while the ones before are used."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def prefetched(make: Callable[[Given], Made], given: Iterable[Given], workers: int = 1) -> Iterator[Made]:
    """Yield `make(each)` for everything given, in order; the next ones are being made in threads when one is handed out.

    It gains time where `make` lets go of Python's lock, as numpy, polars and torch do. No more than `workers` + 1 are in
    memory. A fault of `make` is raised where its result would have been handed out. The threads end with the iteration, also
    where that is left early.
    """
    with ThreadPoolExecutor(workers) as pool:
        coming: deque[Future[Made]] = deque()
        for each in given:
            coming.append(pool.submit(make, each))
            if len(coming) > workers:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
