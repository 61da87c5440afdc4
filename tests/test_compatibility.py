"""Runs of released versions, kept in tests/released/, are read by this one; those of later versions are refused in words."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from processes import ROOT, Forked
from runs import Run, finished

from logitlab.errors import UserError
from logitlab.inference.evaluation import evaluate
from logitlab.inference.explanation import knowledge, sentences
from logitlab.inference.model_file import load_model
from logitlab.runs.checkpoint_file import load
from logitlab.runs.versions import SCHEMA

TABLE = ("data=table", "data.path=students.csv", "data.target=passed")
QUIET = ("results.dashboard=null", "callbacks.weights=null")


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the runs of 0.1.0, in which the package was called logreg: toy/, table/, sweep/ and students.csv."""
    shutil.copytree(ROOT / "tests/released/0.1.0", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_predictions_and_metrics_are_the_same(released: Path) -> None:
    model = load_model("table")
    probability, _ = model.scores(pl.read_csv("students.csv"))
    with Path("predictions.csv").open(newline="") as file:
        expected = [float(row["probability"]) for row in csv.DictReader(file)]
    torch.testing.assert_close(probability, torch.tensor(expected), rtol=1e-6, atol=1e-7)
    metrics = evaluate(model, "students.csv")
    for name, value in json.loads(Path("evaluation.json").read_text()).items():
        assert metrics[name] == pytest.approx(value, rel=1e-6), name


def test_it_is_explained_and_reported(released: Path) -> None:
    from omegaconf import OmegaConf

    from logitlab.reporting.job import report

    text = "\n".join(sentences(load_model("table"), knowledge(load_model("table"), Path("table"))))
    assert "hours" in text
    for run in "table", "toy", "sweep":
        report(OmegaConf.create({"run": run, "output": f"{run}.html"}))
        page = Path(f"{run}.html").read_text()
        assert "no config of this project" not in page
        assert "is refused" not in page


@pytest.mark.parametrize(("run", "given", "epochs"), [("toy", (), 25), ("table", TABLE, 40)])
def test_it_is_resumed(fork: Callable[..., Forked], released: Path, run: str, given: tuple[str, ...], epochs: int) -> None:
    """The resumed run has the weights of one that this version trains without a break."""
    settings = (*given, *QUIET, f"trainer.max_epochs={epochs}")
    resumed = fork(*settings, f"ckpt_path={run}")
    assert resumed.wait() == 0, resumed.output()
    whole = fork(*settings, "hydra.run.dir=whole")
    assert whole.wait() == 0, whole.output()
    for name, weights in Run(released / "whole").state().items():
        torch.testing.assert_close(Run(released / run).state()[name], weights, rtol=1e-5, atol=1e-6)
    assert Run(released / run).checkpoint()["schema"] == SCHEMA


def test_its_finished_sweep_is_recognised(fork: Callable[..., Forked], released: Path) -> None:
    before = finished(released / "sweep")
    given = ("hydra.sweep.dir=sweep", "hydra/launcher=batched", "trainer.max_epochs=10")
    done = fork("-m", "optimizer.lr=0.1,1,2", *given)
    assert done.wait() == 0, done.output()
    after = finished(released / "sweep")
    assert len(after) == 3
    assert before.items() <= after.items()


def test_a_checkpoint_of_a_later_version_is_refused(tmp_path: Path) -> None:
    torch.save({"schema": SCHEMA + 1}, tmp_path / "last.ckpt")
    with pytest.raises(
        UserError, match=rf"later version of logitlab: its schema is {SCHEMA + 1}, and this version reads up to"
    ):
        load(tmp_path / "last.ckpt")


def test_a_sweep_and_a_run_of_a_later_version_are_refused(fork: Callable[..., Forked], released: Path) -> None:
    for path in [*(released / "sweep").glob("*/status.json"), released / "table/environment.json"]:
        path.write_text(json.dumps({**json.loads(path.read_text()), "schema": SCHEMA + 1}))
    before = finished(released / "sweep")
    done = fork("-m", "optimizer.lr=0.1,1", "hydra.sweep.dir=sweep", "hydra/launcher=batched", "trainer.max_epochs=10")
    assert done.wait() == 2, done.output()
    assert "status.json was written by a later version of logitlab" in " ".join(done.output().split())
    assert finished(released / "sweep") == before
    from logitlab.reporting import record

    with pytest.raises(UserError, match=r"environment\.json was written by a later version"):
        record.read(released / "table")
