"""The score as SQL against predict.py's own logit, by SQLite and DuckDB: dates, categories, gaps, hostile names and texts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from runs import Run
from test_exporting import mixed_table
from trained import compose_job

from logitlab.errors import UserError
from logitlab.inference import jobs, sql_export
from logitlab.inference.exporting import sample_rows
from logitlab.inference.model_file import load_model

HOSTILE = ['a"b', "x); DROP TABLE t; --", "größe (cm)", "select", "it's"]


def expression(run: Run, dialect: str, capsys: Any) -> str:
    jobs.export(compose_job("export", f"run={run.path}", "to=sql", f"dialect={dialect}"))
    database = {"sqlite": "SQLite", "standard": "DuckDB|SQLite"}[dialect]
    told = capsys.readouterr().out
    assert any(f"from predict.py, by {each}." in told for each in database.split("|"))
    return (run.path / "export" / "score.sql").read_text()


def close(found: list[Any], model: Any, frame: pl.DataFrame) -> None:
    expected = model.scores(frame)[1].sigmoid().numpy()
    assert np.ptp(expected) > 0.2
    np.testing.assert_allclose(np.array(found, dtype=float), expected, atol=1e-9)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    from runs import compose_config

    from logitlab.experiment import train

    folder = tmp_path_factory.mktemp("mixed")
    path = mixed_table(folder / "mixed.csv")
    data = ("data=table", f"data.path={path}", "data.target=y", "data.missing=mean", "calibration=platt")
    train(compose_config(*data, "trainer.max_epochs=60", directory=folder / "run"))
    yield Run(folder / "run")


@pytest.mark.parametrize("dialect", ["standard", "sqlite"])
def test_sql_is_predict(dialect: str, mixed: Run, capsys: pytest.CaptureFixture) -> None:
    text = expression(mixed, dialect, capsys)
    model = load_model(mixed.path)
    frame = sample_rows(model.preprocessing, seed=3)
    assert frame["city"].null_count() and frame["age"].null_count()
    assert not frame["city"].drop_nulls().is_in(["Graz", "Linz", "Wien"]).all()
    if dialect == "sqlite":  # it keeps milliseconds
        frame = frame.with_columns(pl.col("since").dt.truncate("1s"))
    run = sql_export.in_sqlite if dialect == "sqlite" else sql_export.in_duckdb
    close(run(frame, text), model, frame)


def test_the_sql_of_a_table_with_hostile_names_and_texts(
    fit: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    generator = np.random.default_rng(1)
    texts = ["'; DROP TABLE t; --", 'say "no"', "l'été", "1", "2"]
    frame = pl.DataFrame({name: generator.normal(size=80) for name in HOSTILE})
    frame = frame.with_columns(
        pl.Series("o'clock", generator.choice(texts, 80)), y=(frame["select"] + generator.normal(size=80) > 0).cast(int)
    )
    frame.write_csv(path := tmp_path / "t.csv")
    run = fit("data=table", f"data.path={path}", "data.target=y", "trainer.max_epochs=30", directory=tmp_path / "run")
    for dialect, database in (("standard", sql_export.in_duckdb), ("sqlite", sql_export.in_sqlite)):
        text = expression(run, dialect, capsys)
        new = frame.drop("y").with_columns(pl.Series("o'clock", [*texts, " 1 ", "1.0", "never seen"] * 10))
        close(database(new, text), load_model(run.path), new)
        refused = new.with_columns(pl.lit(None, pl.Float64).alias("select"))
        assert set(database(refused, text)) == {None}  # predict.py refuses such a row


def test_a_sum_of_many_columns_is_no_deeper_than_sqlite_goes() -> None:
    frame = pl.DataFrame({f"x{number}": [1.0] for number in range(1_900)})
    total = sql_export._sum([f'{sql_export.number(0.5)} * "x{number}"' for number in range(1_900)])
    assert sql_export.in_sqlite(frame, total) == [950.0]


def test_a_network_that_is_not_linear_has_no_sql(fit: Callable[..., Run]) -> None:
    run = fit("model=mlp", "data=moons", "trainer.max_epochs=1")
    with pytest.raises(UserError, match=r"to=sql writes .* not linear: type to=onnx"):
        jobs.export(compose_job("export", f"run={run.path}", "to=sql"))
