"""What a project of one's own brings, by new files and overrides alone: a module, data, an optimiser, loggers, a metric."""

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import lightning.pytorch as lightning
import numpy as np
import polars as pl
import pytest
import torch
from lightning.pytorch.demos.boring_classes import RandomDataset
from processes import Forked
from runs import Run
from sklearn.metrics import log_loss, matthews_corrcoef
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.loaders import as_ours
from logitlab.data.moons import moons
from logitlab.data.study import study
from logitlab.errors import UserError
from logitlab.inference.model_file import load_model

MODULE = '''
import lightning.pytorch as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Plain(nn.Module):
    """No Network: a probability, and nothing that says so."""

    def __init__(self, in_features, width=6):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(in_features, width), nn.Tanh(), nn.Linear(width, 1), nn.Sigmoid())

    def forward(self, x):
        return self.layers(x)


class Stock(pl.LightningDataModule):
    """As Lightning's documentation writes one: loaders of (x, y), y the number of a class."""

    def __init__(self, batch_size=32):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage):
        generator = torch.Generator().manual_seed(4)
        x = torch.randn(300, 3, generator=generator)
        y = (x[:, 0] - 2 * x[:, 1] + torch.randn(300, generator=generator) > 0).long()
        places = {"train": slice(0, 200), "val": slice(200, 250), "test": slice(250, 300)}
        self.parts = {name: TensorDataset(x[at], y[at]) for name, at in places.items()}

    def train_dataloader(self):
        return DataLoader(self.parts["train"], batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts["val"], batch_size=self.batch_size)

    def test_dataloader(self):
        return DataLoader(self.parts["test"], batch_size=self.batch_size)
'''

FILES = {
    "data/stock.yaml": "_target_: outsider.Stock\nbatch_size: 32\n",
    "model/plain.yaml": "_target_: outsider.Plain\nwidth: 6\n",
    "optimizer/lion.yaml": "_target_: lion_pytorch.Lion\n_partial_: true\nlr: 0.01\nweight_decay: 0.0\n",
}


@pytest.fixture
def own(tmp_path: Path, fork: Callable[..., Forked], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Run]]:
    """Run train.py with a conf folder and a module of one's own; the run directory is tmp_path/run."""
    (tmp_path / "outsider.py").write_text(MODULE)
    for name, text in FILES.items():
        path = tmp_path / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))

    def train(*arguments: str, folder: str = "run") -> Run:
        process = fork("--config-dir", "conf", *arguments, f"hydra.run.dir={folder}", "trainer.max_epochs=30")
        assert process.wait() == 0, process.output()
        return Run(tmp_path / folder)

    yield train
    sys.modules.pop("outsider", None)


def test_a_plain_module_trains_resumes_and_predicts(own: Callable[..., Run], tmp_path: Path) -> None:
    arguments = ("model=plain", "data=moons", "optimizer=adam", "loss.takes_logits=false", "penalty.l2=0.001")
    run = own(*arguments)
    assert run.json()["train/loss"] < 0.6
    with pytest.raises(AssertionError, match=r"does not say what it returns: type loss\.takes_logits=true"):
        own("model=plain", "data=moons", "optimizer=adam", folder="other")
    model = load_model(run.path, conf=[tmp_path / "conf"])
    x = moons().features.double()
    state = {name: value.double() for name, value in run.state("best").items()}
    hidden = torch.tanh(x @ state["network.module.layers.0.weight"].T + state["network.module.layers.0.bias"])
    logit = (hidden @ state["network.module.layers.2.weight"].T + state["network.module.layers.2.bias"])[:, 0]
    torch.testing.assert_close(model.network.scores(x)[1], logit, rtol=1e-9, atol=1e-9)


