"""Every format x (train, predict in, predict out), against the same rows as CSV; what is damaged is told in words."""

import gzip
import io
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from backports import zstd
from runs import Run
from trained import compose_job, train_table, write_table

from logitlab import table_formats
from logitlab.data import reading, table_files
from logitlab.data.options import TableOptions
from logitlab.data.table import table
from logitlab.errors import UserError
from logitlab.inference import jobs

ROWS = 250


def text(frame: pl.DataFrame, separator: str = ",") -> bytes:
    return frame.write_csv(separator=separator).encode()


WRITE: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "t.csv": lambda frame, path: path.write_bytes(text(frame)),
    "t.csv.gz": lambda frame, path: path.write_bytes(gzip.compress(text(frame))),
    "t.csv.zst": lambda frame, path: path.write_bytes(zstd.compress(text(frame))),
    "t.tsv": lambda frame, path: path.write_bytes(text(frame, "\t")),
    "t.tsv.gz": lambda frame, path: path.write_bytes(gzip.compress(text(frame, "\t"))),
    "t.parquet": lambda frame, path: frame.write_parquet(path),
    "t.arrow": lambda frame, path: frame.write_ipc(path),
    "t.feather": lambda frame, path: frame.write_ipc(path, compression="lz4"),
}
"""The name of a file -> how others write one: not the code that is tested."""

