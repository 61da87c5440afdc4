"""hydra/sweeper=optuna: its words, Optuna's answers, and searches that are interrupted, pruned, or hold runs that fail."""

import json
import math
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from processes import ROOT, environment
from runs import Run, finished, rows

from hydra_plugins.logitlab_optuna_sweeper import _setup
from hydra_plugins.logitlab_optuna_sweeper._core import Search
from hydra_plugins.logitlab_optuna_sweeper._space import Space
from hydra_plugins.logitlab_optuna_sweeper.optuna_sweeper import OptunaSweeper
from logitlab.cli.arguments import ArgumentError
from logitlab.errors import UserError
from logitlab.sweeps.points import Points
from logitlab.sweeps.study import OptunaTrial, open_storage, truncate_to_whole_lines

SEARCH = ("-m", "hydra/sweeper=optuna", "hydra.sweep.dir=sweep")
FAST = ("trainer.max_epochs=2", "results=null", "callbacks.checkpoints.every_n_seconds=60")
LR = "optimizer.lr=tag(log,interval(0.01,1))"
KILLS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)


def space(*words: str) -> Space:
    return Space(OverridesParser.create().parse_overrides(list(words)))


def study(sweep: Path) -> optuna.Study:
    return optuna.load_study(study_name="search", storage=open_storage(str(sweep / "optuna.journal")))


def parameters(sweep: Path) -> list[dict[str, object]]:
    return [trial.params for trial in study(sweep).trials]


@pytest.mark.parametrize(
    ("words", "distribution"),
    [
        ("a=interval(0.1,2)", FloatDistribution(0.1, 2.0)),
        ("a=tag(log,interval(1e-4,1))", FloatDistribution(1e-4, 1.0, log=True)),
        ("a=int(interval(1,9))", IntDistribution(1, 9)),
        ("a=tag(log,int(interval(1,9)))", IntDistribution(1, 9, log=True)),
        ("a=range(1,5)", IntDistribution(1, 4)),
        ("a=range(1,10,4)", IntDistribution(1, 9, step=4)),
        ("a=range(9,0,-4)", IntDistribution(1, 9, step=4)),
        ("a=range(0,1,0.25)", FloatDistribution(0.0, 0.75, step=0.25)),
        ("a=x,2,'y z'", CategoricalDistribution(["x", "2", "'y z'"])),
        ("a=choice(1,1,true)", CategoricalDistribution(["1", "True"])),
    ],
)
def test_hydras_words_are_optunas_distributions(words, distribution):
    [parameter] = space(words).parameters
    assert parameter.distribution == distribution


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a=interval(2,1)"], r"type interval\(1.0,2.0\)"),
        (["a=range(5,1)"], "holds no value"),
        (["a=tag(log,interval(0,1))"], "needs numbers above 0"),
        (["a=tag(log,range(1,9,2))"], "a step none but 1"),
        (["a=tag(log,choice(1,2))"], "a list has no numbers between"),
        (["a=tag(lg,interval(1,2))"], "no tag lg. Did you mean 'log'?"),
        (["a=tag(b:x,interval(1,2))"], "does not choose b=x"),
        (["a=tag(b:z,interval(1,2))", "b=x,y"], "does not choose b=z"),
        (["a=tag(b:x,choice(u,v))", "b=tag(a:u,choice(x,y))"], "a, b belong to each other in a circle"),
    ],
)
def test_words_that_are_no_space(words, told):
    with pytest.raises(ArgumentError, match=told):
        space(*words)


def test_what_belongs_to_a_choice_is_in_its_runs_alone():
    searched = space(
        "momentum=tag(o:sgd|nesterov,interval(0,0.9))", "o=sgd,adam,nesterov", "fixed=7", "+x=tag(o:adam,choice(1,2))"
    )
    made = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    seen = set()
    for _ in range(50):
        values = searched.suggest(made.ask())
        seen.add(values["o"])
        assert ("momentum" in values) == (values["o"] != "adam")
        assert ("x" in values) == (values["o"] == "adam")
        line = searched.overrides(values)
        names = [override.partition("=")[0] for override in line]
        assert names == (["o", "fixed", "+x"] if values["o"] == "adam" else ["momentum", "o", "fixed"])
    assert seen == {"sgd", "adam", "nesterov"}


