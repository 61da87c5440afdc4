"""Early stopping outlasts an optimiser's first swing, and leaves solvers alone."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from real_tables import TABLES
from runs import Run
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from logitlab.data.table import table
from logitlab.errors import UserError
from logitlab.monitor import Monitor
from logitlab.training.callbacks.early_stopping import early_stopping


def written(path: Path, x, y) -> list[str]:
    pl.DataFrame({f"x{number}": column for number, column in enumerate(x.T)} | {"y": y.astype(int)}).write_csv(path)
    return ["data=table", f"data.path={path}", "data.target=y", "logger=none"]


def test_the_default_patience_outlasts_the_first_swing(fit: Callable[..., Run], tmp_path: Path) -> None:
    """Patience 25 ended at epoch 54 here, with a val loss of 0.255 and a test loss of 0.310."""
    data = [*written(tmp_path / "iris.csv", *TABLES["iris"]()), "data.split_seed=4"]
    stopped = fit(*data, directory=tmp_path / "stopped").json()
    to_the_end = fit(*data, "callbacks.early_stopping=null", directory=tmp_path / "whole").json()
    assert stopped["val/loss"] == pytest.approx(to_the_end["val/loss"], abs=2e-3)
    assert stopped["test/loss"] == pytest.approx(to_the_end["test/loss"], abs=5e-3)
    assert stopped["val/loss"] < 0.2


@pytest.mark.parametrize(("batches", "epochs"), [(1, 100), (2, 50), (3, 34), (4, 25), (1000, 25)])
def test_the_default_patience_is_counted_in_steps(batches: int, epochs: int) -> None:
    callback = early_stopping(Monitor("val/loss", "min"), patience="auto", batches=batches)
    assert callback is not None
    assert callback.patience == epochs


def test_solvers_are_not_stopped_on_their_way(fit: Callable[..., Run], tmp_path: Path) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    data = written(tmp_path / "cancer.csv", x, y)
    train = table(str(tmp_path / "cancer.csv"), "y").examples
    model = LogisticRegression(C=1, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    features, target = train.features.double().numpy(), train.target[:, 0].numpy()
    best = log_loss(target, model.fit(features, target).predict_proba(features)[:, 1])
    for optimizer in ("lbfgs", "newton"):
        run = fit(*data, f"optimizer={optimizer}", directory=tmp_path / optimizer)
        assert run.json()["train/loss"] == pytest.approx(best, rel=1e-4)
    with pytest.raises(UserError, match="patience=5 does not go with optimizer=newton or lbfgs"):
        fit(*data, "optimizer=lbfgs", "callbacks.early_stopping.patience=5", directory=tmp_path / "refused")
