"""Killed before every kind of change on the disk, and resumed: the same weights, results and curves as without.

Whenever a command is about to make, put in place or remove a file, a copy of its process is killed (SIGKILL) and what is on
the disk then is kept: once for each file of a run (in a sweep, of the first run that writes it), before the directory of each
run is made, and at every fifth of the moments when a file is written and not yet in place. In each of these folders the same
command is run to its end, and what it leaves is compared with what the uninterrupted one left, which has another place by then.
The process itself is killed once for each command.
"""

import re
import shutil
import signal

import breast_cancer
import pytest
from processes import Forked
from runs import Run, rows, same_curves, same_results, same_weights

PARTS = 2
"""The kills of a command are shared out over so many tests."""

RUN = (
    *("data=study", "data.folds=5", "data.fold=0", "data.batch_size=80", "data.shuffle=true", "model=logits"),
    *("optimizer.lr=3", "optimizer.momentum=0.9", "lr_scheduler=plateau", "lr_scheduler.scheduler.patience=0"),
    *("lr_scheduler.monitor=val/loss", "threshold=f1", "trainer.max_epochs=3", "callbacks.checkpoints.every_n_seconds=0"),
    *("results.certificate=null", "results.dashboard=null"),
)
ENDED = (
    *("data=study", "data.folds=5", "data.fold=0", "model=class", "optimizer.lr=5", "trainer.max_epochs=100"),
    *("callbacks.early_stopping.patience=2", "callbacks.checkpoints.every_n_seconds=0", "calibration=platt"),
)
SWEEP = ("-m", "optimizer.lr=0.1,1", "data=hours", "trainer.max_epochs=3")
BATCHED = (*SWEEP, "hydra/launcher=batched")
SEARCH = (
    *("-m", "hydra/sweeper=optuna", "data=hours", "trainer.max_epochs=3", "optimizer.lr=tag(log,interval(0.1,1))"),
    *("hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=2"),
)
SELECTION = ("data=table", "data.path=breast_cancer.csv", "data.target=benign", "data.folds=3", "selection.count=4")

COMMANDS = {"run": RUN, "ended": ENDED, "sweep": SWEEP, "batched": BATCHED, "search": SEARCH, "selection": SELECTION}


def command(name, arguments=()):
    where = "hydra.run.dir=it" if "-m" not in COMMANDS[name] else "hydra.sweep.dir=it"
    return (*COMMANDS[name], where, *arguments)


def begin(name, directory, arguments=(), **watched):
    door = "select_penalty" if name == "selection" else "train"
    return Forked(command(name, arguments), directory, {}, door=door, **watched)


class Moments:
    """Which changes a command is killed before."""

    def __call__(self, changes):
        if changes[-1].startswith("os.rename"):
            return sum(each.startswith("os.rename") for each in changes) % 5 == 1
        return kind(changes[-1]) not in map(kind, changes[:-1])


def kind(change):
    """Return a change without what tells runs and temporary files apart; the directories of runs are all different."""
    if change.startswith("os.mkdir") and change.count("/") == 1:
        return change
    return re.sub(r"(?<=\.tmp)/.*|\d[\w.]*(?=/|$)|\.[0-9a-f]{16}(?=\.)|=[\w.]+", "", change)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of each command that was not interrupted, and those of its killed copies; made when they are asked for."""
    made = {}

    def make(name):
        if name not in made:
            directory, copies = tmp_path_factory.mktemp(name), tmp_path_factory.mktemp(f"{name}-killed")
            breast_cancer.main(directory / "breast_cancer.csv")
            process = begin(name, directory, copies=copies, is_wanted=Moments())
            assert process.wait(300) == 0, process.output()
            whole = directory.rename(directory.with_name(f"{name}-whole"))
            made[name] = whole / "it", sorted(copies.iterdir(), key=lambda each: int(each.name.split()[0]))
        return made[name]

    return make


def resume(name, directory):
    """Do what a person would: the same command, and for a single run that is saved, where it is saved."""
    saved = name in ("run", "ended") and (directory / "it/checkpoints/last.ckpt").exists()
    return begin(name, directory, ("ckpt_path=it",) if saved else ())


def same(one, other):
    assert same_results(Run(one), Run(other))


def nearly_same(one, other):
    """A member that is trained again is in a smaller program, whose sums are rounded differently."""
    for name in ("last", "best"):
        assert same_weights(Run(one).state(name), Run(other).state(name), rtol=2e-5, atol=1e-6), name
    assert Run(one).json() == pytest.approx(Run(other).json(), rel=2e-5, abs=1e-6)
    assert same_curves(Run(one), Run(other), rel=2e-5, abs=1e-6)


def check(name, it, whole):
    if name in ("run", "ended"):
        same(it, whole)
    elif name == "selection":
        same(it, whole)
        for file in ("selection.csv", "selection.json"):
            assert (it / file).read_text() == (whole / file).read_text()
    else:
        members = sorted(path.parent.name for path in whole.glob("*/status.json"))
        assert sorted(path.parent.name for path in it.glob("*/status.json")) == members
        for each in members:
            (nearly_same if name == "batched" else same)(it / each, whole / each)
        words = [{key: row[key] for key in ("rank", "status", "directory", "reason")} for row in rows(whole)]
        assert [{key: row[key] for key in words[0]} for row in rows(it)] == words
    if name == "search":
        results = "optimization_results.yaml"
        assert (it / results).read_text() == (whole / results).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_before_every_change_and_resumed(killed, name, part):
    whole, copies = killed(name)
    assert len(copies) >= 15
    for directory in copies[part::PARTS]:
        resumed = resume(name, directory)
        where = f"killed before change {directory.name}:\n"
        assert resumed.wait() == 0, where + resumed.output()
        try:
            check(name, directory / "it", whole)
        except AssertionError as error:
            raise AssertionError(f"{where}{error}\n{resumed.output()}") from error
        shutil.rmtree(directory)


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_itself_and_resumed(killed, tmp_path, name):
    whole, _ = killed(name)
    breast_cancer.main(tmp_path / "breast_cancer.csv")
    process = begin(name, tmp_path, dies_at=30)
    assert process.wait() == -signal.SIGKILL, process.output()
    resumed = resume(name, tmp_path)
    assert resumed.wait() == 0, resumed.output()
    check(name, tmp_path / "it", whole)
