"""Rows that change behind a run: who goes on with it is told what changed; a table may be moved."""

import csv
import json
import random
import shutil
from pathlib import Path

import pytest
from processes import Forked
from runs import Run, finished, same_weights

from logitlab.errors import UserError

NAMES = ["age", "size", "passed"]
TABLE = ("data=table", "data.target=passed", "model=logits", "data.path=table.csv", "trainer.max_epochs=5")


def rows(number: int = 40) -> list[list[str]]:
    draw = random.Random(0)
    return [[str(draw.randint(20, 60)), f"{draw.gauss(0, 1):.3f}", str(draw.randint(0, 1))] for _ in range(number)]


def write(path: Path, table: list[list[str]], names: list[str] = NAMES) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *table])


def flipped(table):
    return [[*row[:2], str(1 - int(row[2]))] if place == 3 else row for place, row in enumerate(table)]


CHANGES = {
    "flipped label": (lambda path: write(path, flipped(rows())), "began with: other values stand in the column passed. Give"),
    "swapped columns": (
        lambda path: write(path, [[b, a, y] for a, b, y in rows()], ["size", "age", "passed"]),
        "the columns were in the order age, size, passed and are in the order size, age, passed",
    ),
    "swapped names": (
        lambda path: write(path, rows(), ["size", "age", "passed"]),
        "the columns were in the order age, size, passed and are in the order size, age, passed",
    ),
    "other values": (
        lambda path: write(path, [[row[0], f"{float(row[1]) ** 2:.4f}", row[2]] for row in rows()]),
        "began with: other values stand in the column size. Give",
    ),
    "a row less": (lambda path: write(path, rows()[:-1]), "began with: there were 40 rows and are 39. Give"),
    "another column": (
        lambda path: write(path, [[*row, str(place * 7 % 5)] for place, row in enumerate(rows())], [*NAMES, "extra"]),
        "began with: new is the column extra. Give",
    ),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "table.csv", rows())
    return tmp_path


@pytest.mark.parametrize("name", CHANGES)
def test_a_run_is_not_resumed_with_other_rows(fit, here, name):
    run = fit(*TABLE)
    before = run.state()
    change, told = CHANGES[name]
    change(here / "table.csv")
    with pytest.raises(UserError) as error:
        fit(*TABLE[:-1], "trainer.max_epochs=8", f"ckpt_path={run.path}")
    assert told in str(error.value)
    assert "data.path=<where that is>" in str(error.value)
    assert same_weights(run.state(), before)


