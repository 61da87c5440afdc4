"""The fit alone, in one process.

1,001 epochs of one batch on the six rows of the toy data: nothing is left but what a loop costs around the arithmetic. Ours is
`Trainer.fit` of `python train.py` with its TensorBoard log, checkpoints and signal handling; the plain loop logs nothing.
"""

import contextlib
import cProfile
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from harness import alternately, comparison, headline
from rivals import stock_lightning
from torch import nn
from tutorials import composed

from logitlab.experiment import train

EPOCHS = 1001
PLAIN, OURS, LESS, STOCK = "plain loop", "ours", "ours, callbacks.weights=null", "stock Lightning"


def measure(rounds: int) -> str:
    """Return the table."""
    with tempfile.TemporaryDirectory() as folder:
        numbered = iter(range(10_000))
        subjects: dict[str, Callable[[], float]] = {
            PLAIN: plain_fit,
            OURS: lambda: our_fit(Path(folder) / f"ours-{next(numbered)}"),
            LESS: lambda: our_fit(Path(folder) / f"ours-{next(numbered)}", "callbacks.weights=null"),
            STOCK: partial(stock_lightning.fit, folder),
        }
        times = alternately(subjects, rounds)
    headline("1,001 epochs on six rows, in one process", times, OURS, [PLAIN, STOCK])
    return comparison(times, PLAIN, {OURS: "<= 6, aim 3"})


def plain_fit() -> float:
    """Return the seconds of the tutorial's loop."""
    torch.manual_seed(1)
    x = torch.tensor([[1.0, 2.0], [2.0, 3.0], [3.0, 1.0], [4.0, 3.0], [5.0, 3.0], [6.0, 2.0]])
    y = torch.tensor([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]])
    model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    started = time.perf_counter()
    for _ in range(EPOCHS):
        cost = nn.functional.binary_cross_entropy(model(x), y)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    return time.perf_counter() - started


def our_fit(folder: Path, *overrides: str) -> float:
    """Return the seconds of Trainer.fit inside the project's own `train`."""
    cfg = composed(overrides, folder)
    with contextlib.redirect_stdout(io.StringIO()), timed_fit() as seconds:
        train(cfg)
    return seconds[0]


@contextlib.contextmanager
def timed_fit(profile: cProfile.Profile | None = None) -> Iterator[list[float]]:
    """Note how long each Trainer.fit takes while the context lasts, under a profiler if there is one."""
    seconds: list[float] = []
    fit = pl.Trainer.fit

    def timed(*args: Any, **kwargs: Any) -> None:
        started = time.perf_counter()
        with profile or contextlib.nullcontext():
            fit(*args, **kwargs)
        seconds.append(time.perf_counter() - started)

    pl.Trainer.fit = timed  # type: ignore[method-assign]
    try:
        yield seconds
    finally:
        pl.Trainer.fit = fit  # type: ignore[method-assign]
