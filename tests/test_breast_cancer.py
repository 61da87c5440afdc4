"""The README's table, from CSV to metrics, beside scikit-learn's LogisticRegression on the very same rows."""

from collections.abc import Callable
from pathlib import Path

import breast_cancer
import polars as pl
import pytest
from runs import Run
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


@pytest.fixture
def train(fit: Callable[..., Run], tmp_path: Path) -> Callable[..., Run]:
    breast_cancer.main(tmp_path / "breast_cancer.csv")
    return lambda *more: fit("data=table", f"data.path={tmp_path / 'breast_cancer.csv'}", "data.target=benign", *more)


def scikit_learn(run: Run, table: Path) -> tuple[float, float]:
    """Return the test rows' AUROC and log loss of scikit-learn's default, trained on the run's training rows."""
    split = pl.read_csv(run.path / "splits.csv")["split"]
    frame = pl.read_csv(table)
    x, y = frame.drop("benign").to_numpy(), frame["benign"].to_numpy()
    rows = {name: (split == name).to_numpy() for name in ("train", "test")}
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-10, max_iter=10_000)).fit(
        x[rows["train"]], y[rows["train"]]
    )
    probability = model.predict_proba(x[rows["test"]])[:, 1]
    return roc_auc_score(y[rows["test"]], probability), log_loss(y[rows["test"]], probability)


def test_the_same_penalty_gives_scikit_learns_metrics(train: Callable[..., Run], tmp_path: Path) -> None:
    # data=table has penalty.l2=auto, which is C = 1
    run = train("optimizer=newton", "data.val_fraction=0")
    assert run.json()["train/rows"] == 484
    auroc, loss = scikit_learn(run, tmp_path / "breast_cancer.csv")
    assert run.json()["test/auroc"] == pytest.approx(auroc, abs=1e-6)
    assert run.json()["test/log_loss"] == pytest.approx(loss, abs=1e-5)


def test_the_defaults_stand_beside_it(train: Callable[..., Run], tmp_path: Path) -> None:
    run = train()
    auroc, loss = scikit_learn(run, tmp_path / "breast_cancer.csv")
    assert run.json()["test/auroc"] > auroc - 0.01
    assert run.json()["test/log_loss"] < loss + 0.01