def test_what_is_typed_for_all_runs_goes_before_the_space_of_a_file(caplog):
    file = ("o=sgd,adam", "lr=interval(0,1)", "momentum=tag(o:sgd,interval(0,0.9))", "beta=tag(o:adam,interval(0,0.9))")
    with caplog.at_level("INFO"):
        searched = space(*file, "o=sgd", "lr=0.5")
    assert [parameter.name for parameter in searched.parameters] == ["momentum"]
    assert searched.overrides({"momentum": 0.3}) == ["o=sgd", "lr=0.5", "momentum=0.3"]
    assert caplog.messages == ["beta is not searched: it belongs to o:adam, and o=sgd."]


def test_a_grid_is_every_combination_once():
    searched = space("o=sgd,adam", "m=tag(o:sgd,choice(0,0.9))", "n=range(1,5)")
    points = [tuple(searched.overrides(point)) for point in searched.points()]
    expected = [
        (f"o={o}", *m, f"n={n}")
        for o, ms in (("sgd", ["m=0", "m=0.9"]), ("adam", [None]))
        for m in ([each] if each else [] for each in ms)
        for n in range(1, 5)
    ]
    assert sorted(points) == sorted(expected)


def test_a_float_range_has_hydras_own_values():
    [override] = OverridesParser.create().parse_overrides(["a=range(0.1,0.7,0.1)"])
    searched = Space([override])
    made = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    drawn = {searched.overrides(searched.suggest(made.ask()))[0] for _ in range(100)}
    assert drawn == {f"a={word}" for word in override.sweep_string_iterator()}


SPACE = (
    "o=sgd,adam",
    "lr=tag(log,interval(0.001,10))",
    "momentum=tag(o:sgd,interval(0,0.9))",
    "n=range(1,9)",
    "penalty=interval(-1,1)",
)


def objective(values: dict[str, object]) -> float:
    lr, n, penalty = float(str(values["lr"])), float(str(values["n"])), float(str(values["penalty"]))
    return (math.log10(lr) + 1) ** 2 + 0.1 * n + penalty**2 + (0.5 if values["o"] == "adam" else float(str(values["momentum"])))


def sampler(name: str) -> optuna.samplers.BaseSampler:
    if name == "cmaes":
        return optuna.samplers.CmaEsSampler(seed=3, warn_independent_sampling=False)
    return {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}[name](seed=3)


@pytest.mark.parametrize("together", [1, 4])
@pytest.mark.parametrize("name", ["tpe", "random", "cmaes"])
def test_a_search_that_is_gone_on_with_draws_what_an_uninterrupted_one_draws(tmp_path, name, together):
    """Killed after any step: between the trials, while one is drawn, or told."""
    searched, draw = space(*SPACE), random.Random(together)

    class KilledError(Exception):
        pass

    def search(storage, patience):
        """Ask and tell as the sweeper does; die after so many writes to the storage."""
        writes = iter(range(patience))

        def mortal(write):
            def until_killed(*args, **kwargs):
                if next(writes, None) is None:
                    raise KilledError
                return write(*args, **kwargs)

            return until_killed

        for each in ("create_new_trial", "set_trial_param", "set_trial_state_values"):
            setattr(storage, each, mortal(getattr(storage, each)))
        made = optuna.create_study(storage=storage, study_name="s", sampler=sampler(name), load_if_exists=True)
        asking = Search(OptunaSweeper({}, {}, "", "s", n_jobs=together), searched, made, storage, 24, tmp_path)
        waiting = _setup.in_flight(made, storage, searched)
        while batch := asking._batch(waiting):
            waiting = waiting[len(batch) :]
            for trial in batch:
                made.tell(trial, objective(trial.params))
        return made

    whole = search(optuna.storages.InMemoryStorage(), 10**6)
    optuna.create_study(storage=open_storage(str(tmp_path / "journal")), study_name="another search in this storage")
    kills = 0
    while True:
        try:
            made = search(open_storage(str(tmp_path / "journal")), draw.randint(1, 25))
            break
        except KilledError:
            kills += 1
    assert kills > 5
    assert [trial.params for trial in made.trials] == [trial.params for trial in whole.trials]
    assert all(trial.state == TrialState.COMPLETE for trial in made.trials)


