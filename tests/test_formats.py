"""Every format x (train, predict in, predict out), against the same rows as CSV; what is damaged is told in words."""

import contextlib
import gzip
import io
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import polars as pl
import pytest
from backports import zstd
from runs import Run
from trained import compose_job, train_table, write_table

from logitlab import table_formats
from logitlab.cli.arguments import prepared
from logitlab.data import reading, table_files
from logitlab.data.description import check_same_data
from logitlab.data.options import TableOptions
from logitlab.data.table import table
from logitlab.errors import DataChangedError, UserError
from logitlab.inference import jobs

ROWS = 250


def text(frame: pl.DataFrame, separator: str = ",") -> bytes:
    return frame.write_csv(separator=separator).encode()


def write_excel(frame: pl.DataFrame, path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (frame.columns, *frame.iter_rows()):
        book.active.append(list(row))
    book.save(path)


def write_sqlite(frame: pl.DataFrame, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE t ({', '.join(frame.columns)})")
        connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * frame.width)})", frame.rows())


def write_duckdb(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(f"{path}.source")
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT * FROM read_parquet('{path}.source')")
    Path(f"{path}.source").unlink()


def with_names(cursor: Any) -> pl.DataFrame:
    frame = pl.DataFrame(cursor.fetchall(), [column[0] for column in cursor.description], orient="row")
    getattr(cursor, "connection", cursor).close()
    return frame


def read_excel(path: Path) -> pl.DataFrame:
    names, *rows = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
    return pl.DataFrame(rows, list(names), orient="row")


WRITE: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "t.csv": lambda frame, path: path.write_bytes(text(frame)),
    "t.csv.gz": lambda frame, path: path.write_bytes(gzip.compress(text(frame))),
    "t.csv.zst": lambda frame, path: path.write_bytes(zstd.compress(text(frame))),
    "t.tsv": lambda frame, path: path.write_bytes(text(frame, "\t")),
    "t.tsv.gz": lambda frame, path: path.write_bytes(gzip.compress(text(frame, "\t"))),
    "t.parquet": lambda frame, path: frame.write_parquet(path),
    "t.arrow": lambda frame, path: frame.write_ipc(path),
    "t.feather": lambda frame, path: frame.write_ipc(path, compression="lz4"),
    "t.jsonl": lambda frame, path: frame.write_ndjson(path),
    "t.jsonl.gz": lambda frame, path: path.write_bytes(gzip.compress(frame.write_ndjson().encode())),
    "t.xlsx": lambda frame, path: write_excel(frame, path),
    "t.sqlite": lambda frame, path: write_sqlite(frame, path),
    "t.duckdb": lambda frame, path: write_duckdb(frame, path),
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
    "t.jsonl": pl.read_ndjson,
    "t.jsonl.gz": lambda path: pl.read_ndjson(gzip.decompress(path.read_bytes())),
    "t.xlsx": lambda path: read_excel(path),
    "t.sqlite": lambda path: with_names(sqlite3.connect(path).execute("SELECT * FROM predictions")),
    "t.duckdb": lambda path: with_names(duckdb.connect(str(path)).execute("SELECT * FROM predictions")),
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


@pytest.mark.parametrize("name", WRITE)
def test_changed_rows_are_told_of_by_their_column(name: str, frame: pl.DataFrame, tmp_path: Path) -> None:
    WRITE[name](frame, path := tmp_path / name)
    (moved := tmp_path / "moved").mkdir()
    WRITE[name](frame, moved / name)
    files = table_files.table_files({"path": str(path)})
    began = table(str(path), "passed", positive="yes", drop=["id"]).description
    check_same_data(began, table(str(moved / name), "passed", positive="yes", drop=["id"]).description, "this run", "")
    path.unlink()
    WRITE[name](frame.with_columns(height=pl.col("height").shift(1, fill_value=1.0)), path)
    assert table_files.table_files({"path": str(path)}) != files
    with pytest.raises(DataChangedError, match="other values stand in the column height"):
        check_same_data(began, table(str(path), "passed", positive="yes", drop=["id"]).description, "this run", "")


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


FAULTS = {"t.jsonl": "is no JSON", "t.sqlite": "SQLite answers: ", "t.duckdb": "DuckDB answers: "}


@pytest.mark.parametrize("name", WRITE)
def test_a_damaged_file_is_told(name: str, frame: pl.DataFrame, tmp_path: Path) -> None:
    WRITE[name](frame, path := tmp_path / name)
    whole = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(UserError, match="is empty"):
        reading.read(path)
    if name in ("t.csv", "t.tsv"):
        return
    path.write_bytes(whole[: len(whole) // 2 + 7])
    with pytest.raises(UserError, match=FAULTS.get(name, "is .*(damaged|cut off)")):
        reading.read(path)
    with pytest.raises(UserError, match=FAULTS.get(name, "is .*(damaged|cut off)")):
        list(reading.read_in_parts(path))


@pytest.mark.parametrize("name", WRITE)
def test_a_name_that_looks_like_a_pattern_is_a_name(name: str, frame: pl.DataFrame, tmp_path: Path) -> None:
    for number, decoy in ((1, f"t[1]*{name[1:]}"), (3, f"t1x{name[1:]}")):
        WRITE[name](frame[: number * 10], tmp_path / decoy)
    assert len(reading.read(tmp_path / f"t[1]*{name[1:]}")) == 10
    assert sum(map(len, reading.read_in_parts(tmp_path / f"t[1]*{name[1:]}"))) == 10


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


# Strict as CSV: what a file of each format can hold and a table cannot


def lines(*rows: Any) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lines({"a": 1, "y": 0}, {"a": 2}), r"row 2 lacks 'y', unlike the first row"),
        (lines({"a": 1}, {"a": 2, "b": 0}), r"row 2 has 'b', unlike the first row"),
        (
            lines({"a": 1}, {"a": "x"}),
            r"row 2: .* 'a' holds 'x', which is text, and a number in row 1.*null_values=\[x\]",
        ),
        (
            lines({"a": None}, {"a": True}, {"a": 1}),
            r"row 3: .* 'a' holds '1', which is a number, and true or false in row 2",
        ),
        (lines({"a": [1]}), r"row 1: the column 'a' holds '\[1\]', which no column of a table can hold.*data.drop=\[a\]"),
        (lines({"a": 2**70}), r"row 1: the column 'a' holds 1180591620717411303424, which no number can hold"),
        (lines({"a": float("nan")}), "row 1: NaN is no JSON; write null"),
        ('{"a": 1, "a": 2}\n', "row 1: the key 'a' stands there twice"),
        ('{"a": 1}\n{"a": \n', r"row 2 is no JSON \(Expecting value, at character 7\)"),
        ('{"a": 1}\n\n{"a": 2}\n', "row 2: the line is empty"),
        (lines([1, 2]), "row 1 is no object"),
        ("\n\n", "holds empty lines alone"),
    ],
)
def test_json_lines_are_read_strictly(content: str, message: str, tmp_path: Path) -> None:
    (path := tmp_path / "t.jsonl").write_text(content)
    with pytest.raises(UserError, match=message):
        reading.read(path)