READ: dict[str, Callable[[Path], pl.DataFrame]] = {
    "t.csv": pl.read_csv,
    "t.csv.gz": lambda path: pl.read_csv(gzip.decompress(path.read_bytes())),
    "t.csv.zst": lambda path: pl.read_csv(zstd.decompress(path.read_bytes())),
    "t.tsv": lambda path: pl.read_csv(path, separator="\t"),
    "t.tsv.gz": lambda path: pl.read_csv(gzip.decompress(path.read_bytes()), separator="\t"),
    "t.parquet": pl.read_parquet,
    "t.arrow": pl.read_ipc,
    "t.feather": pl.read_ipc,
}
"""The name of a file -> how others read it."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_table(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def frame(run: Run) -> pl.DataFrame:
    return pl.read_csv(write_table(run.path.parent / "new.csv", ROWS, seed=8), schema_overrides={"id": pl.String})


@pytest.fixture(scope="module")
def expected(run: Run, frame: pl.DataFrame) -> pl.DataFrame:
    """The predictions from CSV to CSV."""
    return predicted(run, run.path.parent / "new.csv", run.path.parent / "expected.csv")


def predicted(run: Run, path: Path | str, output: Path, *overrides: str) -> pl.DataFrame:
    arguments = (f"run={run.path}", f"data.path={path}", f"output={output}", "keep=[age]", *overrides)
    jobs.predict(compose_job("predict", *arguments))
    return READ.get("t" + "".join(output.suffixes), pl.read_csv)(output)


def fingerprint(path: Path | str, **arguments: object) -> str:
    return table(str(path), "passed", positive="yes", drop=["id"], **arguments).fingerprint  # type: ignore[arg-type]


@pytest.mark.parametrize("name", WRITE)
def test_a_format_trains_and_predicts_as_csv_does(
    name: str, run: Run, frame: pl.DataFrame, expected: pl.DataFrame, tmp_path: Path
) -> None:
    WRITE[name](frame, path := tmp_path / name)
    assert fingerprint(path) == fingerprint(run.path.parent / "new.csv")
    found = predicted(run, path, tmp_path / "out.csv")
    assert found.equals(expected)
    (tmp_path / name).rename(renamed := tmp_path / "renamed")
    kind = table_formats.by_ending(name)
    assert predicted(run, renamed, tmp_path / "out.csv", f"data.format={kind}").equals(expected)


@pytest.mark.parametrize("name", READ)
def test_predictions_are_written_in_a_format(
    name: str, run: Run, frame: pl.DataFrame, expected: pl.DataFrame, tmp_path: Path
) -> None:
    frame.write_parquet(path := tmp_path / "in.parquet")
    found = predicted(run, path, tmp_path / f"out{name[1:]}")
    assert found.columns == expected.columns
    assert found.select("age", "class").equals(expected.select("age", "class"))
    assert (found["probability"] - expected["probability"]).abs().max() < 1e-7  # type: ignore[operator]
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


@pytest.mark.parametrize("name", WRITE)
def test_parts_of_a_table_are_the_table(
    name: str, frame: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logitlab.data.csv_blocks.BLOCK_BYTES", 1_000)
    WRITE[name](frame, path := tmp_path / name)
    parts = list(reading.read_in_parts(path, 37))
    assert max(map(len, parts)) <= 37
    assert pl.concat(parts, how="vertical_relaxed").select("age", "city").equals(frame.select("age", "city"))


@pytest.mark.parametrize("name", WRITE)
def test_a_damaged_file_is_told(name: str, frame: pl.DataFrame, tmp_path: Path) -> None:
    WRITE[name](frame, path := tmp_path / name)
    whole = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(UserError, match="is empty"):
        reading.read(path)
    if name in ("t.csv", "t.tsv"):
        return
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=rf"{name} (is|holds).*(damaged|cut off)"):
        reading.read(path)
    with pytest.raises(UserError, match=rf"{name} (is|holds).*(damaged|cut off)"):
        list(reading.read_in_parts(path))


# Several files


@pytest.mark.parametrize("name", WRITE)
@pytest.mark.parametrize("way", ["folder", "pattern"])
def test_several_files_are_one_table(name: str, way: str, frame: pl.DataFrame, tmp_path: Path) -> None:
    (folder := tmp_path / "parts").mkdir()
    for number, start in enumerate(range(0, ROWS, 100)):
        WRITE[name](frame[start : start + 100], folder / f"{number}-{name}")
    (folder / "_SUCCESS").touch()
    path = str(folder) if way == "folder" else f"{folder}/[0-9]-*"
    WRITE["t.csv"](frame, whole := tmp_path / "whole.csv")
    assert fingerprint(path) == fingerprint(whole)
    assert len(table_files.table_files({"path": path})) == 3


def test_a_column_of_several_text_files_is_what_all_of_them_make_it(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("x,y\n1,0\n2,1\n")
    (tmp_path / "2.csv").write_text("y,x\n0,a\n")
    read = reading.read(tmp_path)
    assert read.rows() == [("1", 0), ("2", 1), ("a", 0)]
    with pytest.raises(UserError, match="row 1: the column 'x' holds 'a', which is no number"):
        list(reading.read_in_parts(tmp_path, kinds={"x": "number", "y": "number"}))


def test_predictions_do_not_go_among_the_files_of_a_pattern(run: Run, frame: pl.DataFrame, tmp_path: Path) -> None:
    frame.write_csv(tmp_path / "a.csv")
    for output, message in (("a.csv", "is a part of the table"), ("b.csv", "fits the pattern")):
        with pytest.raises(UserError, match=message):
            predicted(run, f"{tmp_path}/*.csv", tmp_path / output)


# Standard input


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.arrow"])
def test_standard_input(
    name: str, run: Run, frame: pl.DataFrame, expected: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITE[name](frame, tmp_path / name)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / name).read_bytes())))
    table_files.standard_input.cache_clear()
    assert predicted(run, "-", tmp_path / "out.csv").equals(expected)
    assert fingerprint("-") == fingerprint(run.path.parent / "new.csv")
    table_files.standard_input.cache_clear()


def test_faults_of_standard_input_name_it(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, message in (
        (b"", "standard input is empty"),
        (b"age,city,height\n1,Wien\n", "standard input, row 1: there are 2"),
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        table_files.standard_input.cache_clear()
        with pytest.raises(UserError, match=message):
            predicted(run, "-", tmp_path / "out.csv")
    table_files.standard_input.cache_clear()
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UserError, match="nothing is piped into it"):
        predicted(run, "-", tmp_path / "out.csv")


# What is said


def test_options_of_another_format_are_refused(frame: pl.DataFrame, tmp_path: Path) -> None:
    frame.write_csv(path := tmp_path / "t.csv")
    with pytest.raises(UserError, match=r"data\.format=parquett is not allowed.*Did you mean 'parquet'"):
        reading.read(path, TableOptions(format="parquett"))
    with pytest.raises(UserError, match="is none: it does not begin with PAR1"):
        reading.read(path, TableOptions(format="parquet"))


def test_null_values_hold_for_every_format(tmp_path: Path) -> None:
    pl.DataFrame({"a": ["1", "NA", "3"], "y": [0, 1, 0]}).write_parquet(path := tmp_path / "t.parquet")
    parts = list(reading.read_with_kept(path, ["a"], form=TableOptions(null_values=["NA"]), kinds={"a": "number"}))
    assert parts[0][0]["a"].to_list() == [1.0, None, 3.0]
    assert parts[0][1]["a"].to_list() == ["1", "NA", "3"]
