"""The exported programs against predict: numbers, dates and categories, known, unseen and missing."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
import torch
from runs import Run
from trained import compose_job

from logitlab.errors import UserError
from logitlab.inference import jobs
from logitlab.inference.exporting import input_matrix, run_onnx, sample_rows
from logitlab.inference.model_file import load_model
from logitlab.inference.onnx_inputs import feed


def mixed_table(path: Path, rows: int = 400, seed: int = 2) -> Path:
    """Write a table with a number, a number with gaps, a date, a yes/no and a category with gaps."""
    generator = np.random.default_rng(seed)
    size = generator.normal(50_000, 9_000, rows)
    age = generator.normal(40, 12, rows)
    days = generator.integers(0, 900, rows)
    city = generator.choice(["Graz", "Linz", "Wien"], rows)
    y = ((size - 50_000) / 9_000 + (age - 40) / 12 + (city == "Wien") + generator.logistic(size=rows) > 0).astype(int)
    gaps = generator.random((2, rows)) < 0.1
    frame = pl.DataFrame({
        "size": size,
        "age": pl.Series(age).set(pl.Series(gaps[0]), None),
        "since": pl.Series(np.datetime64("2021-03-01", "ms") + days.astype("timedelta64[D]")),
        "member": pl.Series(generator.random(rows) < 0.5),
        "city": pl.Series(city).set(pl.Series(gaps[1]), None),
        "y": y,
    })  # fmt: skip
    frame.with_columns(pl.col("since").dt.date()).write_csv(path)
    return path


def exported(run: Run) -> Path:
    jobs.export(compose_job("export", f"run={run.path}"))
    return run.path / "export"


def predicted(run: Run, path: Path) -> np.ndarray:
    output = path.parent / "predictions.parquet"
    jobs.predict(compose_job("predict", f"run={run.path}", f"data.path={path}", f"output={output}"))
    return pl.read_parquet(output)["probability"].to_numpy()


@pytest.fixture
def mixed(fit: Callable[..., Run], tmp_path: Path) -> Run:
    path = mixed_table(tmp_path / "mixed.csv")
    data = ["data=table", f"data.path={path}", "data.target=y", "data.missing=mean"]
    return fit(*data, "trainer.max_epochs=20", directory=tmp_path / "run")


def test_onnx_and_torch_export_are_predict(mixed: Run, tmp_path: Path) -> None:
    folder = exported(mixed)
    onnx.checker.check_model(onnx.load(folder / "model.onnx"))
    preprocessing = load_model(mixed.path).preprocessing
    frame = sample_rows(preprocessing, seed=9)
    assert frame["city"].null_count() and frame["age"].null_count()
    assert not frame["city"].drop_nulls().is_in(["Graz", "Linz", "Wien"]).all()
    frame.write_parquet(tmp_path / "new.parquet")
    expected = predicted(mixed, tmp_path / "new.parquet")
    assert len(np.unique(expected)) > 400
    np.testing.assert_allclose(run_onnx(folder / "model.onnx", feed(preprocessing, frame)), expected, atol=1e-6)
    columns = input_matrix(preprocessing, frame)
    program = torch.export.load(folder / "model.pt2").module()
    np.testing.assert_allclose(program(columns[:7]).detach(), expected[:7], atol=1e-6)  # any number of rows


def test_a_row_of_the_table_goes_into_onnx(mixed: Run, tmp_path: Path) -> None:
    session = onnxruntime.InferenceSession(str(exported(mixed) / "model.onnx"))
    assert {each.name: each.type for each in session.get_inputs()} == {
        "size": "tensor(double)", "age": "tensor(double)", "since": "tensor(double)", "member": "tensor(string)",
        "city": "tensor(string)",
    }  # fmt: skip
    rows = [
        {"size": 52_000.0, "age": 31.0, "since": "2021-05-01", "member": "true", "city": "Wien"},
        {"size": 48_000.0, "age": None, "since": "2023-01-31", "member": "True", "city": ""},
        {"size": 50_500.0, "age": 70.5, "since": "2022-02-28", "member": "false", "city": "Bregenz"},
    ]
    pl.DataFrame(rows, strict=False).write_csv(tmp_path / "rows.csv")
    days = [(np.datetime64(row["since"]) - np.datetime64("1970-01-01")) / np.timedelta64(1, "D") for row in rows]
    columns = {name: np.array([row[name] for row in rows], dtype=float) for name in ("size", "age")}
    texts = {name: np.array([row[name] for row in rows], dtype=object) for name in ("member", "city")}
    (found,) = session.run(None, {**columns, **texts, "since": np.array(days)})
    np.testing.assert_allclose(found, predicted(mixed, tmp_path / "rows.csv"), atol=1e-6)


def test_columns_of_any_name_are_inputs(fit: Callable[..., Run], tmp_path: Path) -> None:
    names = ["probability", "/in/0", "columns", 'a "b" c']
    generator = np.random.default_rng(0)
    frame = pl.DataFrame({name: generator.normal(size=60) for name in names}).with_columns(y=pl.Series([0, 1] * 30))
    frame.write_csv(path := tmp_path / "t.csv")
    run = fit("data=table", f"data.path={path}", "data.target=y", "trainer.max_epochs=3", directory=tmp_path / "run")
    folder = exported(run)
    assert json.loads((folder / "columns.json").read_text())["onnx"]["output"] == "probability_"
    found = run_onnx(folder / "model.onnx", {name: frame[name].to_numpy() for name in names}, "probability_")
    np.testing.assert_allclose(found, load_model(run.path).probability(frame), atol=1e-6)


def test_the_description_is_enough_to_fill_the_matrix(mixed: Run, tmp_path: Path) -> None:
    folder = exported(mixed)
    described = json.loads((folder / "columns.json").read_text())
    table = pl.read_csv(tmp_path / "mixed.csv", try_parse_dates=True).drop_nulls().head(50)
    matrix = []
    for row in table.iter_rows(named=True):
        values = []
        for column in described["columns"]:
            value = row[column["name"]]
            if "levels" in column:
                value = column["levels"].index(str(value).lower() if isinstance(value, bool) else value)
            elif column["pt2"].startswith("days since "):
                value = (np.datetime64(value) - np.datetime64(column["pt2"].removeprefix("days since "))) / np.timedelta64(
                    1, "D"
                )
            values.append(float(value))
        matrix.append(values)
    table.write_csv(tmp_path / "head.csv")
    program = torch.export.load(folder / "model.pt2").module()
    probability = program(torch.tensor(matrix, dtype=torch.float64)).detach()
    np.testing.assert_allclose(probability, predicted(mixed, tmp_path / "head.csv"), atol=1e-6)
    assert described["threshold"] == 0.5
    assert [described["class_0"], described["class_1"]] == ["0", "1"]


def test_a_tutorials_run_is_exported(fit: Callable[..., Run]) -> None:
    run = fit("model=logits", "data=scores")
    folder = exported(run)
    columns = torch.tensor([[45.0], [57.5], [70.0]], dtype=torch.float64)
    (name,) = json.loads((folder / "columns.json").read_text())["columns"]
    probability = run_onnx(folder / "model.onnx", {name["name"]: columns[:, 0].numpy()})
    weight, bias = run.state()["network.linear.weight"], run.state()["network.linear.bias"]
    scaled = (columns - 57.5) / columns.new_tensor([45, 50, 55, 60, 65, 70]).std(correction=0)
    torch.testing.assert_close(probability, (scaled.float() @ weight.T + bias).sigmoid()[:, 0])


def test_absent_packages_are_named(fit: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    run = fit("trainer.max_epochs=1")
    monkeypatch.setattr(jobs, "EXPORT_PACKAGES", ("torch", "package_that_is_not_there"))
    with pytest.raises(UserError, match=r"needs package_that_is_not_there: type pip install 'onnx<2"):
        exported(run)