def test_a_column_keeps_its_kind_from_part_to_part(tmp_path: Path) -> None:
    (path := tmp_path / "t.jsonl").write_text(lines(*({"a": number} for number in range(20)), {"a": "x"}))
    parts = reading.read_in_parts(path, 7)
    assert [len(next(parts)), len(next(parts))] == [7, 7]
    with pytest.raises(UserError, match="row 21: the column 'a' holds 'x', which is text, and a number in row 1"):
        next(parts)
    read = reading.read(path, TableOptions(null_values=["x"]))
    assert read["a"].to_list() == [*range(20), None]


def test_a_workbook_is_read_strictly(tmp_path: Path) -> None:
    def refused(rows: list[list[Any]], message: str, sheets: int = 1, sheet: str | None = None) -> None:
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        for number in range(1, sheets):
            book.create_sheet(f"Sheet {number}")
        book.save(path := tmp_path / "t.xlsx")
        with pytest.raises(UserError, match=message):
            reading.read(path, TableOptions(sheet=sheet))

    refused([["a", "y"], [1, 0], ["=1/0", 1]], r"row 2: the column 'a' holds the formula '=1/0' without its value")
    refused([["a", "y"], [1, 0], ["#N/A", 1]], "row 2: the column 'a' holds the error #N/A")
    refused([["a", "y"], [1, 0], ["n", 1]], "row 2: the column 'a' holds 'n', which is text, and a number in row 1")
    refused([["a", "y"], [1, 0], [], [1, 1]], "row 2: the row is empty")
    refused([["a", "y"], [1, 0, 5]], "row 1 holds '5' right of the last column")
    refused([["a", None, "y"], [1, 0, 5]], "column B has no name")
    refused([["a", "a"], [1, 0]], "has the column 'a' twice")
    refused([[]], "the sheet is empty")
    refused([["a"], [1]], r"has 2 sheets: 'Sheet', 'Sheet 1'. Type data.sheet=Sheet", sheets=2)
    refused([["a"], [1]], r"has no sheet 'first'; it has 'Sheet'", sheet="first")