def test_a_journal_that_ends_in_half_a_line_is_mended(tmp_path):
    journal = tmp_path / "journal"
    made = optuna.create_study(storage=open_storage(str(journal)), study_name="s", sampler=Points([{"x": 1.0}] * 3))
    made.tell(made.ask({"x": FloatDistribution(0, 2)}), 0.5)
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"wor')
    truncate_to_whole_lines(journal)
    again = optuna.load_study(study_name="s", storage=open_storage(str(journal)), sampler=Points([{"x": 1.0}] * 3))
    again.tell(again.ask({"x": FloatDistribution(0, 2)}), 0.25)
    assert [trial.value for trial in optuna.load_study(study_name="s", storage=open_storage(str(journal))).trials] == [
        0.5,
        0.25,
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tpe", "random", "cmaes"])
def test_the_sweeper_tries_what_optuna_alone_tries(fork, tmp_path, name):
    """Optuna's own loop, on the values that the runs had."""
    words = (LR, "penalty.l2=tag(log,interval(1e-4,1))", "seed=range(1,4)")
    few = ("hydra.sweeper.n_trials=14", *(["hydra.sweeper.sampler.n_startup_trials=5"] if name == "tpe" else []))
    ran = fork(*SEARCH, f"hydra/sweeper/sampler={name}", *words, *few, *FAST)
    assert ran.wait() == 0, ran.output()
    values = {json.dumps(trial.params): trial.value for trial in study(tmp_path / "sweep").trials}

    def objective(trial):
        trial.suggest_float("optimizer.lr", 0.01, 1, log=True)
        trial.suggest_float("penalty.l2", 1e-4, 1, log=True)
        trial.suggest_int("seed", 1, 3)
        return values[json.dumps(trial.params)]  # KeyError: the sweeper did not try it

    samplers = optuna.samplers
    if name == "tpe":
        alone = optuna.create_study(sampler=samplers.TPESampler(seed=1, n_startup_trials=5))
    else:
        alone = optuna.create_study(sampler={"random": samplers.RandomSampler, "cmaes": samplers.CmaEsSampler}[name](seed=1))
    alone.optimize(objective, n_trials=14)
    assert [trial.params for trial in alone.trials] == parameters(tmp_path / "sweep")
    found = OmegaConf.load(tmp_path / "sweep" / "optimization_results.yaml")
    assert found == {
        "name": "optuna",
        "best_params": alone.best_params,
        "best_value": alone.best_value,
        "best_trial": alone.best_trial.number,
    }
    best = rows(tmp_path / "sweep")[0]
    assert float(best["value"]) == alone.best_value
    assert float(best["optimizer.lr"]) == alone.best_params["optimizer.lr"]


GRID = ("optimizer.lr=0.1,0.2,0.5,1", "seed=range(1,5)")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "launcher", "together", "count"),
    [("random", "batched", 8, 40), ("tpe", "batched", 10, 40), ("grid", "basic", 4, 16)],
)
def test_a_search_killed_again_and_again(fork, tmp_path, name, launcher, together, count):
    draw = random.Random(name)
    words = GRID if name == "grid" else (LR, "seed=range(1,1000)")
    command = (
        *(*SEARCH, f"hydra/launcher={launcher}", f"hydra/sweeper/sampler={name}", f"hydra.sweeper.n_jobs={together}"),
        *("hydra.sweeper.n_trials=40", *words, *FAST, "logger=null"),
    )
    before: dict[str, int] = {}
    for number in draw.sample(KILLS, 3):
        ran = fork(*command)
        time.sleep(draw.uniform(0.5, 3))
        ran.send(number)
        assert ran.wait() in (0, -number, 128 + number), ran.output()
        after = finished(tmp_path / "sweep")
        assert before.items() <= after.items(), "a finished run was trained again"
        before = after
    ran = fork(*command)
    assert ran.wait() == 0, ran.output()
    assert "cannot be trained together" not in ran.output()
    after = finished(tmp_path / "sweep")
    assert before.items() <= after.items(), "a finished run was trained again"
    trials = study(tmp_path / "sweep").trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * count
    assert len({json.dumps(trial.params) for trial in trials}) == len(after) == len(rows(tmp_path / "sweep")) == count
    tried = [(trial.params["optimizer.lr"], trial.params["seed"]) for trial in trials]
    if name == "grid":
        assert tried == [(lr, seed) for lr in ("0.1", "0.2", "0.5", "1") for seed in range(1, 5)]
    if name == "random":
        alone = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
        space = {"optimizer.lr": FloatDistribution(0.01, 1, log=True), "seed": IntDistribution(1, 999)}
        assert tried == [tuple(alone.ask(space).params.values()) for _ in range(40)]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_the_launchers_find_the_same(fork, tmp_path, launcher):
    ran = fork(*SEARCH, f"hydra/launcher={launcher}", LR, "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=3", *FAST)
    assert ran.wait() == 0, ran.output()
    alone = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))
    space = {"optimizer.lr": FloatDistribution(0.01, 1, log=True)}
    trials = study(tmp_path / "sweep").trials
    assert [trial.params for trial in trials] == [alone.ask(space).params for _ in range(6)]
    if launcher == "batched":
        assert "Launching 3 jobs: 3 in 1 tensor program" in ran.output()
    for trial in trials:
        [path] = (tmp_path / "sweep").glob(f"*optimizer.lr={trial.params['optimizer.lr']}*/metrics.json")
        assert trial.value == pytest.approx(json.loads(path.read_text())["train/loss"], rel=1e-6)


