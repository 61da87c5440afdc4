"""What the values of a table are taken for: dates with offsets, indices, categories in several spellings, decimals, codes."""

import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from processes import Forked

from logitlab.cli.arguments import prepared
from logitlab.data import reading
from logitlab.data.table import table
from logitlab.errors import UserError, print_error
from logitlab.overrides import suggestion

ROWS = 60


def written(path: Path, **columns: list[Any]) -> str:
    """A CSV file of a number x, the columns given, repeated as often as it takes, and a target y."""
    names = ["x", *columns, "y"]
    rows = [
        [f"{index % 7}", *(str(values[index % len(values)]) for values in columns.values()), f"{index % 2}"]
        for index in range(ROWS)
    ]
    path.write_text("\n".join(map(",".join, [names, *rows])) + "\n")
    return str(path)


def own_units(data: Any, path: str) -> list[list[float]]:
    return data.preprocessing.own_units(reading.read(path, kinds=data.preprocessing.kinds)).tolist()


# Dates


@pytest.mark.parametrize("form", ["Z", "+00:00", "+02:00", "-0530", "-03", " +01:00"])
@pytest.mark.parametrize("between", ["T", " "])
def test_a_time_with_an_offset_is_the_instant_that_it_means(form: str, between: str, tmp_path: Path) -> None:
    hours = {"Z": 0, "+00:00": 0, "+02:00": 2, "-0530": -5.5, "-03": -3, " +01:00": 1}[form]
    zone = timezone(timedelta(hours=hours))
    instants = [datetime(2021, 1, 1 + index % 30, index % 24, 30, tzinfo=zone) for index in range(ROWS)]
    when = [f"{instant:%Y-%m-%d}{between}{instant:%H:%M:%S}{form}" for instant in instants]
    path = written(tmp_path / "t.csv", when=when)
    data = table(path, "y", split="none")
    assert data.preprocessing.kinds == {"x": "number", "when": "date"}
    first = min(instants).astimezone(UTC)
    days = [(instant - datetime(first.year, first.month, first.day, tzinfo=UTC)) / timedelta(days=1) for instant in instants]
    assert [row[1] for row in own_units(data, path)] == pytest.approx(days, abs=1e-9)


def test_one_offset_more_or_less_is_told_by_its_row(tmp_path: Path) -> None:
    when = [f"2021-01-{1 + index % 28:02}T07:00:00{'' if index == 4 else 'Z'}" for index in range(ROWS)]
    with pytest.raises(UserError, match="'when' holds dates, and text in row 5: '2021-01-05T07:00:00'"):
        table(written(tmp_path / "t.csv", when=when), "y")


def test_time_zones_of_parquet_are_instants_too(tmp_path: Path) -> None:
    instants = [datetime(2021, 7, 1 + index % 30, index % 24, tzinfo=UTC) for index in range(ROWS)]
    frame = pl.DataFrame({"when": instants, "y": [index % 2 for index in range(ROWS)]})
    here, there = tmp_path / "utc.parquet", tmp_path / "seoul.parquet"
    frame.write_parquet(here)
    frame.with_columns(pl.col("when").dt.convert_time_zone("Asia/Seoul")).write_parquet(there)
    one, two = (table(str(path), "y", split="none") for path in (here, there))
    assert one.examples.features.equal(two.examples.features)
    assert one.preprocessing.plain() == two.preprocessing.plain()
    assert own_units(one, str(there)) == own_units(one, str(here))