def test_a_query_selects_and_does_nothing_else(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2, 3], "y": [0, 1, 0]})
    for name, write in (("t.sqlite", write_sqlite), ("t.duckdb", write_duckdb)):
        write(frame, path := tmp_path / name)
        before = path.read_bytes()

        def query(text: str, path: Path = path) -> pl.DataFrame:
            return reading.read(path, TableOptions(query=text))

        assert query("t").equals(frame)
        assert query("SELECT a * 2 AS b, y FROM t WHERE a > 1 ORDER BY a DESC;").rows() == [(6, 0), (4, 1)]
        for text, message in (
            ("u", "has no table 'u'; it has 't'"),
            ("SELECT b FROM t", "(SQLite|DuckDB) answers: .*b"),
            ("SELECT a, y AS a FROM t", "has the column 'a' twice"),
            ("DROP TABLE t", "(SQLite|DuckDB) answers: "),
            ("SELECT * FROM t WHERE a > 3", "holds a header and no rows"),
            (f"ATTACH '{tmp_path / 'other.sqlite'}' AS other", "(SQLite|DuckDB) answers: "),
            ("SELECT * FROM read_csv('/etc/passwd')", "(SQLite|DuckDB) answers: "),
        ):
            with pytest.raises(UserError, match=message):
                query(text)
        assert path.read_bytes() == before
        with pytest.raises(UserError, match=r"data\.sheet=t goes with excel, and .* is (sqlite|duckdb)"):
            reading.read(path, TableOptions(sheet="t"))


@pytest.mark.parametrize(
    ("key", "value"),
    [("query", "SELECT a, b FROM t WHERE c = 'x, y' AND d > 3"), ("query", "2021"), ("sheet", "Data (2), new"), ("sheet", "1")],
)
def test_a_query_is_typed_as_it_is(key: str, value: str) -> None:
    (argument,) = prepared([f"data.{key}={value}"], (), multirun=False)
    assert compose_job("predict", "run=r", "data.path=p", "output=-", argument).data[key] == value


def test_a_query_decides_which_rows_a_run_is_of(tmp_path: Path) -> None:
    write_sqlite(pl.read_csv(write_table(tmp_path / "t.csv")), path := tmp_path / "t.sqlite")
    assert fingerprint(path) == fingerprint(path, query="SELECT * FROM t") == fingerprint(tmp_path / "t.csv")
    assert fingerprint(path, query="SELECT * FROM t WHERE age > 30") != fingerprint(path)


def test_predictions_replace_no_database_of_other_tables(run: Run, frame: pl.DataFrame, tmp_path: Path) -> None:
    for name, write in (("o.sqlite", write_sqlite), ("o.duckdb", write_duckdb)):
        write(frame, output := tmp_path / name)
        before = output.read_bytes()
        with pytest.raises(UserError, match=r"is a database with the tables 't', which the predictions would replace"):
            predicted(run, run.path.parent / "new.csv", output)
        assert output.read_bytes() == before
        output.unlink()
        for _ in range(2):
            assert len(predicted(run, run.path.parent / "new.csv", output)) == ROWS


def test_texts_stay_texts_in_a_workbook(run: Run, frame: pl.DataFrame, tmp_path: Path) -> None:
    changed = frame.with_columns(id=pl.Series(["=1+1", "01", "a\x1bb"] + ["x"] * (ROWS - 3)))
    changed.write_parquet(tmp_path / "in.parquet")
    found = predicted(run, tmp_path / "in.parquet", tmp_path / "out.xlsx", "keep=[id]")
    assert found["id"].to_list()[:3] == ["=1+1", "01", "a_x001B_b"]