@pytest.mark.slow
def test_runs_that_fail_are_told_and_the_search_goes_on(fork, tmp_path):
    words = ("optimizer.lr=0.1,1e38,0.2", "data=scores", "data.scale=none", "model=logits")
    ran = fork(*SEARCH, "hydra/sweeper/sampler=grid", *words, "trainer.max_epochs=20")
    assert ran.wait() == 1, ran.output()
    states = [trial.state for trial in study(tmp_path / "sweep").trials]
    assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert "3 of 3 trials (1 failed): best" in ran.output()
    assert "these values are not tried again" in ran.output()
    again = fork(*SEARCH, "hydra/sweeper/sampler=grid", *words, "trainer.max_epochs=20")
    assert again.wait() == 1, again.output()
    assert "Trained" not in again.output()


@pytest.mark.slow
def test_a_mistake_that_every_run_would_make_ends_the_search_and_can_be_mended(fork, tmp_path):
    command = (*SEARCH, "data=table", "data.path=rows.csv", "data.target=y", LR, "hydra.sweeper.n_trials=3", *FAST)
    ran = fork(*command)
    assert ran.wait() == 2, ran.output()
    assert ran.output().count("there is no such file") == 2, "once when it happened, once in the list of failures"
    (tmp_path / "rows.csv").write_text("x,y\n" + "1,0\n2,1\n3,0\n4,1\n" * 5)
    ran = fork(*command)
    assert ran.wait() == 0, ran.output()
    assert "0 trials done, 1 in flight" in ran.output()
    assert [trial.state for trial in study(tmp_path / "sweep").trials] == [TrialState.COMPLETE] * 3


def test_values_that_come_again_are_not_trained_again(fork, tmp_path):
    ran = fork(*SEARCH, "seed=1,2", "hydra.sweeper.n_trials=8", "hydra.sweeper.n_jobs=4", *FAST)
    assert ran.wait() == 0, ran.output()
    trials = study(tmp_path / "sweep").trials
    assert len(trials) == 8
    assert len({(trial.params["seed"], trial.value) for trial in trials}) == 2
    assert ran.output().count("Trained") == 2


