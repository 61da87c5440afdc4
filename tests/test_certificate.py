"""The line on the optimum: true of fits at it, short of it, and of tables that have none."""

import re

import lightning.pytorch as pl
import pytest
import torch
from real_tables import TABLES

from logitlab import logging_setup
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.examples import Examples
from logitlab.networks import Logits
from logitlab.results import optimum
from logitlab.results.certificate import Certificate
from logitlab.results.result import Fit
from logitlab.runs.run_directory import RunDirectory
from logitlab.solvers.descent import largest_lr
from logitlab.solvers.newton import newton
from logitlab.solvers.solver import LBFGS, Newton
from logitlab.training.module import LogisticRegression
from logitlab.training.record import record_of


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=1.0)


def said(tmp_path, features, target, optimizer=sgd, epochs=20, scale="none"):
    """Train, and return the certificate's lines by name and the metrics that it adds."""
    names = tuple(f"x{j + 1}" for j in range(features.shape[1]))
    data = InMemoryDataModule(Examples(features.float(), target.float().reshape(-1, 1), names, "y"), scale=scale)
    module = LogisticRegression(Logits(features.shape[1], 0.0, 0.0), torch.nn.BCEWithLogitsLoss(), optimizer)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False, "logger": False}
    trainer = pl.Trainer(max_epochs=epochs, accelerator="cpu", **quiet)
    logging_setup.quiet_libraries()
    trainer.fit(module, data)
    fit = Fit(RunDirectory(tmp_path), record_of(trainer), module, data, {})
    return dict(Certificate()(fit)), fit.metrics


def noisy(rows=200, columns=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, columns, generator=generator)
    return x, (torch.rand(rows, generator=generator) < torch.sigmoid(x[:, 0])).float()


def test_short_of_the_optimum(tmp_path):
    x, y = noisy()
    lines, metrics = said(tmp_path, x, y, epochs=5)
    best = newton(x, y)
    assert metrics["train/excess_loss"] > 0
    share = 100 * metrics["train/excess_loss"] / best.loss
    assert lines["optimum"].startswith(f"{share:.2g} % above the least loss, {best.loss:.6f}")
    assert "or optimizer=newton would close the gap" in lines["optimum"]
    assert "converged" not in lines


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.8, False), (0.8, True)])
def test_the_epochs_that_it_names_do_close_the_gap(tmp_path, momentum, nesterov):
    def descent(parameters):
        return torch.optim.SGD(parameters, lr=0.05, momentum=momentum, nesterov=nesterov)

    x, y = noisy()
    x[:, 2] += x[:, 1] * 2  # a narrow valley
    early = 100
    lines, _ = said(tmp_path, x, y, descent, epochs=early)
    last = int(re.search(r"trainer.max_epochs=(\d+)", lines["optimum"])[1])
    assert last > early
    assert said(tmp_path, x, y, descent, epochs=round(1.1 * last))[0]["optimum"].startswith("reached")
    assert not said(tmp_path, x, y, descent, epochs=round(early + 0.8 * (last - early)))[0]["optimum"].startswith("reached")


def test_a_learning_rate_that_never_settles(tmp_path):
    x, y = noisy()
    too_large = 1.05 * largest_lr(newton(x, y).hessian, 0.0, False)
    lines, _ = said(tmp_path, x, y, lambda parameters: torch.optim.SGD(parameters, lr=too_large), epochs=300)
    below = re.search(r"it takes one below ([\d.]+)\. optimizer=newton", lines["optimum"])
    assert float(below[1]) == pytest.approx(too_large / 1.05, rel=0.05)


def test_no_number_of_epochs_is_made_up(tmp_path):
    for optimizer in (torch.optim.Adam, torch.optim.AdamW):
        lines, _ = said(tmp_path, *noisy(), optimizer, epochs=5)
        assert "more epochs" not in lines["optimum"]
        assert lines["optimum"].endswith("optimizer=newton closes the gap")


@pytest.mark.parametrize("optimizer", [Newton, LBFGS])
def test_at_the_optimum(tmp_path, optimizer):
    lines, metrics = said(tmp_path, *noisy(), optimizer)
    assert lines["converged"].startswith("yes")
    assert lines["optimum"].startswith("reached")
    assert metrics["train/excess_loss"] < 1e-9
    assert metrics["converged"] == 1
    assert metrics["train/gradient_max"] < 1e-6


