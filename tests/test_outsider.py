"""What a project of one's own brings, by new files and overrides alone: a module, data, an optimiser, loggers, a metric."""

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from processes import Forked
from runs import Run
from sklearn.metrics import matthews_corrcoef

from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.moons import moons
from logitlab.inference.model_file import load_model

MODULE = '''
import torch
from torch import nn


class Plain(nn.Module):
    """No Network: a probability, and nothing that says so."""

    def __init__(self, in_features, width=6):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(in_features, width), nn.Tanh(), nn.Linear(width, 1), nn.Sigmoid())

    def forward(self, x):
        return self.layers(x)
'''

FILES = {
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
    rows = InMemoryDataModule(__import__("logitlab.data.study", fromlist=["study"]).study()).examples
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
