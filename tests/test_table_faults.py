"""Faults 1 to 33: what goes wrong with tables in practice, each answered before training, in one paragraph.

Each is a train.py of its own, in a process that had its imports done before; one is typed in full, with its imports. What
polars itself reads is not tested here.
"""

import json
import subprocess
from collections.abc import Callable
from datetime import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from processes import Forked

from logitlab.data.table import table
from logitlab.errors import UserError

ROWS = "".join(f"{index},{index % 7},{int(index % 3 == 0)}\n" for index in range(40))
GOOD = "age,score,passed\n" + ROWS


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def column(name: str, values: list[Any]) -> str:
    """The good table with one more column."""
    lines = GOOD.splitlines()
    cells = [str(values[index % len(values)]) for index in range(40)]
    return "\n".join([f"{lines[0]},{name}", *(f"{line},{cell}" for line, cell in zip(lines[1:], cells, strict=True))]) + "\n"


FAULTS: dict[str, tuple[str | bytes, tuple[str, ...], tuple[str, ...]]] = {
    # name: (content of t.csv, overrides, what the message must name)
    "3 empty file": ("", (), ("t.csv", "empty")),
    "4 header only": ("age,score,passed\n", (), ("t.csv", "no rows")),
    "5 utf-16": (GOOD.encode("utf-16"), (), ("t.csv", "data.encoding=utf-16")),
    "5 utf-16 without a mark": (GOOD.encode("utf-16-le"), (), ("data.encoding=utf-16-le",)),
    "5 latin-1 in the header": (GOOD.replace("age", "âge").encode("latin-1"), (), ("header", "data.encoding=latin-1")),
    "5 latin-1 in a value": (column("city", ["Genève", "Bern"]).encode("latin-1"), (), ("row 1", "data.encoding=latin-1")),
    "5 unknown encoding": (GOOD, ("data.encoding=utf-9",), ("data.encoding=utf-9", "utf-8")),
    "7 semicolon": (GOOD.replace(",", ";"), (), ("Did you mean ';'", "data.separator=semicolon")),
    "7 tab": (GOOD.replace(",", "\t"), (), ("data.separator=tab",)),
    "8 decimal comma": (
        column("price", ["1_5", "2_5"]).replace(",", ";").replace("_", ","),
        ("data.separator=semicolon",),
        ("'price'", "'1,5'", "data.decimal_comma=true"),
    ),
    "8 thousands": (column("price", ['"1,234"', '"12,345.5"']), (), ("'price'", "thousands")),
    "8 percent": (column("share", ["5%", "12.5%"]), (), ("'share'", "percent")),
    "9 trailing delimiter": (changed(ROWS, ROWS.replace("\n", ",\n")), (), ("row 1", "separator behind the last")),
    "9 value behind a trailing delimiter": (
        "age,score,passed,\n" + ROWS.replace("\n", ",\n").replace("1,\n", "1,9\n", 1),
        (),
        ("row 1", "'9'", "behind the last column"),
    ),
    "10 short row": (changed("\n4,4,0\n", "\n4,4\n"), (), ("row 5", "2 values for 3 columns", "'passed'")),
    "10 long row": (changed("\n4,4,0\n", "\n4,4,0,7\n"), (), ("row 5", "4 values for 3 columns", "'7'")),
    "a comment before the header": ("# exported, on Monday\n" + GOOD, (), (
        "first line", "comment", "grep -v '^#' t.csv > t-clean.csv")),
    "a comment among the rows": (changed("\n4,4,0\n", "\n# checked up to here\n4,4,0\n"), (), ("row 5", "comment")),
    "JSON lines": ('{"age": 1, "passed": 0}\n', (), ("is JSON", "data.format=jsonl")),
    "10 empty line": (changed("\n4,4,0\n", "\n\n4,4,0\n"), (), ("row 5", "empty")),
    "11 unbalanced quote": (changed("\n4,4,0\n", '\n4,"4,0\n'), (), ("never closed", "row 5", "'score'")),
    "11 quote inside": (changed("\n4,4,0\n", '\n4,5" x,0\n'), (), ("row 5", "'score'", "quote", '"5"" x"')),
    "11 quotes that are not doubled": (column("size", ['"5" pipe"', "7"]), (), (
        "row 1", "'size'", "behind a quote", '"5"" pipe"')),
    "12 NUL byte": (changed("\n4,4,0\n", "\n4,4\0,0\n"), (), ("NUL", "line 6")),
    "13 duplicate column": (changed("score", "age"), (), ("'age' 2 times", "1, 2")),
    "15 target missing": (GOOD, ("data.target=pased",), ("'pased'", "Did you mean 'passed'")),
    "15 feature missing": (GOOD, ("data.features=[agee]",), ("data.features", "Did you mean 'age'")),
    "16 target missing in rows": (changed("\n4,4,0\n", "\n4,4,\n"), (), ("'passed'", "row 5", "data.missing_target=drop")),
    "17 target 2": (changed("\n4,4,0\n", "\n4,4,2\n"), (), ("'passed'", "2", "row 5", "0 or 1")),
    "17 target -1": (GOOD.replace(",0\n", ",-1\n"), (), ("'passed'", "-1", "0 or 1")),
    "18 yes and no": (GOOD.replace(",1\n", ",yes\n").replace(",0\n", ",no\n"), (), ("no, yes", "data.positive=yes")),
    "18 TRUE": (GOOD.replace(",1\n", ",TRUE\n").replace(",0\n", ",FALSE\n"), (), ("data.positive=TRUE",)),
    "18 positive is no value": (GOOD, ("data.positive=ja",), ("data.positive=ja", "0, 1")),
    "18 three values": (GOOD.replace("4,4,0", "4,4,2"), (), ("data.positive=2 separates that value from all others",)),
    "19 target 0.5": (changed("\n4,4,0\n", "\n4,4,0.5\n"), (), ("0.5", "row 5", "0 or 1")),
    "20 one class": (GOOD.replace(",1\n", ",0\n"), (), ("'passed' is 0 in every row", "both classes")),
    "21 missing feature": (changed("\n4,4,0\n", "\n4,,0\n"), (), ("'score'", "row 5", "data.missing=mean", "=drop")),
    "21 missing everywhere": (GOOD.replace("passed\n", "passed,x\n").replace(",0\n", ",0,\n").replace(",1\n", ",1,\n"), (
        "data.missing=drop",), ("every row",)),
    "22 inf": (changed("\n4,4,0\n", "\n4,inf,0\n"), (), ("'score'", "infinite", "row 5")),
    "22 1e400": (changed("\n4,4,0\n", "\n4,1e400,0\n"), (), ("'score'", "1e400", "row 5")),
    "22 1e300": (changed("\n4,4,0\n", "\n4,1e300,0\n").replace("\n5,5,", "\n5,-1e300,"), ("data.split=none",), ("'score'",)),
    "23 many texts": (column("name", [f"n{index}" for index in range(40)]), ("data.max_categories=20",), (
        "'name'", "40 different", "data.drop=[name].")),
    "23 text among numbers": (changed("\n4,4,0\n", "\n4,NA,0\n"), (), ("'score'", "'NA'", "row 5", "data.null_values=[NA]")),
    "23 ambiguous dates": (column("day", ["03/04/2021", "05/06/2021"]), (), ("'day'", "2021-03-04")),
    "23 no such day": (column("day", ["2021-02-27", "2021-02-28", "2021-02-29"]), (), ("'day'", "dates", "'2021-02-29'")),
    "a feature of the same name": (
        "c,c=b,passed\n" + "".join(f"{'ab'[index % 2]},{index % 5},{index % 3 % 2}\n" for index in range(40)), (), ("'c=b'",)),
    "1 missing val file": (GOOD, ("data.val_path=val.csv",), ("data.val_path=val.csv: there is no such file",)),
    "24 all constant": ("a,passed\n" + "".join(f"1,{index % 2}\n" for index in range(40)), (), ("one value", "learn")),
    "27 too wide": (",".join(f"c{index}" for index in range(30_000)) + "\n", (), ("30,000 columns", "GiB", "data.max_columns")),
    "32 split too small": ("a,passed\n1,0\n2,1\n", (), ("val", "data.split=none")),
    "32 one class in train": ("a,b,passed\n1,4,0\n2,3,0\n3,2,0\n4,1,1\n", (
        "data.split=time", "data.split_by=a", "data.val_fraction=0.25", "data.test_fraction=0.25"),
        ("training rows", "both classes")),
    "32 fractions": (GOOD, ("data.val_fraction=0.6", "data.test_fraction=0.4"), ("no training rows",)),
    "split column": (GOOD, ("data.split=column", "data.split_by=score"), ("'score'", "train, val or test")),
    "split by nothing": (GOOD, ("data.split=group",), ("data.split_by",)),
    "weight below 0": (column("w", ["-1", "2"]), ("data.weight=w",), ("'w'", "-1", "rows 1, 3")),
    "only the target": ("passed\n0\n1\n", (), ("no column left",)),
}  # fmt: skip