def test_quasi_separable_where_newton_ran_far_out(tmp_path):
    x = torch.tensor([[0.0], [1.0], [2.0], [3.0], [3.0], [4.0], [5.0]])
    lines, metrics = said(tmp_path, x, torch.tensor([0, 0, 0, 0, 1, 1, 1]), Newton, epochs=100, scale="standard")
    assert lines["optimum"].startswith("none, some weights grow for ever")
    assert lines["converged"].startswith("no: the gradient is small")
    assert metrics["separable"] == 1


def test_stopped_too_early(tmp_path):
    lines, metrics = said(tmp_path, *noisy(), Newton, epochs=2)
    assert lines["converged"].startswith("no")
    assert metrics["converged"] == 0


@pytest.mark.parametrize("optimizer", [sgd, Newton, LBFGS])
def test_separable(tmp_path, optimizer):
    x = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    lines, metrics = said(tmp_path, x, torch.tensor([0, 0, 1, 1]), optimizer, epochs=300, scale="standard")
    assert lines["optimum"].startswith("none, the weights grow for ever: x1 > 2.")
    assert "exactly where y = 1" in lines["optimum"]
    assert "penalty=firth" in lines["optimum"]
    assert metrics["separable"] == 1
    assert "train/excess_loss" not in metrics
    assert not lines.get("converged", "no").startswith("yes")
    assert not metrics.get("converged")


def test_quasi_separable(tmp_path):
    x, y = noisy(100, 2)
    marked = torch.arange(100) % 5 == 0
    x, y = torch.cat([x, marked[:, None].float()], dim=1), torch.where(marked, 1.0, y)
    lines, _ = said(tmp_path, x, y, Newton, epochs=100)
    assert lines["optimum"].startswith("none, some weights grow for ever: no row with x3 > 0 has y = 0")
    assert "(80 rows lie on the boundary)" in lines["optimum"]


def test_one_class(tmp_path):
    lines, _ = said(tmp_path, noisy()[0], torch.ones(200), Newton)
    assert lines["optimum"].startswith("none: all 200 rows have y = 1")


def test_nearly_separable(tmp_path):
    x = torch.linspace(-1, 1, 400)[:, None]
    y = (x[:, 0] > 0).float()
    y[[199, 200]] = y[[200, 199]]
    lines, metrics = said(tmp_path, x, y, Newton, epochs=100)
    assert lines["optimum"].startswith("reached")
    assert metrics["separable"] == 0


@pytest.mark.parametrize("optimizer", [sgd, Newton, LBFGS])
def test_collinear_and_constant_columns(tmp_path, optimizer):
    x, y = noisy()
    x = torch.cat([x, x[:, :1] - x[:, 1:2], torch.full((200, 1), 3.0)], dim=1)
    lines, metrics = said(tmp_path, x, y, optimizer, epochs=100)
    assert "columns are collinear" in lines["optimum"]
    assert metrics["train/excess_loss"] < 0.1


@pytest.mark.parametrize("optimizer", [sgd, Newton, LBFGS])
def test_more_columns_than_rows(tmp_path, optimizer):
    lines, _ = said(tmp_path, *noisy(20, 50), optimizer, epochs=100)
    assert lines["optimum"].startswith("none, the weights grow for ever")


def test_a_table_too_large_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(optimum, "MOST_WORK", 100)
    lines, metrics = said(tmp_path, *noisy())
    assert lines["optimum"].startswith("not sought")
    assert metrics["train/gradient_max"] > 0


def test_differences_are_in_the_tables_own_units(tmp_path):
    x, y = (torch.tensor(each) for each in TABLES["spector"]())
    lines, _ = said(tmp_path, x, y, epochs=50, scale="standard")
    assert "% above the least loss" in lines["optimum"]
    assert "(bias)" in lines["optimum"]


def test_the_main_job_says_that_there_is_no_optimum(fit, capsys):
    run = fit("trainer.max_epochs=50")
    assert "exactly where y = 1. For a finite answer type penalty=firth" in capsys.readouterr().out
    assert run.json()["separable"] == 1


def test_newton_on_the_toy_data_ends_early_and_says_why(fit, capsys):
    fit("optimizer=newton")
    text = capsys.readouterr().out
    assert "converged no: the gradient is small" in " ".join(text.split())
    assert "none, the weights grow for ever" in text


@pytest.mark.parametrize("schedule", ["cosine", "step", "plateau"])
def test_schedules(fit, schedule):
    run = fit(f"lr_scheduler={schedule}", "trainer.max_epochs=400", "optimizer.lr=3")
    rates = run.curve("train/learning_rate")
    assert rates[0] == 3
    assert rates[399] < 3
