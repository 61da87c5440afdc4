"""Sweeps that are interrupted, repeated, or hold runs that fail."""

import csv
import random
import signal
import time

import numpy as np
import pytest
from runs import Run, finished, rows

from logitlab.sweeps import member
from logitlab.sweeps.composition import Base, Composer
from logitlab.sweeps.places import Places
from logitlab.sweeps.student import compare, holm, interval, summary

RUNS = ("optimizer.lr=0.1,1", "seed=range(3)", "trainer.max_epochs=40")
KILLS = {"kill -9": signal.SIGKILL, "Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM}
CODES = {signal.SIGKILL: (-9,), signal.SIGINT: (130, -2), signal.SIGTERM: (143, -15)}


def words_and_numbers(row: dict[str, str]) -> tuple[dict[str, str], dict[str, float]]:
    """Return a row of sweep.csv with its metrics apart."""
    numbers = {key: float(value) for key, value in row.items() if key == "value" or key.startswith("train/")}
    return {key: value for key, value in row.items() if key not in numbers}, numbers


@pytest.fixture(scope="module")
def uninterrupted() -> dict[str, list[dict[str, str]]]:
    """The table of each launcher's sweep, made by the first test that asks for it."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_an_interrupted_sweep_goes_on_where_it_was(fork, tmp_path, uninterrupted, number):
    draw = random.Random(number)
    launcher = "batched" if number % 4 else "basic"  # which takes three times as long
    name = list(KILLS)[number % 3]
    command = ("-m", f"hydra/launcher={launcher}", *RUNS)
    if launcher not in uninterrupted:
        ran = fork(*command, "hydra.sweep.dir=whole")
        assert ran.wait() == 0, ran.output()
        uninterrupted[launcher] = rows(tmp_path / "whole")
    ran = fork(*command, "hydra.sweep.dir=sweep")
    time.sleep(draw.uniform(0.1, 1.0))
    ran.send(KILLS[name])
    assert ran.wait() in (0, *CODES[KILLS[name]]), ran.output()
    before = finished(tmp_path / "sweep")
    ran = fork(*command, "hydra.sweep.dir=sweep")
    assert ran.wait() == 0, ran.output()
    after = finished(tmp_path / "sweep")
    assert len(after) == 6
    assert before.items() <= after.items(), "a finished run was written again"
    for row, expected in zip(rows(tmp_path / "sweep"), uninterrupted[launcher], strict=True):
        (words, numbers), (same_words, same_numbers) = words_and_numbers(row), words_and_numbers(expected)
        assert words == same_words
        # the runs that are left train in a smaller group, whose sums round differently: float32's tolerance of test_batched.py
        assert numbers == pytest.approx(same_numbers, rel=2e-5, abs=1e-7)


@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_a_sweep_run_again_does_what_is_left(fork, tmp_path, launcher):
    fast = (f"hydra/launcher={launcher}", "trainer.max_epochs=10", "hydra.sweep.dir=sweep")
    assert fork("-m", "optimizer.lr=0.1,1", *fast).wait() == 0
    before = finished(tmp_path / "sweep")
    ran = fork("-m", "optimizer.lr=1,0.01,0.1", "sweep.resume=sweep", *fast[:2])
    assert ran.wait() == 0, ran.output()
    after = finished(tmp_path / "sweep")
    assert len(after) == 3
    assert before.items() <= after.items()


def test_runs_of_a_tensor_program_print_no_table_each(fork, tmp_path):
    ran = fork(
        "-m", "hydra/launcher=batched", "data=study", "optimizer.lr=0.5,1", "trainer.max_epochs=20", "hydra.sweep.dir=sweep"
    )
    assert ran.wait() == 0, ran.output()
    assert all((path / "coefficients.csv").read_text().count("\n") > 2 for path in (tmp_path / "sweep").glob("*lr=*"))
    assert "std. error" not in ran.output()


def test_another_run_under_the_same_name_gets_a_directory_of_its_own(tmp_path):
    wanted = tmp_path / "lr=1"
    wanted.mkdir()
    member.write(wanted, member.Status(member.FINISHED, member.digest({"lr": 1, "epochs": 5})))
    places = Places(tmp_path)
    directory, status = places.find(wanted, {"lr": 1, "epochs": 9})
    assert directory == tmp_path / "lr=1-2"
    assert status is None
    directory, status = places.find(wanted, {"epochs": 5, "lr": 1, "ckpt_path": "x", "sweep": {"resume": "y"}})
    assert directory == wanted
    assert status is not None
    assert status.finished
    (tmp_path / "lr=2").mkdir()
    member.write(tmp_path / "lr=2", member.Status(member.RUNNING, member.digest({"lr": 2})))  # by another process, since
    assert places.find(tmp_path / "lr=2", {"lr": 2})[0] == tmp_path / "lr=2"


def test_the_runs_of_another_sweep_inside_are_not_of_this_one(tmp_path):
    for run in ("one", "deep/two", "other/three"):
        (tmp_path / run).mkdir(parents=True)
        member.write(tmp_path / run, member.Status(member.FINISHED, run))
    for sweep in (tmp_path, tmp_path / "other"):
        (sweep / "multirun.yaml").touch()
    assert [status.digest for _, status in member.statuses(tmp_path)] == ["deep/two", "one"]


@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_a_finished_run_is_found_by_its_config_whatever_its_directory_is_called(fork, tmp_path, launcher):
    numbered = ("-m", f"hydra/launcher={launcher}", "hydra.sweep.subdir=${hydra.job.num}", "hydra.sweep.dir=sweep")
    assert fork(*numbered, "seed=1,2", "trainer.max_epochs=3").wait() == 0
    before = finished(tmp_path / "sweep")
    ran = fork(*numbered, "optimizer.lr=1.0", "seed=3,2,1", "trainer.max_epochs=3")  # lr is 1.0 by default
    assert ran.wait() == 0, ran.output()
    after = finished(tmp_path / "sweep")
    assert before.items() <= after.items()
    assert len(after) == 3
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir() if path.name[0].isdigit()) == ["0", "0-2", "1"]


@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_runs_that_are_to_share_a_directory_do_not(fork, tmp_path, launcher):
    ran = fork(
        *("-m", f"hydra/launcher={launcher}", "seed=1,2", "trainer.max_epochs=3"),
        *("hydra.sweep.subdir=same", "hydra.sweep.dir=sweep"),
    )
    assert ran.wait() == 0, ran.output()
    assert {row["seed"]: row["directory"] for row in rows(tmp_path / "sweep")} == {"1": "same", "2": "same-2"}


def test_directory_names():
    assert member.directory_name("optimizer.lr=0.1,seed=3") == "optimizer.lr=0.1,seed=3"
    assert member.directory_name("") == "default"
    odd = member.directory_name("data.path=/a/b.csv")
    assert "/" not in odd
    assert odd != member.directory_name("data.path=_a_b.csv")
    assert len(member.directory_name("x" * 500)) < 140


def test_folds_are_compared_by_the_corrected_test_and_holms_correction():
    """Against the formula of Nadeau and Bengio (2003) with scipy's t, and statsmodels' Holm."""
    from scipy import stats
    from statsmodels.stats.multitest import multipletests

    values, others = [0.3, 0.5, 0.4, 0.45, 0.33], [0.2, 0.45, 0.41, 0.3, 0.31]
    assert summary(values) == (5, pytest.approx(np.mean(values)), pytest.approx(stats.tstd(values)), 0.3, 0.5)
    for share in (0.25, 1.0):
        difference = np.subtract(values, others)
        error = np.sqrt((1 / 5 + share) * difference.var(ddof=1))
        mean, low, high, p = compare(values, others, share)
        assert mean == pytest.approx(difference.mean())
        assert p == pytest.approx(2 * stats.t.sf(difference.mean() / error, 4), rel=1e-9)
        assert (low, high) == pytest.approx(stats.t.interval(0.95, 4, difference.mean(), error), rel=1e-9)
        error = np.sqrt((1 / 5 + share) * np.var(values, ddof=1))
        assert interval(values, share) == pytest.approx(stats.t.interval(0.95, 4, np.mean(values), error), rel=1e-9)
    p_values = [0.04, 0.01, 0.03, 0.005, 0.5]
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_the_corrected_test_rejects_as_often_as_it_says_where_students_would_not():
    """Folds of one table are correlated by n_test / (n_test + n_train), the correlation that the correction is made for."""
    generator = np.random.default_rng(0)
    folds, rho = 5, 0.2
    shared = generator.normal(size=(2000, 1)) * np.sqrt(rho)
    own = generator.normal(size=(2000, folds)) * np.sqrt(1 - rho)
    p = np.array([compare(list(each), [0.0] * folds, rho / (1 - rho))[3] for each in shared + own])
    plain = np.array([compare(list(each), [0.0] * folds, 0.0)[3] for each in shared + own])
    assert 0.035 <= (p < 0.05).mean() <= 0.065
    assert (plain < 0.05).mean() > 0.1


def test_folds_have_an_interval_and_a_test(fork, tmp_path):
    from scipy import stats

    sweep = ["-m", "hydra/launcher=batched", "data=study", "data.folds=4", "data.fold=range(4)", "seed=1,2"]
    ran = fork(*sweep, "optimizer.lr=0.001,0.1,1", "trainer.max_epochs=12", "hydra.sweep.dir=sweep", "logger=null")
    assert ran.wait() == 0, ran.output()
    with (tmp_path / "sweep" / "sweep_replicates.csv").open(newline="") as file:
        best, second, third = csv.DictReader(file)
    values = {}
    for row in rows(tmp_path / "sweep"):
        values.setdefault(row["optimizer.lr"], {}).setdefault(row["data.fold"], []).append(float(row["value"]))
    means = {lr: np.array([np.mean(folds[fold]) for fold in "0123"]) for lr, folds in values.items()}
    p = []
    for row in (second, third):
        difference = means[row["optimizer.lr"]] - means[best["optimizer.lr"]]
        error = np.sqrt((1 / 4 + 1 / 3) * difference.var(ddof=1))
        p.append(2 * stats.t.sf(abs(difference.mean()) / error, 3))
        assert float(row["difference"]) == pytest.approx(difference.mean())
        ends = float(row["difference_low"]), float(row["difference_high"])
        assert ends == pytest.approx(stats.t.interval(0.95, 3, difference.mean(), error), rel=1e-6)
    holm_p = [2 * min(p), max(2 * min(p), max(p))] if p[0] <= p[1] else [max(2 * min(p), max(p)), 2 * min(p)]
    assert [float(second["p"]), float(third["p"])] == pytest.approx(np.minimum(holm_p, 1), rel=1e-6)
    assert best["p"] == best["difference"] == ""
    assert "worse than the best by" in ran.output() and "Holm's correction for 2 comparisons" in ran.output()


@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_seeds_are_a_curve_with_its_range_and_no_test(fork, tmp_path, launcher):
    from scipy import stats

    ran = fork(
        "-m",
        f"hydra/launcher={launcher}",
        "model.weight=null,0",
        "optimizer.lr=0.1,0.5",
        "seed=1,2,3",
        "trainer.max_epochs=12",
        "hydra.sweep.dir=sweep",
    )
    assert ran.wait() == 0, ran.output()
    sweep = tmp_path / "sweep"
    with (sweep / "sweep_replicates.csv").open(newline="") as file:
        best, second, *_ = csv.DictReader(file)
    values = {}
    for row in rows(sweep):
        values.setdefault((row["model.weight"], row["optimizer.lr"]), {})[row["seed"]] = float(row["value"])
    for row in (best, second):
        of = np.array(list(values[row["model.weight"], row["optimizer.lr"]].values()))
        assert float(row["mean"]) == pytest.approx(of.mean())
        assert (float(row["least"]), float(row["greatest"])) == (of.min(), of.max())
        assert float(row["deviation"]) == pytest.approx(stats.tstd(of))
        assert {row[name] for name in ("low", "high", "difference", "p")} == {""}
    assert "Seeds are no new rows" in ran.output() and "worse than" not in ran.output()
    name = f"model.weight={best['model.weight']},optimizer.lr={best['optimizer.lr']}"
    runs = [Run(path.parent) for path in sweep.glob(f"{name},seed=*/status.json")]
    curves = np.array([list(run.curve().values()) for run in runs])
    assert curves.shape == (3, 12)
    shown = Run(sweep / "replicates" / name)
    np.testing.assert_allclose(list(shown.curve().values()), curves.mean(0), rtol=1e-6)
    low, high = curves.min(0), curves.max(0)
    np.testing.assert_allclose(list(shown.curve("train/loss/low").values()), low, rtol=1e-5)
    np.testing.assert_allclose(list(shown.curve("train/loss/high").values()), high, rtol=1e-5)
    assert "custom_scalars__config__" in shown.events().Tags()["tensors"]


OVERRIDES = [
    ["optimizer.lr=0.1", "seed=1"],
    ["optimizer.lr=1e-3", "seed=2"],
    ["optimizer.lr=1", "model.bias=null"],
    ["optimizer.lr=2", "model.bias=0.5"],
    ["optimizer=adam", "optimizer.betas=[0.5,0.9]"],
    ["optimizer=adam", "optimizer.betas=[0.6,0.99]"],
    ["model.weight=[0.1,-0.2]", "data.shuffle=true"],
    ["model.weight=0.5", "data.shuffle=False"],
    ["experiment=hours", "seed=7"],
    ["experiment=hours", "seed=8"],
    ["+trainer.min_epochs=3", "monitor='a b'"],
    ["+trainer.min_epochs=3", "monitor=val/loss"],
]


def test_jobs_composed_together_are_what_hydra_composes(tmp_path):
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.utils import create_config_search_path
    from hydra.core.utils import setup_globals
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from logitlab.cli.run_command import CONF

    setup_globals()
    loader, composed = ConfigLoaderImpl(create_config_search_path(str(CONF))), []

    class Loader:
        """Hydra's, given a run's overrides; it counts."""

        get_sources = loader.get_sources

        def load_sweep_config(self, config, overrides):
            composed.append(overrides)
            return loader.load_configuration("config", overrides, RunMode.RUN)

    composer = Composer(Loader(), None)
    jobs = [composer.job(overrides, number) for number, overrides in enumerate(OVERRIDES)]
    jobs += [composer.job(["optimizer.lr=0.3", f"seed={seed}"], seed) for seed in range(8)]
    assert len(composed) <= len(OVERRIDES)
    for job in jobs:
        own = Base(composer.compose(job.overrides))
        assert job.config() == own.plain({})
        filled = job.base.config_template.fill(list(job.values.values()))
        assert filled == OmegaConf.to_yaml(own.job)
