"""Where the time of an epoch goes.

The first table adds one part after another; a line's price is its difference to the line above. The fastest of all rounds is
the figure that other programs on the machine disturb least. The bare Trainer (no log, no callback, a module of four lines) is
the floor that Lightning itself sets: within its public interface little lies below it, and no setting brings it to 3 x.

The second table is the same fit under cProfile, its own time by file. What can be seen: Lightning asks forty times a step which
stage it is in, and compares enums by lower-cased strings for it; it calls 14 hooks of the module and 9 of the callbacks, nearly
all of them empty, each with the hook's name noted on the module; it reads the signature of training_step anew at every step.
What was done about it: a profiler that returns one shared null context, batches that are views, metrics handed to the logger
once an epoch as one event, files written by the clock. What was measured and left out: batches handed on without Lightning's
move to the device, the garbage collector switched off during the fit (no gain); names noted without asking torch whether they
are parameters, a signature noted down, gradients forgotten without a profiler record (together a third of the fit, by
overriding what is not meant to be overridden).
"""

import contextlib
import cProfile
import io
import logging
import pstats
import re
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from fit import EPOCHS, OURS, PLAIN, plain_fit, timed_fit
from harness import alternately, table
from torch import Tensor, nn
from tutorials import composed

from logitlab.data.batches import Batches
from logitlab.data.toy import toy
from logitlab.experiment import train
from logitlab.training.profiler import NoProfiler

FILES_SHOWN = 12


class Bare(pl.LightningModule):
    """The least that a LightningModule can be."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
        self.loss = nn.BCELoss()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss."""
        return self.loss(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=1.0)


def measure(rounds: int) -> str:
    """Return both tables."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as folder:
        fresh = (Path(folder) / str(number) for number in range(10_000))
        subjects: dict[str, Callable[[], float]] = {
            PLAIN: plain_fit,
            "bare Trainer": lambda: bare_fit(Bare()),
            "  with our profiler": lambda: bare_fit(Bare(), profiler=NoProfiler()),
            "ours, no log, no checkpoints": lambda: our_fit(fresh, "logger=none", "callbacks.checkpoints=null"),
            "  with checkpoints": lambda: our_fit(fresh, "logger=none"),
            OURS + ": and TensorBoard": lambda: our_fit(fresh),
        }
        times = alternately(subjects, rounds)
        profile = cProfile.Profile()
        our_fit(fresh, profile=profile)
    least = min(times[PLAIN])
    rows = [
        [
            name,
            f"{statistics.median(values) / EPOCHS * 1e6:.0f}",
            f"{min(values) / EPOCHS * 1e6:.0f}",
            f"{min(values) / least:.1f}",
        ]
        for name, values in times.items()
    ]
    return table(["us an epoch", "median", "fastest", f"x {PLAIN}"], rows) + "\n\n" + by_file(profile)


def bare_fit(module: Bare, **settings: Any) -> float:
    """Return the seconds of a fit that nothing watches."""
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )
    batches = Batches((toy().features, toy().target))
    started = time.perf_counter()
    trainer.fit(module, batches)
    return time.perf_counter() - started


def our_fit(folders: Iterator[Path], *overrides: str, profile: cProfile.Profile | None = None) -> float:
    """Return the seconds of the fit of `python train.py OVERRIDES`."""
    cfg = composed(overrides, next(folders))
    with contextlib.redirect_stdout(io.StringIO()), timed_fit(profile) as seconds:
        train(cfg)
    return seconds[0]


def by_file(profile: cProfile.Profile) -> str:
    """Return the files in which the profiled time was spent, the longest first."""
    spent: dict[str, float] = {}
    calls: dict[str, int] = {}
    for (path, _, _), (_, number, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        name = re.sub(r".*/(site-packages|src|python3\.\d+)/", "", path).replace("~", "built-in and C functions")
        spent[name] = spent.get(name, 0.0) + own
        calls[name] = calls.get(name, 0) + number
    total = sum(spent.values())
    most = sorted(spent, key=lambda name: -spent[name])[:FILES_SHOWN]
    rows = [[name, f"{100 * spent[name] / total:.0f} %", f"{calls[name] / EPOCHS:.0f}"] for name in most]
    return table(["file", "of the fit's time", "calls an epoch"], rows)
