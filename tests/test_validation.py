"""What val and test rows do to a run: the curve, the weights that are kept, the threshold, the final metrics."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sklearn.metrics as sk
import torch
from runs import Run, compose_config

from logitlab.errors import UserError


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of 240 rows: noisy classes, five columns of which two matter, and a column of row weights."""
    generator = np.random.default_rng(3)
    x = generator.normal(size=(240, 5))
    y = (x[:, 0] - x[:, 1] + 1.5 * generator.normal(size=240) > 0).astype(int)
    path = tmp_path / "table.csv"
    columns = {f"x{number}": x[:, number] for number in range(5)}
    pl.DataFrame({**columns, "y": y, "w": generator.uniform(0.2, 3, size=240)}).write_csv(path)
    return path


@pytest.fixture
def train(fit: Callable[..., Run], table: Path) -> Callable[..., Run]:
    def run(*overrides: str) -> Run:
        common = ["data=table", f"data.path={table}", "data.target=y", "data.val_fraction=0.3", "optimizer=adam"]
        return fit(*common, *([] if "data.weight=w" in overrides else ["data.drop=[w]"]), *overrides)

    return run


def judged(run: Run, overrides: list[str], split: str, checkpoint: str) -> tuple[np.ndarray, ...]:
    """Return probability, target and weight of a split, worked out from the checkpoint's weights without the project."""
    from logitlab.build import build_datamodule

    rows = build_datamodule(compose_config(*overrides, directory=run.path)).rows(split)
    state = run.state(checkpoint)
    logit = rows.features @ state["network.linear.weight"].T + state["network.linear.bias"]
    weight = torch.ones_like(rows.target) if rows.weight is None else rows.weight
    return tuple(each[:, 0].double().numpy() for each in (logit.sigmoid(), rows.target, weight))


def overrides(table: Path, *more: str) -> list[str]:
    return ["data=table", f"data.path={table}", "data.target=y", "data.val_fraction=0.3", *more]


def test_the_best_weights_are_kept_and_judged(train: Callable[..., Run], table: Path) -> None:
    run = train("optimizer.lr=0.3", "trainer.max_epochs=60", "callbacks.early_stopping=null")
    curve = run.curve("val/loss")
    assert len(curve) == 60
    best, last = min(curve, key=lambda step: curve[step]), max(curve)
    assert best < last  # the test is about something
    for checkpoint, step in (("best", best), ("last", last)):
        probability, target, _ = judged(run, overrides(table, "data.drop=[w]"), "val", checkpoint)
        assert sk.log_loss(target, probability) == pytest.approx(curve[step], abs=1e-6)
    assert run.json()["val/loss"] == pytest.approx(curve[best], abs=1e-6)
    assert run.value == run.json()["val/loss"]


@pytest.mark.parametrize("weight", [("data.weight=w",), ("data.drop=[w]",)])
def test_final_metrics_are_scikit_learns(train: Callable[..., Run], table: Path, weight: tuple[str, ...]) -> None:
    run = train("trainer.max_epochs=20", *weight)
    for split in ("train", "val", "test"):
        probability, target, weights = judged(run, overrides(table, *weight), split, "best")
        metrics = {name.removeprefix(f"{split}/"): value for name, value in run.json().items() if name.startswith(split)}
        assert metrics["loss"] == pytest.approx(sk.log_loss(target, probability, sample_weight=weights), abs=1e-6)
        assert metrics["auroc"] == pytest.approx(sk.roc_auc_score(target, probability, sample_weight=weights), abs=1e-6)
        assert metrics["rows"] == len(target)
    _, target, weights = judged(run, overrides(table, *weight), "train", "best")
    share = np.average(target, weights=weights)
    _, target, weights = judged(run, overrides(table, *weight), "test", "best")
    assert metrics["base_log_loss"] == pytest.approx(sk.log_loss(target, np.full(len(target), share), sample_weight=weights))


def test_the_chosen_threshold_is_kept_with_the_best_weights(train: Callable[..., Run], table: Path) -> None:
    run = train("trainer.max_epochs=20", "threshold=cost", "cost.false_negative=4")
    threshold = run.checkpoint("best")["threshold"]
    assert threshold == run.json()["val/threshold"] != 0.5
    probability, target, _ = judged(run, overrides(table, "data.drop=[w]"), "val", "best")

    def cost(at: float) -> float:
        called = probability >= at
        return float((called & (target == 0)).sum() + 4 * (~called & (target == 1)).sum())

    assert cost(threshold) == min(cost(at) for at in [*probability, 2.0])
    assert run.json()["val/recall"] == sk.recall_score(target, probability >= threshold)


def test_training_ends_where_val_gains_nothing(train: Callable[..., Run]) -> None:
    run = train("optimizer.lr=0.3", "trainer.max_epochs=500", "callbacks.early_stopping.patience=5")
    curve = run.curve("val/loss")
    assert len(curve) < 500
    best = min(curve, key=lambda step: curve[step])
    assert max(curve) - best == 5


def test_another_metric_of_val_can_be_monitored(train: Callable[..., Run], table: Path) -> None:
    run = train("trainer.max_epochs=15", "monitor=val/auroc", "monitor_mode=max")
    curve = run.curve("val/auroc")
    probability, target, _ = judged(run, overrides(table, "data.drop=[w]"), "val", "best")
    assert max(curve.values()) == pytest.approx(sk.roc_auc_score(target, probability), abs=1e-6)
    assert run.value == run.json()["val/auroc"]


def test_a_weight_of_two_trains_as_a_row_twice(fit: Callable[..., Run], tmp_path: Path) -> None:
    rows = pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0, 2.5, 3.5], "y": [0, 0, 1, 1, 1, 0], "w": [1, 2, 1, 2, 2, 1]})
    rows.write_csv(tmp_path / "weighted.csv")
    rows.select(pl.col("x", "y").repeat_by("w").explode()).write_csv(tmp_path / "twice.csv")
    states = []
    for name, more in (("weighted", ["data.weight=w"]), ("twice", [])):
        common = ["data=table", f"data.path={tmp_path}/{name}.csv", "data.target=y", "data.split=none", "data.scale=none"]
        run = fit(*common, *more, "optimizer.lr=0.1", "trainer.max_epochs=50", directory=tmp_path / name)
        states.append(run.state()["network.linear.weight"])
    torch.testing.assert_close(*states)


def test_a_rule_for_the_threshold_needs_val_rows(fit: Callable[..., Run]) -> None:
    with pytest.raises(UserError, match="chosen on the val rows, and there are none"):
        fit("threshold=f1")


def test_without_val_rows_nothing_is_different(fit: Callable[..., Run], capsys: pytest.CaptureFixture) -> None:
    run = fit()
    assert run.json()["train/loss"] == pytest.approx(0.019843, abs=1e-6)
    assert run.summary_lines(capsys.readouterr().out)["train/loss"] == "0.019843"
    assert run.json()["train/auroc"] == 1.0