def test_a_table_may_be_moved_and_written_anew(fit, here):
    whole = fit(*TABLE[:-1], "trainer.max_epochs=8", directory=here / "whole")
    run = fit(*TABLE)
    with (here / "moved.csv").open("w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([NAMES, *rows()])
    (here / "table.csv").unlink()
    fit(*TABLE[:-2], "data.path=moved.csv", "trainer.max_epochs=8", f"ckpt_path={run.path}")
    assert same_weights(run.state(), whole.state())


def test_a_run_of_an_earlier_version_is_resumed_by_the_fingerprint_in_its_environment(fit, here):
    from logitlab.runs.checkpoint_file import load, sealed

    run = fit(*TABLE)
    path = run.path / "checkpoints/last.ckpt"
    forget_description(path, load, sealed)
    fit(*TABLE[:-1], "trainer.max_epochs=6", f"ckpt_path={run.path}")
    forget_description(path, load, sealed)
    write(here / "table.csv", flipped(rows()))
    with pytest.raises(UserError, match="The data are not those that this run began with: their values differ"):
        fit(*TABLE[:-1], "trainer.max_epochs=8", f"ckpt_path={run.path}")


def forget_description(path, load, sealed):
    import io

    import torch

    checkpoint = load(path)
    del checkpoint["hyper_parameters"]["data"]
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    path.write_bytes(sealed(buffer.getvalue()))


def test_a_report_of_other_data_ends_and_says_what_changed(fit, here):
    run = fit(*TABLE)
    write(here / "table.csv", flipped(rows()))
    process = Forked((f"run={run.path}",), here, {}, door="report")
    assert process.wait() == 2
    said = " ".join(process.output().split())
    assert "The data are not those that this run began with: other values stand in the column passed. Put back" in said
    assert not (run.path / "report.html").exists()
    write(here / "table.csv", rows())
    process = Forked((f"run={run.path}",), here, {}, door="report")
    assert process.wait() == 0, process.output()
    assert "What needs the rows is missing" not in (run.path / "report.html").read_text()


def test_a_selection_does_not_go_on_with_other_rows(here):
    command = (
        *("data=table", "data.path=table.csv", "data.target=passed", "data.folds=2", "selection.values=[1,0.1]"),
        "hydra.run.dir=chosen",
    )
    process = Forked(command, here, {}, door="select_penalty")
    assert process.wait() == 0, process.output()
    notes = here / "chosen/selection.json"
    content = json.loads(notes.read_text())
    shutil.rmtree(here / "chosen/checkpoints")  # as it is left when the process is killed before it trains
    notes.write_text(json.dumps({**content, "folds": content["folds"][:1]}))
    write(here / "table.csv", flipped(rows()))
    process = Forked(command, here, {}, door="select_penalty")
    assert process.wait() == 2, process.output()
    assert "not those that this selection began with: other values stand in the column passed" in process.output()
    assert len(json.loads(notes.read_text())["folds"]) == 1
    assert Run(here / "chosen").json()


@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_a_sweep_does_not_go_on_with_other_rows(fork, here, launcher):
    command = ("-m", f"hydra/launcher={launcher}", *TABLE, "optimizer.lr=0.1,1", "hydra.sweep.dir=sweep")
    ran = fork(*command)
    assert ran.wait() == 0, ran.output()
    before = finished(here / "sweep")
    with (here / "moved.csv").open("w", newline="") as file:  # written anew: the same rows, the same number of bytes
        csv.writer(file).writerows([NAMES, *rows()])
    (here / "table.csv").unlink()
    ran = fork(*command, "data.path=moved.csv")
    assert ran.wait() == 0, ran.output()
    assert finished(here / "sweep") == before
    write(here / "table.csv", flipped(rows()))
    ran = fork(*command, "optimizer.lr=0.1,1,3")
    assert ran.wait() == 2, ran.output()
    told = " ".join(ran.output().split())
    assert "The data are not those that the run" in told
    assert "of this sweep began with: other values stand in the column passed. Put back the table" in told
    assert "Traceback" not in told
    assert finished(here / "sweep") == before
    write(here / "table.csv", rows())
    ran = fork(*command, "optimizer.lr=0.1,1,3")
    assert ran.wait() == 0, ran.output()
    assert len(finished(here / "sweep")) == 3
    assert before.items() <= finished(here / "sweep").items()


SOURCE = """
import torch
from logitlab.data.examples import Examples

def study():
    x = torch.arange(8.0)[:, None]
    return Examples(x, (x > {cut}).float(), ("x",), "y")
"""


@pytest.mark.parametrize("launcher", ["basic", "batched"])
def test_a_sweep_over_a_source_without_a_file_is_compared_too(fork, here, launcher):
    (here / "mine.py").write_text(SOURCE.format(cut=3))
    command = (
        *("-m", f"hydra/launcher={launcher}", "data=toy", "data.source._target_=mine.study", "optimizer.lr=0.1,1"),
        *("trainer.max_epochs=5", "hydra.sweep.dir=sweep"),
    )
    ran = fork(*command, env={"PYTHONPATH": str(here)})
    assert ran.wait() == 0, ran.output()
    before = finished(here / "sweep")
    ran = fork(*command, env={"PYTHONPATH": str(here)})
    assert ran.wait() == 0, ran.output()
    assert finished(here / "sweep") == before
    (here / "mine.py").write_text(SOURCE.format(cut=4.0))
    ran = fork(*command, env={"PYTHONPATH": str(here)})
    assert ran.wait() == 2, ran.output()
    assert "of this sweep began with: other values stand in the column y. Put back" in " ".join(ran.output().split())
    assert finished(here / "sweep") == before


def test_two_tables_of_one_sweep_are_two_runs(fork, here):
    write(here / "other.csv", flipped(rows()))
    assert (here / "other.csv").stat().st_size == (here / "table.csv").stat().st_size
    ran = fork("-m", *TABLE, "data.path=table.csv,other.csv", "hydra.sweep.dir=sweep")
    assert ran.wait() == 0, ran.output()
    assert len(finished(here / "sweep")) == 2