def test_an_optimiser_of_another_package_trains(own: Callable[..., Run]) -> None:
    from lion_pytorch import Lion

    run = own("data=study", "model=logits", "model.weight=0", "model.bias=0", "optimizer=lion")
    rows = InMemoryDataModule(study()).examples
    weight, bias = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = Lion([weight, bias], lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(rows.features @ weight[:, None] + bias, rows.target).backward()
        optimizer.step()
    torch.testing.assert_close(run.state()["network.linear.weight"][0], weight.detach())
    torch.testing.assert_close(run.state()["network.linear.bias"], bias.detach())


def test_two_loggers_together_have_the_same_curve(own: Callable[..., Run]) -> None:
    run = own("logger=[tensorboard,csv]")
    with (run.path / "csv" / "version_0" / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    curve = {int(row["step"]): float(row["train/loss"]) for row in rows}
    assert curve == pytest.approx(run.curve("train/loss"), rel=1e-6)
    assert len(curve) == 30
    assert (run.path / "csv" / "version_0" / "hparams.yaml").read_text().count("optimizer.lr: 1.0") == 1


def test_a_metric_of_torchmetrics_by_name_chooses_the_best_epoch(own: Callable[..., Run]) -> None:
    run = own("data=moons", "model=mlp", "optimizer=adam", "+metrics.mcc=BinaryMatthewsCorrCoef", "monitor=val/mcc",
              "monitor_mode=max", "callbacks.early_stopping.patience=null")  # fmt: skip
    curve = run.curve("val/mcc")
    assert list(curve)[:30] == list(range(30))
    assert run.json()["val/mcc"] == pytest.approx(max(curve.values()), abs=1e-6)
    assert run.json()["val/mcc"] > 0.5
    rows = InMemoryDataModule(moons(), val_fraction=0.2, test_fraction=0.2).splits
    model = load_model(run.path)
    for split in ("train", "val", "test"):
        called = model.network.scores(rows[split].features)[0] >= 0.5
        truth = matthews_corrcoef(rows[split].target[:, 0].numpy(), called.numpy())
        assert run.json()[f"{split}/mcc"] == pytest.approx(truth, abs=1e-6), split


def test_a_stock_data_module_trains_is_tested_and_predicts(own: Callable[..., Run]) -> None:
    run = own("data=stock", "model=logits", "optimizer=adam")
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(300, 3, generator=generator)
    y = (x[:, 0] - 2 * x[:, 1] + torch.randn(300, generator=generator) > 0).double()
    model = load_model(run.path)
    metrics = run.json()
    for split, at in {"train": slice(0, 200), "val": slice(200, 250), "test": slice(250, 300)}.items():
        logit = model.network.scores(x[at])[1].numpy()
        assert metrics[f"{split}/log_loss"] == pytest.approx(log_loss(y[at].numpy(), 1 / (1 + np.exp(-logit))), rel=1e-9)
        assert metrics[f"{split}/rows"] == len(logit)
    assert metrics["test/accuracy"] > 0.75
    assert run.checkpoint()["global_step"] == 30 * 7
    frame = pl.DataFrame(x[:5].numpy(), schema=["x1", "x2", "x3"])
    torch.testing.assert_close(model.probability(frame), model.network.scores(x[:5])[0])
    with (run.path / "coefficients.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["x1", "x2", "x3", "bias"]


def test_newton_goes_to_the_optimum_of_a_stock_data_module(own: Callable[..., Run]) -> None:
    run = own("data=stock", "model=logits", "optimizer=newton")
    assert run.json()["converged"] == 1
    assert run.json()["train/excess_loss"] < 1e-12


class Loaders(lightning.LightningDataModule):
    """Gives the loader that it was given."""

    def __init__(self, loader: object) -> None:
        super().__init__()
        self.loader = loader

    def train_dataloader(self) -> object:
        return self.loader


class Endless(IterableDataset):
    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            yield torch.zeros(2), torch.zeros(1)


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (RandomDataset(32, 64), "batches that are a Tensor"),
        (TensorDataset(torch.zeros(4, 2)), "batches that are a (list|tuple) of 1"),
        (TensorDataset(torch.zeros(4, 2, 2), torch.zeros(4)), r"tensors of shape \(4, 2, 2\) and \(4,\)"),
        (TensorDataset(torch.zeros(4, 2), torch.zeros(4, 2)), r"tensors of shape \(4, 2\) and \(4, 2\)"),
        (TensorDataset(torch.zeros(4, 2), torch.tensor([0, 1, 2, 1])), "a target of 2; it is 0 or 1"),
        (Endless(), "a number of batches that nobody knows"),
    ],
)
def test_loaders_of_another_form_are_refused_in_words(dataset: Dataset, words: str) -> None:
    with pytest.raises(UserError, match=words):
        as_ours(Loaders(DataLoader(dataset, batch_size=2)), "outsider.Loaders")


def test_what_is_no_data_module_is_refused() -> None:
    with pytest.raises(UserError, match="is a list, and a LightningDataModule belongs there"):
        as_ours([], "builtins.list")
    with pytest.raises(UserError, match="has no train_dataloader"):
        as_ours(lightning.LightningDataModule(), "Nothing")


def test_gathering_the_rows_moves_no_random_number() -> None:
    state = torch.get_rng_state()
    rows = TensorDataset(torch.arange(8.0).reshape(4, 2), torch.tensor([0, 1, 0, 1]))
    found = as_ours(Loaders(DataLoader(rows, batch_size=2, shuffle=True)), "outsider.Loaders")
    assert torch.equal(torch.get_rng_state(), state)
    assert found.examples.features.tolist() == rows.tensors[0].tolist()
    assert found.fingerprint == as_ours(Loaders(DataLoader(rows, batch_size=4)), "outsider.Loaders").fingerprint
