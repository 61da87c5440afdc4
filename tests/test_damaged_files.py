"""A damaged small file costs what it held: a note and the rest of the work, or exit code 2 in words; never a traceback."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from trained import compose_job, train_table

from logitlab.errors import UserError
from logitlab.inference import jobs
from logitlab.reporting import job

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)


def write(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": write(b""),
    "cut": cut,
    "flipped": flipped,
    "garbage": write(bytes(range(256)) * 9),
    "list": write(b'["a", 1]'),
    "mapping": write(b'{"a": {"b": []}, "name": 3}'),
    "infinite": write(b'{"train/loss": Infinity, "val/loss": 1e999, "level": NaN, "status": NaN}'),
    "deep": write(b"[" * 100_000),
    "bomb": write(BOMB.encode()),
    "folder": folder,
}
FILES = (
    *("metrics.json", "environment.json", "coefficients.csv", "statistics.json"),
    *(".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml"),
)
EVENTS = "events.out.tfevents.*"
NEEDED_WHOLE = ("metrics.json", "coefficients.csv", ".hydra/overrides.yaml", EVENTS)
"""Files in which a mapping of other names is damage: of the others it is what they hold."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train_table(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def damaged(trained, tmp_path):
    """Give a copy of the run in which these files are damaged."""

    def make(how: str, *names: str) -> Path:
        copy = tmp_path / "run"
        shutil.copytree(trained.path, copy)
        for name in names:
            DAMAGES[how](next(copy.glob(name)))
        return copy

    return make


@pytest.mark.parametrize("name", [*FILES, EVENTS])
@pytest.mark.parametrize("how", ["garbage", "mapping"])
def test_a_report_is_made_without_the_one_file_that_is_damaged(damaged, how, name):
    text = job.run_report(damaged(how, name))
    assert name == "metrics.json" or "brier" in text
    if name != "statistics.json" and (how == "garbage" or name in NEEDED_WHOLE):
        assert "is damaged" in text


@pytest.mark.parametrize("how", DAMAGES)
def test_a_report_is_made_where_every_file_is_damaged(damaged, how):
    text = job.run_report(damaged(how, *FILES, EVENTS))
    assert "</h1>" in text and "is damaged" in text


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", ["coefficients.csv", "statistics.json"])
def test_explain_goes_without_intervals(damaged, capsys, name, how):
    path = damaged(how, name)
    jobs.explain(compose_job("explain", f"run={path}"))
    told = capsys.readouterr().out
    assert "the odds of passed=yes" in told
    assert "No intervals: " in told or how in ("flipped", "empty")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_run_is_resumed(fit, how):
    run = fit("trainer.max_epochs=3")
    for name in (".hydra/overrides.yaml", ".hydra/config.yaml", "environment.json", EVENTS):
        if how != "folder" or name != "environment.json":  # which is written anew
            DAMAGES[how](next(run.path.glob(name)))
    arguments = ("trainer.max_epochs=6", f"ckpt_path={run.path}")
    assert "train/loss" in fit(*arguments).json()
    with pytest.raises(UserError, match=r"optimizer\.lr was 1.* and is 0\.5"):
        fit(*arguments, "optimizer.lr=0.5")


def test_an_odd_name_among_the_event_files_is_passed_over(fit):
    run = fit("trainer.max_epochs=3")
    for name in ("events.out.tfevents.", "events.out.tfevents.abc", "events.out.tfevents.99999999999999999999.x.1"):
        (run.path / name).touch()
    (run.path / ".hydra" / "resumed-x").mkdir()
    again = fit("trainer.max_epochs=6", f"ckpt_path={run.path}")
    assert sorted(again.curve()) == list(range(6))
    assert "train/loss" in job.run_report(run.path)


@pytest.mark.slow
def test_a_sweep_goes_on_around_damaged_notes(fork, tmp_path):
    """Each run of a sweep is damaged in another way; all are whole again after the next start."""
    seeds = ",".join(map(str, range(len(DAMAGES) + 2)))
    arguments = ("-m", "hydra/launcher=batched", f"seed={seeds}", "trainer.max_epochs=3")
    process = fork(*arguments, "hydra.sweep.dir=sweep")
    assert process.wait() == 0, process.output()
    sweep = tmp_path / "sweep"

    def place(seed: int) -> Path:
        return next(path for path in sweep.iterdir() if f"seed={seed}" in path.name.split(","))

    for seed, damage in enumerate(DAMAGES.values()):
        damage(place(seed) / "status.json")
    unknown = place(len(DAMAGES))
    status = json.loads((unknown / "status.json").read_text())
    (unknown / "status.json").write_text(json.dumps({**status, "a field of tomorrow": 1}))
    DAMAGES["garbage"](place(len(DAMAGES) + 1) / "metrics.json")
    before = finished_times(unknown)
    process = fork(*arguments, "sweep.resume=sweep")
    assert process.wait() == 0, process.output()
    told = process.output()
    assert "Traceback" not in told and told.count("status.json is damaged") >= len(DAMAGES) - 1, (
        told
    )  # a flipped bit may be a digit's
    assert "metrics.json is damaged" in told and f"Sweep of {len(DAMAGES) + 2} runs" in told
    assert finished_times(unknown) == before
    text = job.sweep_report(sweep)
    assert "metrics.json is damaged" in text


def finished_times(run: Path) -> int:
    return (run / "checkpoints" / "last.ckpt").stat().st_mtime_ns


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut", "mapping", "bomb"])
def test_a_selection_with_damaged_notes_is_worked_out_anew(tmp_path, how):
    from processes import Forked

    arguments = ("data=scores", "data.folds=3", "selection.count=5", "hydra.run.dir=run")
    arguments = (*arguments, "trainer.max_epochs=50")
    first = Forked(arguments, tmp_path, {}, door="select_penalty")
    assert first.wait() == 0, first.output()
    table = (tmp_path / "run" / "selection.csv").read_text()
    DAMAGES[how](tmp_path / "run" / "selection.json")
    again = Forked(arguments, tmp_path, {}, door="select_penalty")
    assert again.wait() == 0, again.output()
    assert "selection.json is damaged" in again.output()
    assert (tmp_path / "run" / "selection.csv").read_text() == table


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A folder with a search of two trials."""
    from processes import Forked

    directory = tmp_path_factory.mktemp("search")
    process = Forked((*SEARCH, "hydra.sweeper.n_trials=2"), directory, {})
    assert process.wait() == 0, process.output()
    return directory


SEARCH = (
    *("-m", "hydra/sweeper=optuna", "trainer.max_epochs=3", "optimizer.lr=tag(log,interval(0.1,1))"),
    *("hydra.sweep.dir=sweep",),
)


@pytest.mark.slow
@pytest.mark.parametrize("how", DAMAGES)
def test_a_search_with_a_damaged_journal_is_resumed_or_refused_in_words(searched, fork, tmp_path, how):
    shutil.copytree(searched / "sweep", tmp_path / "sweep")
    journal = tmp_path / "sweep/optuna.journal"
    DAMAGES[how](journal)
    process = fork(*SEARCH, "hydra.sweeper.n_trials=3", "sweep.resume=sweep")
    code = process.wait()
    assert "Traceback" not in process.output(), process.output()
    assert code == 0 or (code == 2 and str(journal.name) in process.output()), process.output()