REFUSED = [
    (["optimizer.lr=tag(log,interval(0.01,2))"], "it has optimizer.lr=tag(log,interval(0.01,1))"),
    ([LR, "seed=2"], "it has no seed, and this command seed=2"),
    ([LR, "monitor=train/accuracy", "monitor_mode=max"], "it has monitor=null, and this command monitor=train/accuracy"),
    ([LR, "monitor_mode=max"], "monitor_mode=max would keep the worst epoch"),
    ([LR, "hydra/sweeper/sampler=random"], "it has hydra/sweeper/sampler=tpe"),
    ([LR, "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0 is not allowed"),
    ([LR, "hydra.sweeper.sampler=tpe"], "type hydra/sweeper/sampler=NAME"),
    ([LR, "hydra.sweeper.storage=no/such/folder"], "cannot be opened"),
    ([LR, "+hydra.sweeper.sampler.n_startup=3"], "Did you mean 'n_startup_trials'?"),
    ([LR, "hydra.sweeper.n_trails=3"], "Did you mean 'n_trials'?"),
    ([LR, "hydra/sweeper/sampler=grid"], "optimizer.lr is an interval, and a grid goes through every value"),
    ([LR, "hydra/sweeper/sampler=cmaes"], "searches two numbers or more together"),
    ([LR, "hydra/sweeper/sampler=tpee"], "Did you mean 'tpe'?"),
    (["optimizer.lr=interval(-1,1)"], "optimizer.lr=-1.0 is not allowed"),
    (["model=class,logitz"], "Did you mean 'logits'?"),
    (["optimizer=sgd,adam", "optimizer.momentum=interval(0,0.9)"], "optimizer.momentum is no key of runs with optimizer=adam"),
    ([], "There is nothing to search"),
]


@pytest.mark.slow
def test_mistakes_end_in_a_paragraph_before_torch_is_imported(fork, tmp_path):
    """Among them another search in the directory of one that was begun: its values would not compare."""
    ran = fork(*SEARCH, LR, "hydra.sweeper.n_trials=1", *FAST)
    assert ran.wait() == 0, ran.output()
    code = "import sys, atexit; atexit.register(lambda: print('torch' in sys.modules)); from train import main; "
    code += "main('train')"
    for words, told in REFUSED:
        command = [sys.executable, "-c", code, *SEARCH, *words, *FAST]
        env = environment({"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"})
        ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert ran.returncode == 2, (words, ran.stderr)
        assert told in " ".join(ran.stderr.split()), ran.stderr
        assert ran.stderr.startswith("Error: ") and "Traceback" not in ran.stderr
        assert ran.stdout == "False\n"
    assert len(study(tmp_path / "sweep").trials) == 1


@pytest.mark.slow
def test_without_optuna_a_plain_run_does_and_a_search_says_what_to_install(run_train, tmp_path):
    hide = "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == 'optuna' else f(n, *a)"
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules['optuna'] = None\n{hide}\n")
    env = {"PYTHONPATH": f"{tmp_path}:{ROOT / 'src'}"}
    ran = run_train(*SEARCH, LR, env=env, because="Python reads sitecustomize as it starts")
    assert ran.returncode == 2, ran.stderr
    assert "pip install 'optuna<" in " ".join(ran.stderr.split())
    assert not (tmp_path / "sweep").exists()
    assert run_train("trainer.max_epochs=2", env=env, because="the same").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [["basic"], ["joblib", "hydra.launcher.workers=2", "hydra.launcher.alone=2"]])
def test_a_run_that_does_worse_is_pruned_and_kept(fork, tmp_path, launcher):
    """The first run is the yardstick; of the two behind it the worse one ends at its first report."""
    command = (
        *(*SEARCH, f"hydra/launcher={launcher[0]}", *launcher[1:], "hydra/sweeper/sampler=grid", "hydra/sweeper/pruner=median"),
        *("hydra.sweeper.pruner.n_startup_trials=1", "optimizer.lr=0.1,0.001,0.5", "trainer.max_epochs=60"),
    )
    ran = fork(*command)
    assert ran.wait() == 0, ran.output()
    trials = study(tmp_path / "sweep").trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE]
    assert sorted(trials[0].intermediate_values) == [10, 20, 30, 40, 50, 60]
    assert sorted(trials[1].intermediate_values) == [10]
    runs = {row["optimizer.lr"]: row for row in rows(tmp_path / "sweep")}
    assert [runs[lr]["status"] for lr in ("0.1", "0.001", "0.5")] == ["finished", "pruned", "finished"]
    assert list(runs) == ["0.5", "0.1", "0.001"]
    assert "2 finished, 1 pruned" in ran.output()
    pruned = Run(tmp_path / "sweep" / runs["0.001"]["directory"])
    assert pruned.checkpoint()["epoch"] == 10
    assert len(pruned.curve()) == 10
    assert pruned.curve()[max(pruned.curve())] == pytest.approx(trials[1].value, rel=1e-6)
    assert pruned.json()["train/loss"] == pytest.approx(float(runs["0.001"]["value"]))
    again = fork(*command)
    assert again.wait() == 0, again.output()
    assert "3 trials done, 0 in flight" in again.output()
    assert pruned.checkpoint()["epoch"] == 10