# Indices


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_the_index_of_pandas_is_no_feature_and_told(name: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{name},x,y\n" + "".join(f"{index},{index % 7},{index % 2}\n" for index in range(ROWS)))
    data = table(str(path), "y")
    assert data.feature_names == ("x",)
    assert "taken for an index" in "\n".join(data.data_summary.lines)
    assert table(str(path), "y", features=["x"]).feature_names == ("x",)
    named = tmp_path / "t.parquet"
    pl.DataFrame({"__index_level_0__": range(ROWS), "x": range(ROWS), "y": [0, 1] * (ROWS // 2)}).write_parquet(named)
    assert table(str(named), "y").feature_names == ("x",)
    assert table(str(named), "y", features=["__index_level_0__"]).feature_names == ("__index_level_0__",)


# Categories


def test_spaces_around_a_category_are_no_part_of_it_and_case_is_told(tmp_path: Path) -> None:
    data = table(written(tmp_path / "t.csv", answer=["Yes", "Yes ", "yes", " No"]), "y", split="none")
    assert data.feature_names == ("x", "answer=Yes", "answer=yes")
    assert "'Yes' and 'yes'" in "\n".join(data.data_summary.lines)
    data = table(written(tmp_path / "t.csv", answer=["Yes", "Yes ", "No"]), "y", split="none", categorical=["answer"])
    assert data.feature_names == ("x", "answer=Yes")
    assert "may be one" not in "\n".join(data.data_summary.lines)


def test_a_category_of_blanks_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", answer=["Yes", "No", "  "])
    with pytest.raises(UserError, match="'answer' has no value in rows 3, 6"):
        table(path, "y")
    assert table(path, "y", missing="mean", split="none").feature_names == ("x", "answer=Yes", "answer is missing")


@pytest.mark.parametrize(("trained", "new"), [(["1", "2", "3"], ["1.0", "2.00", " 3"]), (["1.0", "2.5"], ["1", "2.50"])])
def test_a_number_is_one_category_however_it_is_written(trained: list[str], new: list[str], tmp_path: Path) -> None:
    old_path = written(tmp_path / "old.csv", level=trained)
    data = table(old_path, "y", split="none", categorical=["level"])
    new_path = written(tmp_path / "new.csv", level=new)
    frame = reading.read(new_path, kinds=data.preprocessing.kinds)
    assert data.preprocessing.unseen(frame) == {}
    assert own_units(data, new_path) == own_units(data, old_path)
    codes = reading.read(written(tmp_path / "codes.csv", level=["01"]), kinds=data.preprocessing.kinds)
    assert data.preprocessing.unseen(codes) == {("level", "01"): ROWS}, "a code is no number"


def test_one_number_written_in_two_ways_is_told(tmp_path: Path) -> None:
    data = table(written(tmp_path / "t.csv", level=["1", "1.0", "2"]), "y", categorical=["level"], split="none")
    assert "'1' and '1.0'" in "\n".join(data.data_summary.lines)


def test_decimals_of_parquet_are_numbers_answers_and_levels(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "level": [Decimal("1.50"), Decimal("10.00"), Decimal("2.00")] * 20,
            "amount": [Decimal(index) / 4 for index in range(60)],
            "y": [Decimal("0.00"), Decimal("1.00")] * 30,
        },
        schema_overrides={"y": pl.Decimal(10, 2), "level": pl.Decimal(10, 2)},
    )
    frame.write_parquet(tmp_path / "t.parquet")
    data = table(str(tmp_path / "t.parquet"), "y", split="none", categorical=["level"])
    assert data.examples.target[:4, 0].tolist() == [0, 1, 0, 1]
    assert data.feature_names == ("level=10", "level=2", "amount")
    assert own_units(data, str(tmp_path / "t.parquet"))[5] == [0, 1, 1.25]


# Whole numbers and codes


@pytest.mark.parametrize("others", [1, 20], ids=["few columns", "many columns"])
@pytest.mark.parametrize("quoted", [False, True])
def test_a_code_after_10_000_rows_is_a_code(others: int, quoted: bool, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    names = ["code", *(f"x{number}" for number in range(others)), "time", "y"]

    def write(codes: list[str]) -> None:
        rows = [[code, *["7"] * others, "07:30", str(row % 2)] for row, code in enumerate(codes)]
        path.write_text("\n".join(map(",".join, [names, *rows])).replace("07:30", '"07:30"' if quoted else "07:30") + "\n")

    write([str(10_000 + row) if row != 14_000 else "00501" for row in range(15_000)])
    assert reading.read(path)["code"].dtype == pl.String
    with pytest.raises(UserError, match=r"15,000 different values .* '00501' in row 14,001 begins with 0"):
        table(str(path), "y")
    write([str(10 + row % 5) if row != 14_000 else "07" for row in range(15_000)])
    data = table(str(path), "y", split="none")
    assert data.feature_names == tuple(f"code={code}" for code in (10, 11, 12, 13, 14))
    assert "'code' is taken for codes: '07' begins with 0" in "\n".join(data.data_summary.lines)
    write([str(10 + row % 5) if row < 14_000 else "7.5" for row in range(15_000)])
    assert reading.read(path)["code"][-1] == 7.5


def test_whole_numbers_are_exact(tmp_path: Path) -> None:
    ids = [9007199254740993 + 2 * (row // 3) for row in range(ROWS)]
    path = written(tmp_path / "t.csv", id=ids)
    assert reading.read(path)["id"].to_list() == ids
    data = table(path, "y", split="group", split_by="id")
    groups = {name: {ids[row] for row in rows.tolist()} for name, rows in data.data_summary.rows.items()}
    assert len(groups["train"]) + len(groups["val"]) + len(groups["test"]) == ROWS // 3, "no two ids are taken for one"
    longer = written(tmp_path / "longer.csv", id=[f"{number}0000" for number in ids])
    assert reading.read(longer)["id"].to_list() == [f"{number}0000" for number in ids]


def test_an_empty_value_in_quotes_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", a=['""', '"1"', '"2"'], b=['"u"', '""', '"v"'])
    data = table(path, "y", missing="mean", split="none")
    assert data.feature_names == ("x", "a", "a is missing", "b=v", "b is missing")


# Advice


@pytest.mark.parametrize(
    ("values", "words", "never"),
    [
        ([f"user {index}" for index in range(ROWS)], ("60 different values", "data.drop=[c]"), "data.categorical"),
        (["$12.50", "$1,200.00"], ("'$12.50'", "without the sign of the currency"), "decimal_comma"),
        (["12.50 €", "3 €"], ("'12.50 €'", "without the sign of the currency"), "decimal_comma"),
        (["kg", *"123456789" * 10], ("row 1: 'kg'", "units", "remove it from the file"), "categorical"),
        (["1", "2", "n. a."], ("'n. a.'", """'data.null_values=["n. a."]'"""), "units"),
    ],
)
def test_advice_that_helps(values: list[str], words: tuple[str, ...], never: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        table(written(tmp_path / "t.csv", c=[f'"{value}"' for value in values]), "y")
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
    assert never not in str(caught.value)


def test_a_column_may_be_called_with_a_number_sign(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("#id,y\n" + "".join(f"{row % 7},{row % 2}\n" for row in range(ROWS)))
    assert table(str(path), "y").feature_names == ("#id",)


def test_json_lines_and_several_files_are_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my t.jsonl").write_text("".join(f'{{"x": {row % 7}, "y": {row % 2}}}\n' for row in range(ROWS)))
    Path("parts").mkdir()
    for number in (1, 2):
        Path(f"parts/part {number}.csv").write_text("code,y\n" + "".join(f"0{row % 3},{row % 2}\n" for row in range(ROWS)))
    for given_, rows, features in (("my t.jsonl", ROWS, 1), ("parts/part*.csv", 2 * ROWS, 2), ("parts", 2 * ROWS, 2)):
        data = table(given_, "y")
        assert len(data.feature_names) == features, "codes keep their zeros"
        assert sum(len(part) for part in data.splits.values()) == rows


NAMES = st.one_of(
    st.text("ab1 ,'\"\\${}[]()=:가#~-.;&|*?`!<>", min_size=1, max_size=8),
    st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=4),
    st.sampled_from(["user", "price (EUR)", "true", "null", "007", "1e5", "${oc.env:HOME}", "\\${x}", "-", "이탈 율"]),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(names=st.lists(NAMES, min_size=1, max_size=3))
def test_a_suggested_override_is_read_as_it_was_meant(names: list[str]) -> None:
    for value in (names, names[0]):
        (argument,) = shlex.split(suggestion("data.drop", value))
        override = OverridesParser.create().parse_override(prepared([argument], (), False)[0])
        given_ = OmegaConf.to_container(OmegaConf.create({"it": override.value()}), resolve=True)["it"]  # type: ignore[index,call-overload]
        assert (list(map(str, given_)) if isinstance(given_, list) else str(given_)) == value


def test_a_suggested_override_stays_in_one_line(capsys: pytest.CaptureFixture) -> None:
    typed = suggestion("data.drop", ["a long name, with a comma and (brackets)", "it's"])
    for length in range(60, 110):
        print_error(UserError("x" * length + f" type {typed}."))
        assert typed in capsys.readouterr().err


def test_a_name_with_spaces_is_suggested_in_quotes(fork: Callable[..., Forked], tmp_path: Path) -> None:
    written(tmp_path / "t.csv", **{"user name": [f"user {index}" for index in range(ROWS)]})
    done = fork("data=table", "data.path=t.csv", "data.target=y", "hydra.run.dir=run")
    assert done.wait() == 2
    assert """'data.drop=["user name"]'""" in done.output()
