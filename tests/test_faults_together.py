"""All that is wrong with a table is told in one answer, with one command line that cures it."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from processes import Forked
from runs import Run
from sklearn.linear_model import LogisticRegression

from logitlab.data.table import table
from logitlab.errors import UserError
from logitlab.inference.evaluation import evaluate
from logitlab.inference.model_file import load_model


def passengers(rows: int = 120, seed: int = 0) -> pl.DataFrame:
    """A table like the Titanic's: names, gaps, a mark for what is unknown, and answers that are yes, no or missing."""
    draw = np.random.default_rng(seed)
    age = draw.normal(30, 10, rows).round(1)
    return pl.DataFrame(
        {
            "Name": [f"Passenger {row}" for row in range(rows)],
            "Age": [None if row % 11 == 5 else value for row, value in enumerate(age.tolist())],
            "Fare": ["?" if row % 40 == 7 else f"{7 + row % 13}.5" for row in range(rows)],
            "home port": [f"Port {row % 70}" for row in range(rows)],
            "Sex": ["male" if each else "female" for each in draw.random(rows) < 0.6],
            "Survived": ["yes" if each else "no" for each in draw.random(rows) < 1 / (1 + np.exp((age - 30) / 8))],
        }
    ).with_columns(Survived=pl.when(pl.int_range(rows) != 9).then("Survived"))


def test_the_first_answer_names_all_faults_and_its_command_trains(fork: Callable[..., Forked], tmp_path: Path) -> None:
    passengers().write_csv(tmp_path / "t.csv")
    given = ["data=table", "data.path=t.csv", "data.target=Survived", "hydra.run.dir=run"]
    answer = fork(*given)
    assert answer.wait() == 2
    text = answer.output()
    assert text.startswith("Error: t.csv has 6 faults:\n- ")
    assert all(len(line) <= 110 for line in text.splitlines())
    for named in ("'Name' has 120 different", "'home port' has 70", "'Fare' holds numbers, and text", "'Age' has no value"):
        assert named in " ".join(text.split())
    assert "target 'Survived' has no value in row 10" in " ".join(text.split())
    answer_settings = ["data.missing_target=drop", "data.positive=yes"]
    command = shlex.split(re.search(r"type: (.*)", " ".join(text.split()))[1])
    assert command == ["""data.drop=[Name,"home port"]""", """data.null_values=["?"]""", "data.missing=mean", *answer_settings]
    trained = fork(*given, *command, "trainer.max_epochs=3")
    assert trained.wait() == 0, trained.output()


def test_one_fault_is_told_as_ever(tmp_path: Path) -> None:
    passengers().select("Age", "Sex", Survived=(pl.col("Survived") == "yes").fill_null(False).cast(int)).write_csv(
        path := tmp_path / "t.csv"
    )
    with pytest.raises(UserError, match=r"t.csv: the column 'Age' has no value in rows 6, 17") as caught:
        table(str(path), "Survived")
    assert "\n" not in str(caught.value)


def test_columns_that_are_not_there_are_named_together(tmp_path: Path) -> None:
    passengers().write_csv(path := tmp_path / "t.csv")
    with pytest.raises(UserError, match=r"(?s)2 faults:\n- there is no column 'survived'.*\n- there is no column 'Nam'"):
        table(str(path), "survived", drop=["Nam"])


def test_rows_without_an_answer_are_left_out_when_that_is_asked_for(fit: Callable[..., Run], tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": range(60), "y": [None if row % 7 == 3 else int(row % 5 > 1) for row in range(60)]})
    frame.write_csv(path := tmp_path / "t.csv")
    with pytest.raises(UserError, match=r"rows 4, 11, .* \(9 in all\).*data.missing_target=drop"):
        table(str(path), "y")
    data = table(str(path), "y", missing_target="drop", split="none")
    assert len(data.examples) == 51
    assert "9 rows without an answer were left out (data.missing_target=drop)." in data.data_summary.notices
    assert data.data_summary.files()["splits.csv"].splitlines()[3:5] == ["3,train", "5,train"]
    frame.write_parquet(tmp_path / "t.parquet")
    same = table(str(tmp_path / "t.parquet"), "y", missing_target="drop", split="none")
    assert same.fingerprint == data.fingerprint


def test_one_value_is_told_from_all_others(fit: Callable[..., Run], tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    x, level = draw.normal(size=300), draw.integers(0, 3, 300)
    frame = pl.DataFrame({"x": x + level, "grade": [["low", "mid", "high"][each] for each in level]})
    frame.write_csv(path := tmp_path / "t.csv")
    given = ("data=table", f"data.path={path}", "data.target=grade", "data.split=none", "data.scale=none", "logger=none")
    with pytest.raises(UserError, match=r"data.positive=mid separates that value from all others"):
        fit(*given)
    run = fit(*given, "data.positive=high", "optimizer=newton", "penalty=elastic_net")
    model = load_model(run.path)
    theirs = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(frame[["x"]].to_numpy(), level == 2)
    assert model.network.weight.item() == pytest.approx(theirs.coef_[0, 0], rel=1e-5)
    assert model.labels.classes == ("not high", "high")
    assert evaluate(model, str(path))["rows"] == 300
    frame.with_columns(grade=pl.lit("higher")).write_csv(tmp_path / "other.csv")
    with pytest.raises(UserError, match=r"holds higher in rows 1.*It must be low, mid or high"):
        evaluate(model, str(tmp_path / "other.csv"))


def test_numbers_as_classes_may_be_written_with_a_point(tmp_path: Path) -> None:
    (path := tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{row},{row % 4}.0\n" for row in range(40)))
    data = table(str(path), "y", positive=3, split="none")
    assert data.examples.target[:8, 0].tolist() == [0, 0, 0, 1] * 2
    assert data.labels["rest"] == ("0", "1", "2")
