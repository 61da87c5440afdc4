"""One shuffled epoch over 2,000,000 rows of 28 features.

Batches of 8,192 rows, float32. Ours is `Trainer.fit` with the project's callbacks, TensorBoard log and checkpoints, and the
model and optimiser of data=table: logits, whose loss is that of SGDClassifier too, and Adam. model=sequential is the same map
with a sigmoid behind it: torch's BCELoss takes seven times as long as BCEWithLogitsLoss. The plain loops are torch alone with
the same model and optimiser over slices of a shuffled order, gathered by `index_select`: with `x[rows]` they would take twice
as long. The stock script (a sigmoid, `DataLoader(TensorDataset, shuffle=True)`, TensorBoardLogger, default checkpointing) is
measured on 100,000 rows and its time multiplied by 20; what it takes before the first row, 0.01 s, adds 1 %. Everyone works
in one thread, as SGDClassifier always does: on a busy machine several would measure how they wait for each other. Ours has
one more that gathers the next batches.
"""

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from harness import USED, alternately, duration, headline, ratio, table
from rivals import stock_table
from torch import Tensor, nn
from tutorials import composed

from logitlab import logging_setup
from logitlab.build import build_module, build_monitor, build_trainer
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.examples import Examples
from logitlab.log.tensorboard import RunLogger
from logitlab.runs.run_directory import RunDirectory

ROWS, FEATURES, BATCH = 2_000_000, 28, 8_192
FEWER = 20
"""The stock script gets this fraction of the rows."""

SGD, STOCK = "scikit-learn SGDClassifier", f"stock Lightning, x {FEWER}"
OURS, PLAIN = "ours", "plain loop"
OURS_SIGMOID, PLAIN_SIGMOID = "ours, model=sequential", "plain loop, sigmoid"


def measure(rounds: int) -> str:
    """Return the table."""
    torch.set_num_threads(1)
    x, y = simulated()
    with tempfile.TemporaryDirectory() as folder:
        runs = (Path(folder) / f"ours-{number}" for number in itertools.count())
        subjects: dict[str, Callable[[], float]] = {
            PLAIN: partial(plain_epoch, x, y, nn.Sequential(nn.Linear(FEATURES, 1)), nn.BCEWithLogitsLoss()),
            PLAIN_SIGMOID: partial(plain_epoch, x, y, nn.Sequential(nn.Linear(FEATURES, 1), nn.Sigmoid()), nn.BCELoss()),
            OURS: lambda: our_epoch(x, y, next(runs), "logits"),
            OURS_SIGMOID: lambda: our_epoch(x, y, next(runs), "sequential"),
            SGD: partial(scikit_learn_epoch, x, y),
            STOCK: lambda: FEWER * stock_table.fit(x[: ROWS // FEWER], y[: ROWS // FEWER], BATCH, folder),
        }
        times = alternately(subjects, rounds)
    headline("a shuffled epoch of 2,000,000 x 28 in mini-batches", times, OURS, [PLAIN, SGD, STOCK])
    targets = {PLAIN: ">= 0.7, aim 1.0", SGD: ">= 4, aim 8", STOCK: ">= 50, aim 100"}
    rows = [
        [
            name,
            duration(statistics.median(values)),
            f"{ROWS / statistics.median(values) / 1e6:.2f}",
            f"{ratio(times, name, OURS):.2f}",
            f"{ratio(times, name, OURS_SIGMOID):.2f}",
            *times.used(name),
            targets.get(name, ""),
        ]
        for name, values in times.items()
    ]
    return table(["", "median", "million rows/s", "its time / ours", "/ ours, sequential", *USED, "target"], rows)


def simulated() -> tuple[Tensor, Tensor]:
    """Return features (rows, features) and a target (rows, 1) that depends on them."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, FEATURES, generator=generator)
    weight = torch.randn(FEATURES, 1, generator=generator) / 3
    return x, (torch.rand(ROWS, 1, generator=generator) < torch.sigmoid(x @ weight)).float()


def plain_epoch(x: Tensor, y: Tensor, network: nn.Module, loss: nn.Module) -> float:
    """Return the seconds of a loop over shuffled slices, where the tensors and the network are."""
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    started = time.perf_counter()
    order = torch.randperm(len(x), device=x.device)
    for start in range(0, len(x), BATCH):
        rows = order[start : start + BATCH]
        cost = loss(network(x.index_select(0, rows)), y.index_select(0, rows))
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    float(cost)  # a GPU works on while Python goes ahead
    return time.perf_counter() - started


def our_epoch(x: Tensor, y: Tensor, folder: Path, model: str, *overrides: str) -> float:
    """Return the seconds of Trainer.fit for one epoch."""
    one_epoch = ["optimizer=adam", "trainer.max_epochs=1", "callbacks.progress_bar=null"]
    cfg = composed([f"model={model}", *one_epoch, *overrides], folder)
    run = RunDirectory(folder)
    run.checkpoints.mkdir(parents=True)
    logging_setup.quiet_libraries()
    names = tuple(f"x{index}" for index in range(FEATURES))
    datamodule = InMemoryDataModule(Examples(x, y, names, "y"), batch_size=BATCH, shuffle=True)
    torch.manual_seed(1)
    module = build_module(cfg, datamodule)
    trainer = build_trainer(cfg, run, [RunLogger(str(folder))], build_monitor(cfg, datamodule, module), datamodule)
    started = time.perf_counter()
    trainer.fit(module, datamodule)
    return time.perf_counter() - started


def scikit_learn_epoch(x: Tensor, y: Tensor) -> float:
    """Return the seconds of one epoch of SGDClassifier with the log loss."""
    from sklearn.linear_model import SGDClassifier

    features, target = x.numpy(), y[:, 0].numpy()
    model = SGDClassifier(loss="log_loss", max_iter=1, tol=None, random_state=1)
    started = time.perf_counter()
    model.fit(features, target)
    return time.perf_counter() - started
