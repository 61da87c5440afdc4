"""On a GPU.

The same work on the GPU and on the machine's CPU cores. The epoch is that of the section above: 2,000,000 shuffled rows of 28
features in batches of 8,192, logits and Adam; `plain loop` is torch alone with its tensors on the GPU. The optimum is that of
`optimizer=lbfgs` and `optimizer=newton` on 2,000,000 x 28 and 200,000 x 200, in `Trainer.fit`. The sweep is a whole command,
from the shell to the prompt.
"""

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness
import lightning.pytorch as pl
import torch
from epoch import FEATURES, our_epoch, plain_epoch, simulated
from optimum import TOLERANCE, simulated_table
from torch import Tensor, nn

from logitlab import logging_setup
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.examples import Examples
from logitlab.networks import Logits
from logitlab.solvers.solver import LBFGS, Newton, Solver
from logitlab.training.module import LogisticRegression

SIZES = ((2_000_000, 28), (200_000, 200))
SEEDS = 1_000
CPU, GPU = "cpu", "gpu"

Subjects = dict[str, Callable[[], float]]


def measure(rounds: int) -> str:
    """Return the table.

    Raises:
        harness.NotHereError: torch finds no CUDA device.
    """
    if not torch.cuda.is_available():
        raise harness.NotHereError("torch finds no CUDA device")
    logging_setup.quiet_libraries()
    with tempfile.TemporaryDirectory() as folder:
        times = harness.alternately(_epochs(Path(folder)) | _optima() | _sweeps(Path(folder)), rounds)
    middle = {name: harness.duration(statistics.median(values)) for name, values in times.items()}
    rows = [[name, value] for name, value in middle.items()]
    return f"{torch.cuda.get_device_name()}\n\n{harness.table(['', f'median of {rounds}'], rows)}"


def _epochs(folder: Path) -> Subjects:
    x, y = simulated()
    far = x.cuda(), y.cuda()
    runs = (folder / f"epoch-{number}" for number in itertools.count())

    def plain() -> float:
        return plain_epoch(*far, nn.Linear(FEATURES, 1).cuda(), nn.BCEWithLogitsLoss())

    def ours(accelerator: str) -> Callable[[], float]:
        return lambda: our_epoch(x, y, next(runs), "logits", f"trainer.accelerator={accelerator}")

    return {"epoch, plain loop, gpu": plain} | {f"epoch, {where}": ours(where) for where in (CPU, GPU)}


def _optima() -> Subjects:
    subjects: Subjects = {}
    for rows, columns in SIZES:
        features, target = simulated_table(rows, columns)
        data = InMemoryDataModule(Examples(features, target, tuple(f"x{each}" for each in range(columns)), "y"))
        for kind in (LBFGS, Newton):
            for where in (CPU, GPU):
                name = f"{kind.__name__} to the optimum, {rows:,} x {columns:,}, {where}"
                subjects[name] = _to_the_optimum(kind, data, columns, where)
    return subjects


def _to_the_optimum(kind: type[Solver], data: InMemoryDataModule, columns: int, accelerator: str) -> Callable[[], float]:
    quiet: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}

    def solver(parameters: Any) -> Solver:
        return kind(parameters, tolerance=TOLERANCE, dtype="float32")

    def run() -> float:
        network = Logits(columns, 0.0, 0.0).double()
        module = LogisticRegression(network, torch.nn.BCEWithLogitsLoss(), solver)
        trainer = pl.Trainer(max_epochs=1000, accelerator=accelerator, devices=1, logger=False, **quiet)
        started = time.perf_counter()
        trainer.fit(module, data)
        weight: Tensor = network.weight
        assert bool(weight.isfinite().all()) and module.converged
        return time.perf_counter() - started

    return run


def _sweeps(folder: Path) -> Subjects:
    numbers = itertools.count()

    def sweep(accelerator: str) -> Callable[[], float]:
        def run() -> float:
            where = f"hydra.sweep.dir={folder}/sweep-{next(numbers)}"
            seeds = f"seed=range({SEEDS})"
            command = [harness.LEAN, str(harness.ROOT / "train.py"), "-m", "hydra/launcher=batched", seeds, where]
            return harness.seconds_of([*command, f"trainer.accelerator={accelerator}"])

        return run

    return {f"{SEEDS:,} toy runs, {where}": sweep(where) for where in (CPU, GPU)}