def test_members_of_one_program_are_pruned_each_by_itself(fork, tmp_path):
    """The first two are the yardstick; of the two behind them, trained together, the worse one ends at its first report."""
    ran = fork(
        *(*SEARCH, "hydra/launcher=batched", "hydra.sweeper.n_jobs=2", "hydra/sweeper/sampler=grid"),
        *("hydra/sweeper/pruner=median", "hydra.sweeper.pruner.n_startup_trials=1"),
        *("optimizer.lr=0.1,0.2,0.001,0.5", "trainer.max_epochs=60"),
    )
    assert ran.wait() == 0, ran.output()
    assert "2 in 1 tensor program" in ran.output()
    assert "one by one" not in ran.output()
    states = [trial.state for trial in study(tmp_path / "sweep").trials]
    assert states == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE]
    runs = {row["optimizer.lr"]: row for row in rows(tmp_path / "sweep")}
    assert [runs[lr]["status"] for lr in ("0.1", "0.2", "0.001", "0.5")] == ["finished", "finished", "pruned", "finished"]
    assert len(Run(tmp_path / "sweep" / runs["0.001"]["directory"]).curve()) == 10
    assert len(Run(tmp_path / "sweep" / runs["0.5"]["directory"]).curve()) == 60


@pytest.mark.slow
def test_the_space_and_a_url_from_the_config(fork, tmp_path):
    ran = fork(*SEARCH, "experiment=search", "hydra.sweeper.n_trials=6", "hydra.sweeper.storage=sqlite:///searches.db", *FAST)
    assert ran.wait() == 0, ran.output()
    ran = fork(*SEARCH, "experiment=search", "hydra.sweeper.n_trials=12", "hydra.sweeper.storage=sqlite:///searches.db", *FAST)
    assert ran.wait() == 0, ran.output()
    assert "6 trials done, 0 in flight" in ran.output()
    made = optuna.load_study(study_name="search", storage=f"sqlite:///{tmp_path / 'searches.db'}")
    assert len(made.trials) == 12
    for trial in made.trials:
        assert ("optimizer.momentum" in trial.params) == (trial.params["optimizer"] == "sgd")
    elsewhere = ("hydra.sweeper.storage=sqlite:///searches.db", "hydra.sweep.dir=other", "trainer.max_epochs=2")
    other = fork("-m", "experiment=search", *elsewhere)
    assert other.wait() == 2
    assert f"it has hydra.sweep.dir={tmp_path / 'sweep'}" in " ".join(other.output().split())


def test_a_run_that_goes_on_reports_what_it_has_not_reported(tmp_path):
    """A second report of one epoch would be a warning, which the tests take for an error; a run told to end stays told."""
    sweeper = {
        "storage": str(tmp_path / "journal"),
        "study_name": "s",
        "pruner": {"_target_": "optuna.pruners.ThresholdPruner", "upper": 1.0},
    }
    made = optuna.create_study(storage=open_storage(sweeper["storage"]), study_name="s")
    made.ask()
    run = OptunaTrial(sweeper, 0)
    run.report(0.5, 10)
    run = OptunaTrial(sweeper, 0)
    run.report(0.4, 10)
    assert not run.pruned
    run.report(2.0, 20)
    assert run.pruned
    assert made.trials[0].intermediate_values == {10: 0.5, 20: 2.0}
    assert OptunaTrial(sweeper, 0).pruned


def test_a_trial_is_not_for_typing(fit):
    with pytest.raises(UserError, match="is not for typing"):
        fit("sweep.trial=3", "trainer.max_epochs=2")