Fork = Callable[..., Forked]


def refused(fork: Fork, folder: Path, *arguments: str) -> str:
    """Run train.py, which must answer with one paragraph and exit code 2 and leave everything as it was; return the answer."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = fork("data=table", "hydra.run.dir=run", *arguments)
    assert done.wait() == 2, done.output()
    answer = done.output()
    assert answer.startswith("Error: ")
    assert answer.count("Error: ") == 1
    assert "\n\n" not in answer and "Traceback" not in answer and "cannot be built" not in answer
    after = {path for path in folder.rglob("*") if path.is_file()}
    assert after == set(before), "a run that never began leaves nothing"
    assert all(path.read_bytes() == content for path, content in before.items())
    return " ".join(answer.split())


@pytest.mark.parametrize("name", FAULTS)
def test_fault_in_the_file(name: str, fork: Fork, tmp_path: Path) -> None:
    content, overrides, words = FAULTS[name]
    (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    answer = refused(fork, tmp_path, "data.path=t.csv", "data.target=passed", *overrides)
    assert [word for word in words if word not in answer] == [], answer


def paths(tmp_path: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("x")
    (tmp_path / "students.csv").write_text(GOOD)
    (tmp_path / "false.parquet").write_text(GOOD)
    (tmp_path / "t.json").write_text('[{"a": 1}]\n')
    (tmp_path / "other.csv").write_text(GOOD.replace("score", "points"))
    (tmp_path / "book.csv").write_bytes(b"PK\x03\x04 and so on")
    whole = tmp_path / "whole.parquet"
    pl.read_csv(GOOD.encode()).write_parquet(whole)
    (tmp_path / "cut.parquet").write_bytes(whole.read_bytes()[:-200])
    return {
        "1 missing file": ("student.csv", ("no such file", "Did you mean 'students.csv'")),
        "2 a folder": ("folder", ("folder without a table", "notes.txt")),
        "28 false Parquet": ("false.parquet", ("false.parquet", "PAR1")),
        "28 truncated Parquet": ("cut.parquet", ("cut.parquet", "cut off")),
        "30 URL": ("https://example.org/t.csv", ("URL", "Download")),
        "30 bucket": ("s3://bucket/t.csv", ("URL",)),
        "a zip archive": ("book.csv", ("zip archive", "unzip")),
        "a pattern of nothing": ("teach*.csv", ("no such file",)),
        "a pattern of several formats": ("[sw]*", ("several formats", "parquet (whole.parquet)", "csv (students.csv)")),
        "files that differ": ("[os]t*.csv", ("students.csv does not go with other.csv", "the column 'points' is missing here")),
        "JSON": ("t.json", ("is JSON", """polars.read_json("t.json").write_parquet("t.parquet")'""")),
    }


