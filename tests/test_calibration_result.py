"""calibration.csv and the recalibration of whole runs: kept in the checkpoint, applied to every probability."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from runs import Run, compose_config
from sklearn.calibration import calibration_curve
from trained import train_table

from logitlab.build import build_datamodule
from logitlab.errors import UserError
from logitlab.inference.model_file import load_model


def test_the_files_of_a_run_without_recalibration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train_table(tmp_path)
    table = pl.read_csv(run.path / "calibration.csv")
    assert set(table["split"]) == {"val", "test"}
    assert set(table["probabilities"]) == {"raw"}
    figures = run.json("calibration.json")["test"]["raw"]
    parts = figures["brier"]
    whole = parts["reliability"] - parts["resolution"] + parts["uncertainty"]
    assert whole + parts["within_variance"] - parts["within_covariance"] == pytest.approx(parts["score"])
    assert parts["score"] == pytest.approx(run.json()["test/brier"], rel=1e-5)
    found = run.json("calibration.json")["test"]["raw"]
    metrics = run.json()
    assert found["calibration_error"] == metrics["test/calibration_error"]  # one number
    low, high = (found["if_right"][end] for end in ("low", "high"))
    assert [metrics[f"test/calibration_by_chance_{end}"] for end in ("low", "high")] == [low, high]
    told = run.summary_lines(capsys.readouterr().out)["calibration, test"]
    words = f"{found['calibration_error']:.3f} off on average; right probabilities would show {low:.3f} to {high:.3f}"
    assert told.startswith(words)


@pytest.mark.parametrize("method", ["temperature", "platt"])
def test_recalibration_is_kept_and_applied(tmp_path: Path, method: str) -> None:
    run = train_table(tmp_path, f"calibration={method}", "trainer.max_epochs=10")  # short of the optimum: too timid
    slope, intercept = run.checkpoint("best")["recalibration"]
    assert slope > 1.05
    assert (intercept == 0) == (method == "temperature")
    model, table = load_model(run.path), pl.read_csv(tmp_path / "table.csv")
    features = model.preprocessing.transform(table).double()
    raw = features @ model.network.weight + model.network.bias
    expected = torch.sigmoid(slope * raw + intercept)
    torch.testing.assert_close(model.probability(table).double(), expected, rtol=1e-6, atol=1e-7)
    figures = run.json("calibration.json")["val"]
    assert figures["recalibrated"]["brier"]["score"] < figures["raw"]["brier"]["score"]
    assert run.json()["val/brier"] == pytest.approx(figures["recalibrated"]["brier"]["score"], rel=1e-5)
    written = pl.read_csv(run.path / "calibration.csv").filter(split="test", probabilities="recalibrated", bins="width")
    assert written["count"].sum() == run.json()["test/rows"]


def test_the_table_is_that_of_scikit_learn(tmp_path: Path) -> None:
    run = train_table(tmp_path, "data.val_fraction=0.5", "data.test_fraction=0")
    model = load_model(run.path)
    cfg = compose_config(
        *("data=table", f"data.path={tmp_path / 'table.csv'}", "data.target=passed", "data.positive=yes", "data.drop=[id]"),
        *("data.val_fraction=0.5", "data.test_fraction=0"),
        directory=tmp_path,
    )
    val = build_datamodule(cfg).rows("val")
    assert val is not None
    probability = torch.sigmoid(val.features.double() @ model.network.weight + model.network.bias).detach()
    observed, mean = calibration_curve(val.target[:, 0].numpy(), probability.numpy(), n_bins=10, strategy="quantile")
    written = pl.read_csv(run.path / "calibration.csv").filter(split="val", bins="mass")
    assert written["observed"].to_list() == pytest.approx(observed.tolist())
    assert written["probability"].to_list() == pytest.approx(mean.tolist())


def test_without_val_rows_there_is_no_table_and_no_recalibration(fit: Callable[..., Run]) -> None:
    with pytest.raises(UserError, match=r"calibration=platt is fitted on the val rows, and there are none\."):
        fit("calibration=platt")
    run = fit()
    assert not (run.path / "calibration.csv").exists()
    assert run.checkpoint()["recalibration"] is None


def test_a_misspelt_method_is_answered(run_train: Callable[..., subprocess.CompletedProcess]) -> None:
    done = run_train("calibration=plat")
    assert done.returncode == 2
    assert "Did you mean 'platt'?" in done.stderr
