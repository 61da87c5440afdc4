"""One metric judges a run and its sweep: the same in checkpoints, sweeps and reports, whatever happens to be logged when."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from processes import Forked
from runs import Run, rows

from logitlab import monitor
from logitlab.errors import UserError
from logitlab.metrics import binary_metrics
from logitlab.reporting import job

NO_COMPARISON = {"base_log_loss", "base_accuracy", "base_rate", "threshold", "rows"}
"""What is the same whatever the weights are."""

STUDY = ("data=study", "data.folds=3", "data.fold=0", "trainer.max_epochs=23", "callbacks.early_stopping=null")


def test_every_metric_that_depends_on_the_weights_has_its_direction() -> None:
    known = {*monitor.LARGER_IS_BETTER, *monitor.SMALLER_IS_BETTER} - {"loss", "objective"}
    metrics = binary_metrics(torch.tensor([0.2, 0.7]), torch.tensor([0.0, 1.0]))
    assert known == metrics.keys() - NO_COMPARISON


def test_an_epoch_that_was_not_validated_is_never_the_best(fit: Callable[..., Run], tmp_path: Path) -> None:
    every = fit(*STUDY, "optimizer.lr=0.3", directory=tmp_path / "every")
    some = fit(*STUDY, "optimizer.lr=0.3", "+trainer.check_val_every_n_epoch=5", directory=tmp_path / "some")
    curve = list(every.curve("val/loss").values())
    validated = {epoch: curve[epoch] for epoch in range(4, 23, 5)}
    [kept] = [state for state in some.checkpoint()["callbacks"].values() if "best_epoch" in state]
    assert kept["best_epoch"] == min(validated, key=lambda epoch: validated[epoch])
    assert kept["best_score"] == pytest.approx(min(validated.values()), abs=1e-7)
    assert some.value == pytest.approx(min(validated.values()), abs=1e-6)


ONE_CLASS = "x,y,part\n1,0,train\n2,1,train\n3,0,train\n4,1,train\n5,0,val\n6,0,val\n"
ONE_CLASS_VAL = ("data=table", "data.path=one.csv", "data.target=y", "data.split=column", "data.split_by=part")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("monitor=val/loss",), "monitor=val/loss is of the val rows, and there are none"),
        (("monitor=train/objective",), "this run has no penalty"),
        (("lr_scheduler=plateau", "lr_scheduler.monitor=val/loss"), "lr_scheduler.monitor=val/loss is of the val rows"),
        (
            (*ONE_CLASS_VAL, "monitor=val/auroc", "monitor_mode=max"),
            "monitor=val/auroc is undefined on the val rows: they are all of one class",
        ),
    ],
)
def test_a_metric_that_this_run_has_not_is_told_before_the_fit(
    fit: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.csv").write_text(ONE_CLASS)
    with pytest.raises(UserError, match=re.escape(said)):
        fit(*overrides)
    assert not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()


@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_console_and_report_rank_the_runs_of_a_sweep_alike(fork: Callable[..., Forked], tmp_path: Path, launcher: str) -> None:
    sweep = ["-m", f"hydra/launcher={launcher}", "optimizer.lr=0.001,0.01,0.1,1,10,100", "hydra.sweep.dir=sweep", "logger=null"]
    ran = fork(*sweep, *STUDY, "monitor=val/accuracy", "monitor_mode=max")
    assert ran.wait() == 0, ran.output()
    table = rows(tmp_path / "sweep")
    values = [float(row["val/accuracy"]) for row in table]
    assert values == sorted(values, reverse=True)
    by_loss = sorted(table, key=lambda row: float(row["val/loss"]))
    assert by_loss != table  # the test is about something
    page = job.sweep_report(tmp_path / "sweep")
    shown = re.findall(r'<tr><th scope="row">\d</th><td>(.*?)</td>', page)
    assert [f"optimizer.lr={each}" for each in shown] == [row["directory"] for row in table]
    assert "Sorted by val/accuracy" in page