@pytest.mark.parametrize(
    "name",
    ["1 missing file", "2 a folder", "28 false Parquet", "28 truncated Parquet", "30 URL", "30 bucket",
     "a zip archive", "a pattern of nothing", "a pattern of several formats", "files that differ", "JSON"],
)  # fmt: skip
def test_fault_of_the_path(name: str, fork: Fork, tmp_path: Path) -> None:
    path, words = paths(tmp_path)[name]
    answer = refused(fork, tmp_path, f"data.path={path}", "data.target=passed")
    assert [word for word in words if word not in answer] == [], answer


@pytest.mark.parametrize("role", ["features=[a,x]", "categorical=[x]", "weight=x", "cluster=x", "target=x", "split_by=x"])
@pytest.mark.parametrize("value", [[1, 2], {"inner": 1}, time(12, 30)])
def test_types_that_no_column_can_have(role: str, value: Any, tmp_path: Path) -> None:
    path, rows = tmp_path / "t.parquet", 40
    pl.DataFrame({"a": range(rows), "x": [value] * rows, "passed": [0, 1] * (rows // 2)}).write_parquet(path)
    key, _, name = role.partition("=")
    arguments = {"target": "passed", key: ["a", "x"] if key == "features" else [name[1]] if name[0] == "[" else name}
    way = {"split": "time"} if key == "split_by" else {}
    with pytest.raises(UserError, match=r"the column 'x' is of the type .* Leave it out with data\.drop=\[x\], or write it as"):
        table(str(path), **arguments, **way)


# What is accepted, and said


def notes(tmp_path: Path, content: str | bytes, **arguments: Any) -> tuple[Any, str]:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    data = table(str(path), "passed", **arguments)
    return data, "\n".join(data.data_summary.lines)


def test_byte_order_mark_is_accepted(tmp_path: Path) -> None:  # fault 6
    data, _ = notes(tmp_path, b"\xef\xbb\xbf" + GOOD.encode())
    assert data.feature_names == ("age", "score")


def test_other_encodings_are_read_as_declared(tmp_path: Path) -> None:  # fault 5
    text = column("città", ["Zürich", "Genève"])
    for encoding in ("utf-16", "latin-1", "cp1252", "utf-8"):
        data, _ = notes(tmp_path, text.encode(encoding), encoding=encoding)
        assert data.feature_names == ("age", "score", "città=Zürich")


def test_spaces_in_the_header_are_stripped_and_told(tmp_path: Path) -> None:  # fault 14
    data, told = notes(tmp_path, changed("age,score,passed", "age , score,passed"))
    assert data.feature_names == ("age", "score")
    assert "In the header, spaces around a name and line breaks in it were left out: 'age', 'score'." in told


def test_a_line_break_in_a_name_is_a_space(tmp_path: Path) -> None:  # as Excel writes it
    data, told = notes(tmp_path, GOOD.replace("score", '"score\r\n(points)"'))
    assert data.feature_names == ("age", "score (points)")
    assert "left out: 'score (points)'" in told


def test_spaces_behind_separators_are_no_part_of_an_answer(tmp_path: Path) -> None:
    expected, _ = notes(tmp_path, GOOD, split="none")
    data, _ = notes(tmp_path, GOOD.replace(",", ", "), split="none")
    assert torch.equal(data.examples.target, expected.examples.target)
    answers = GOOD.replace(",1\n", ", yes\n").replace(",0\n", ", no\n")
    data, _ = notes(tmp_path, answers, split="none", positive="yes")
    assert torch.equal(data.examples.target, expected.examples.target)


def test_trailing_delimiter_in_every_line_loses_nothing(tmp_path: Path) -> None:  # fault 9
    data, told = notes(tmp_path, GOOD.replace("\n", ",\n"))
    assert data.feature_names == ("age", "score")
    assert "without a name" in told
    assert data.examples.features.equal(notes(tmp_path, GOOD)[0].examples.features)


def test_constant_columns_are_left_out_and_told(tmp_path: Path) -> None:  # fault 24
    data, told = notes(tmp_path, column("country", ["NL"]))
    assert data.feature_names == ("age", "score")
    assert "one value" in told
    assert "country" in told
    data, _ = notes(tmp_path, column("floors", ["7"]))
    assert '"value": "7"' in data.data_summary.files()["columns.json"]


def test_identifiers_and_large_whole_numbers_are_told(tmp_path: Path) -> None:  # fault 26
    _, told = notes(tmp_path, column("customer_id", [1000 + 7 * index for index in range(40)]))
    assert "'customer_id'" in told
    assert "identifier" in told
    _, told = notes(tmp_path, column("amount", [2**24 + index // 2 * 1000 for index in range(40)]))
    assert "'amount'" in told
    assert "2^24" in told


def test_text_is_shown_with_its_values(tmp_path: Path) -> None:  # fault 23
    data, told = notes(tmp_path, column("sex", ["m", "f", "f"]))
    assert data.feature_names == ("age", "score", "sex=m")
    assert "sex (f, m)" in told


def test_missing_values_follow_the_declared_policy(tmp_path: Path) -> None:  # fault 21
    content = changed("\n4,4,0\n", "\n4,,0\n")
    data, _ = notes(tmp_path, content, missing="mean", split="none")
    assert data.feature_names == ("age", "score", "score is missing")
    own = data.preprocessing.own_units(pl.DataFrame({"age": [1.0], "score": [None]}, schema_overrides={"score": pl.Float64}))
    known = [index % 7 for index in range(40) if index != 4]
    assert own.tolist() == [[1.0, pytest.approx(sum(known) / len(known)), 1.0]]
    data, told = notes(tmp_path, content, missing="drop", split="none")
    assert len(data.examples) == 39
    assert "1 rows" in told


def test_a_number_found_to_be_text_after_the_sample_is_read_again(tmp_path: Path) -> None:
    rows = "".join(f"{index % 5},{index % 2}\n" for index in range(30_000))
    path = tmp_path / "t.csv"
    path.write_text("level,passed\n" + rows + "low,1\nhigh,0\n")
    with pytest.raises(UserError, match="rows 30,001, 30,002: 'high', 'low'"):
        table(str(path), "passed")
    data = table(str(path), "passed", categorical=["level"], split="none")
    assert data.feature_names == tuple(f"level={value}" for value in ("1", "2", "3", "4", "high", "low"))


def test_codes_keep_their_leading_zeros(tmp_path: Path) -> None:
    data, _ = notes(tmp_path, column("zone", ["01", "02", "1"]), split="none")
    assert data.feature_names == ("age", "score", "zone=02", "zone=1")


def test_exit_code_2_as_typed(run_train: Callable[..., subprocess.CompletedProcess], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(GOOD.replace(",", ";"))
    done = run_train("data=table", "data.path=t.csv", "data.target=passed")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "data.separator=semicolon" in done.stderr
    assert not list(tmp_path.glob("outputs/*/*"))


@pytest.mark.slow
def test_200_001_columns_are_refused_with_an_estimate(fork: Fork, tmp_path: Path) -> None:  # fault 27
    names = [f"c{number}" for number in range(200_000)]
    (tmp_path / "t.csv").write_text(",".join([*names, "passed"]) + "\n" + (",".join(["1"] * 200_001) + "\n") * 5)
    answer = refused(fork, tmp_path, "data.path=t.csv", "data.target=passed")
    for words in ("200,001 columns", "data.max_columns=20000", "12 MiB", "data.max_columns=200001"):
        assert words in answer, answer


def test_what_is_mended_on_the_way_is_told_and_the_run_is_made(fork: Fork, tmp_path: Path) -> None:  # faults 6, 9, 14, 24, 26
    rows = "".join(f"{index % 9},7,{1000 + 13 * index},{index % 3 % 2},\n" for index in range(60))
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + f"age , shop,customer_id,passed,\n{rows}".encode())
    done = fork("data=table", "hydra.run.dir=run", "data.path=t.csv", "data.target=passed", "trainer.max_epochs=2")
    assert done.wait() == 0, done.output()
    told = " ".join(done.output().split())
    for words in ("left out: 'age', 'shop'", "without a name", "one value there: shop", "'customer_id' has another whole"):
        assert words in told, told
    columns = json.loads((tmp_path / "run" / "columns.json").read_text())["columns"]
    assert [column["name"] for column in columns] == ["passed", "age", "shop", "customer_id"]


def test_polars_is_imported_for_tables_alone(run_train: Callable[..., subprocess.CompletedProcess]) -> None:
    done = run_train("trainer.max_epochs=1", python=("-X", "importtime"), because="it is about what is imported")
    assert done.returncode == 0
    assert "lightning" in done.stderr
    assert "polars" not in done.stderr
