"""A member of a batched sweep is a run like any other: whatever is done with it says what it says of the run alone."""

import json
import re
import sys
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import polars
import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict
from processes import Forked
from runs import Run, compose_config
from test_batched_launcher import same
from trained import compose_job, write_table

from logitlab import build, logging_setup
from logitlab.batched.experiment import train_together
from logitlab.batched.member import Member
from logitlab.inference import jobs
from logitlab.reporting import job as report
from logitlab.results.result import Fit, Result, Row
from logitlab.sweeps.composition import Base, Job
from logitlab.training.profiler import NoProfiler

DATA = ("data=table", "data.target=passed", "data.positive=yes", "data.drop=[id]", "data.batch_size=32")
TRAINING = ("trainer.precision=64-true", "trainer.max_epochs=15", "threshold=f1", "hydra.sweep.subdir=${hydra.job.num}")

Pair = tuple[Run, Run]


@pytest.fixture
def pair(trained: Path) -> Pair:
    """One run of a sweep: made alone, and as a member of a batched program."""
    return Run(trained / "basic" / "3"), Run(trained / "batched" / "3")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    table = write_table(folder / "table.csv")
    for launcher in ("basic", "batched"):
        swept = ("optimizer.lr=0.01,0.1", "seed=1,2", f"hydra.sweep.dir={folder / launcher}")
        process = Forked(("-m", f"hydra/launcher={launcher}", *swept, *DATA, *TRAINING, f"data.path={table}"), folder, {})
        assert process.wait() == 0, process.output()
    assert "4 in 1 tensor program" in process.output()
    return folder


def test_it_predicts_and_is_evaluated_alike(pair: Pair, tmp_path: Path) -> None:
    table = write_table(tmp_path / "new.csv", rows=100, seed=8)
    said = []
    for run in pair:
        output = tmp_path / "predictions.csv"
        jobs.predict(compose_job("predict", f"run={run.path}", f"data.path={table}", f"output={output}"))
        jobs.evaluate(compose_job("evaluate", f"run={run.path}", f"data.path={table}", f"output={tmp_path / 'metrics.json'}"))
        said.append((polars.read_csv(output), json.loads((tmp_path / "metrics.json").read_text())))
    (alone, alone_metrics), (member, member_metrics) = said
    np.testing.assert_allclose(member["probability"], alone["probability"], rtol=1e-9)
    assert member["class"].to_list() == alone["class"].to_list()
    assert member["class"].n_unique() == 2
    assert alone_metrics["auroc"] > 0.5
    for metrics in (alone_metrics, member_metrics):
        metrics.pop("run", None)
    same(member_metrics, alone_metrics)


def test_it_is_explained_alike(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for run in pair:
        capsys.readouterr()
        jobs.explain(compose_job("explain", f"run={run.path}"))
        said.append(capsys.readouterr().out.replace(str(run.path), "RUN"))
    assert "age" in said[0]
    assert said[0] == said[1]


def test_its_report_carries_the_same_numbers(pair: Pair) -> None:
    alone, member = (_carried(report.run_report(run.path)) for run in pair)
    assert len(alone["thresholds"]["cuts"]) > 100
    same(member, alone, "report")


def _carried(page: str) -> dict:
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)[1])
    return {name: data[name] for name in ("frames", "thresholds")}


def test_it_goes_on_bit_for_bit_as_the_run_alone_does(pair: Pair, trained: Path) -> None:
    """The order of its batches and its optimiser's state are its own; so is the best epoch so far."""
    ends = []
    for run in pair:
        process = Forked(
            (f"ckpt_path={run.path}", *DATA, f"data.path={trained / 'table.csv'}", *TRAINING[::2], "optimizer.lr=0.1", "seed=2",
             "trainer.max_epochs=25"), trained, {},
        )  # fmt: skip
        assert process.wait() == 0, process.output()
        ends.append(Run(run.path).checkpoint())
    assert ends[0]["epoch"] > 15
    for end in ends:
        end["hyper_parameters"].pop("config")
    same(ends[1], ends[0], "last.ckpt")


class Leaving(Result):
    """Ends the process in the run of one seed."""

    def __call__(self, fit: Fit) -> list[Row]:
        if fit.run.path.name == "2":
            sys.exit(0)
        return []


def test_a_result_that_calls_sys_exit_fails_its_own_run_alone(tmp_path: Path) -> None:
    members = []
    for seed in (1, 2, 3):
        directory = tmp_path / str(seed)
        cfg = compose_config(
            "+results.leaving={_target_: test_batched_members.Leaving}",
            f"seed={seed}",
            "trainer.max_epochs=3",
            directory=directory,
        )
        with open_dict(cfg):
            base = Base(OmegaConf.merge(cfg, HydraConfig.instance().cfg))
        members.append(Member(Job(list(base.cfg.hydra.overrides.task), seed, base), base.plain({}), directory))
    ends = list(train_together(members))
    assert [end.reason for end in ends] == [None, "the run called sys.exit(0)", None]
    assert [end.value is None for end in ends] == [False, True, False]
    assert all((tmp_path / name / "metrics.json").exists() for name in "123"), "what was learnt is written before any result"


MLPS = ("model=mlp", "data=moons", "data.batch_size=100", "data.shuffle=true", "optimizer=adam", "trainer.max_epochs=3")


@pytest.mark.slow
@pytest.mark.parametrize(
    # In float32 a product of stacked matrices is summed in another order, a few units in the last place (6e-8) apart; nine
    # steps of Adam, which divides by roots of small numbers, make at most a hundred times as much of it.
    ("precision", "tolerance"),
    [("64-true", 1e-10), ("32-true", 1e-5)],
)
def test_a_hundred_small_networks_are_the_runs_one_by_one(tmp_path: Path, precision: str, tolerance: float) -> None:
    """The sweep writes everything; the runs are trained by the ordinary module and Trainer, built from the same config."""
    logging_setup.quiet_libraries()
    cfg = compose_config(*MLPS, f"trainer.precision={precision}", "callbacks.early_stopping=null", directory=tmp_path / "alone")
    cfg.results = None
    with open_dict(cfg):
        base = Base(OmegaConf.merge(cfg, HydraConfig.instance().cfg), ["seed"])
    overrides = list(base.cfg.hydra.overrides.task)
    members = [
        Member(Job(overrides, seed, base, {"seed": seed}), base.plain({"seed": seed}), tmp_path / str(seed))
        for seed in range(100)
    ]
    ends = list(train_together(members))
    assert [end.reason for end in ends] == [None] * 100
    datamodule = build.build_datamodule(cfg)
    for seed in range(100):
        cfg.seed = seed
        pl.seed_everything(seed, verbose=False)
        datamodule.seed = seed
        module = build.build_module(cfg, datamodule)
        quiet = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False, "logger": False}
        pl.Trainer(max_epochs=3, accelerator="cpu", precision=precision, profiler=NoProfiler(), **quiet).fit(module, datamodule)
        expected, state = module.state_dict(), Run(tmp_path / str(seed)).state()
        assert state.keys() == expected.keys()
        for name, value in state.items():
            torch.testing.assert_close(value, expected[name], rtol=tolerance, atol=tolerance)
