"""Tables from file to matrix: what no rewriting of a file may change, and what any small table must come to.

The oracle is Python's csv module, which shares nothing with polars.
"""

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logitlab.data import reading
from logitlab.data.csv_blocks import blocks
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.options import TableOptions
from logitlab.data.preprocessing import Preprocessing
from logitlab.data.table import table
from logitlab.errors import ITEM, UserError
from logitlab.networks import Logits
from logitlab.runs.checkpoint_io import load


def mixed(rows: int = 200, seed: int = 0) -> pl.DataFrame:
    """A table with a number, gaps, categories, dates and a target that depends on them."""
    generator = torch.Generator().manual_seed(seed)
    age = torch.randn(rows, generator=generator, dtype=torch.float64) * 12 + 40
    city = torch.randint(0, 3, (rows,), generator=generator)
    day = torch.randint(0, 500, (rows,), generator=generator)
    income = torch.randn(rows, generator=generator, dtype=torch.float64) * 9e3 + 3e4
    logit = (age - 40) / 10 + (city == 2) - (income - 3e4) / 1e4
    passed = (torch.rand(rows, generator=generator) < torch.sigmoid(logit)).long()
    return pl.DataFrame(
        {
            "age": age.tolist(),
            "city": [["Oslo", "Paris", "Rome"][each] for each in city],
            "income": [None if index % 17 == 0 else value for index, value in enumerate(income.tolist())],
            "since": (pl.Series(day.tolist()) * 86_400_000_000).cast(pl.Datetime("us")).cast(pl.Date),
            "passed": passed.tolist(),
        }
    )


def weights_after(fit: Callable[..., Any], frame: pl.DataFrame, folder: Path, *overrides: str) -> dict[str, torch.Tensor]:
    folder.mkdir()
    frame.write_csv(folder / "t.csv")
    common = ("data=table", f"data.path={folder / 't.csv'}", "data.target=passed", "data.missing=mean", "logger=none")
    fit(*common, "optimizer=adam", "trainer.max_epochs=4", *overrides, directory=folder / "run")
    return load(folder / "run" / "checkpoints" / "last.ckpt")["state_dict"]


@pytest.mark.parametrize("overrides", [(), ("data.batch_size=16",)], ids=["full batch", "mini-batches"])
def test_changing_test_rows_leaves_the_weights_bit_equal(
    fit: Callable[..., Any], tmp_path: Path, overrides: tuple[str, ...]
) -> None:  # fault 33
    frame = mixed().with_columns(split=pl.Series(["train", "val", "train", "test", "train"] * 40))
    is_test = pl.col("split") == "test"
    other = frame.with_columns(
        age=pl.when(is_test).then(pl.col("age") * 1e6).otherwise(pl.col("age")),
        city=pl.when(is_test).then(pl.lit("Atlantis, far away")).otherwise(pl.col("city")),
        income=pl.when(is_test).then(None).otherwise(pl.col("income")),
        since=pl.when(is_test).then(pl.date(1900, 1, 1)).otherwise(pl.col("since")),
        passed=pl.when(is_test).then(1 - pl.col("passed")).otherwise(pl.col("passed")),
    )
    assert not frame.equals(other)
    how = ("data.split=column", "data.split_by=split", *overrides)
    one = weights_after(fit, frame, tmp_path / "one", *how)
    two = weights_after(fit, other, tmp_path / "two", *how)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    changed = weights_after(fit, frame.with_columns(age=pl.col("age") * 2 + pl.col("passed")), tmp_path / "three", *how)
    assert not all(torch.equal(one[name], changed[name]) for name in one), "the test can fail"


def test_order_of_columns_and_of_files_changes_no_row_of_the_matrix(tmp_path: Path) -> None:
    frame = mixed().with_row_index("row")
    frame.write_csv(tmp_path / "t.csv")
    data = table(str(tmp_path / "t.csv"), "passed", drop=["row"], missing="mean", split="none")
    preprocessing = Preprocessing.from_plain(data.preprocessing.plain())
    expected = data.examples.features

    shuffled = frame.select("since", "row", "passed", "income", "city", "age")
    for name, parts in {"ab": (shuffled[:70], shuffled[70:]), "ba": (shuffled[70:], shuffled[:70])}.items():
        folder = tmp_path / name
        folder.mkdir()
        for number, part in enumerate(parts):
            part.write_parquet(folder / f"part-{number}.parquet")
        seen = reading.read(folder, kinds=preprocessing.kinds)
        assert torch.equal(preprocessing.transform(seen), expected[seen["row"].to_torch().long()])

    shuffled.write_csv(tmp_path / "shuffled.csv")
    seen = torch.cat(
        [
            preprocessing.transform(part)
            for part in reading.read_in_parts(tmp_path / "shuffled.csv", 33, kinds=preprocessing.kinds)
        ]
    )
    assert torch.equal(seen, expected)


def test_csv_and_parquet_give_one_matrix(tmp_path: Path) -> None:
    frame = mixed()
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    one = table(str(tmp_path / "t.csv"), "passed", missing="mean")
    two = table(str(tmp_path / "t.parquet"), "passed", missing="mean")
    assert one.feature_names == two.feature_names
    for split in ("train", "val", "test"):
        assert torch.equal(one.splits[split].features, two.splits[split].features)
        assert torch.equal(one.splits[split].target, two.splits[split].target)
    assert one.fingerprint == two.fingerprint


def test_run_directory_holds_columns_and_split(fit: Callable[..., Any], tmp_path: Path) -> None:
    weights_after(fit, mixed(), tmp_path / "a")
    split = pl.read_csv(tmp_path / "a" / "run" / "splits.csv")
    assert split["row"].to_list() == list(range(1, 201))
    assert dict(split["split"].value_counts().rows()) == {"train": 140, "val": 30, "test": 30}
    target = mixed()["passed"]
    for name in ("train", "val", "test"):
        rows = (split["split"] == name).arg_true()
        assert target.gather(rows).mean() == pytest.approx(target.mean(), abs=1 / len(rows)), "stratified"
    assert '"city"' in (tmp_path / "a" / "run" / "columns.json").read_text()


def test_groups_stay_together_and_time_flows_one_way(tmp_path: Path) -> None:
    frame = mixed().with_columns(group=pl.Series([f"g{index % 23}" for index in range(200)]))
    frame.write_csv(tmp_path / "t.csv")
    by_group = table(str(tmp_path / "t.csv"), "passed", missing="mean", split="group", split_by="group")
    rows = by_group.data_summary.rows
    groups = {name: set(frame["group"].gather(part.numpy())) for name, part in rows.items()}
    assert not groups["train"] & groups["val"]
    assert not groups["train"] & groups["test"]
    assert not groups["val"] & groups["test"]
    assert all(groups.values())
    by_time = table(str(tmp_path / "t.csv"), "passed", missing="mean", split="time", split_by="since")
    days = {name: frame["since"].gather(part.numpy()) for name, part in by_time.data_summary.rows.items()}
    assert days["train"].max() < days["val"].min()
    assert days["val"].max() < days["test"].min()
    assert "since" not in by_time.preprocessing.columns


def test_separate_files_make_the_splits(tmp_path: Path) -> None:
    frame = mixed()
    for name, part in {"train": frame[:120], "val": frame[120:150], "test": frame[150:]}.items():
        part.select(sorted(part.columns)).write_csv(tmp_path / f"{name}.csv")
    paths = {f"{name}_path": str(tmp_path / f"{name}.csv") for name in ("val", "test")}
    data = table(str(tmp_path / "train.csv"), "passed", missing="mean", **paths)
    assert {name: len(part) for name, part in data.splits.items()} == {"train": 120, "val": 30, "test": 50}


def test_row_weights_come_along(tmp_path: Path) -> None:
    frame = mixed().with_columns(w=pl.Series([1.0 + index % 3 for index in range(200)]))
    frame.write_csv(tmp_path / "t.csv")
    data = table(str(tmp_path / "t.csv"), "passed", missing="mean", weight="w", split="none")
    assert data.examples.weight is not None
    assert data.examples.weight[:4, 0].tolist() == [1, 2, 3, 1]
    assert "w" not in data.preprocessing.columns


# Any small table


CELLS = st.one_of(
    st.integers(-5, 5).map(str),
    st.floats(width=32).map(repr),
    st.sampled_from(
        ["", "NA", "nan", "inf", "1e400", "1,5", "01", "a", "b", "é", 'q"q', "x\ny", " 1", "2021-03-04", "TRUE", "-0"]
    ),
    st.text(max_size=3),
)
NUMBERS = st.floats(-1e6, 1e6).map(repr)
KINDS = [NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["a", "b", "c"]), st.sampled_from(["a", "b", "c", ""]), CELLS]
TARGETS = st.sampled_from(
    [("0,1", None)] * 8
    + [("0,1", "1"), ("0, 1", None), ("yes,no", "yes"), ("yes,no", "no"), ("TRUE,FALSE", "TRUE"), ("1,2", "2")] * 2
    + [("yes,no", None), ("0,1", "yes"), ("1,2", None), ("0,1,2", None), ("0,1,2", "2"), ("-1,1", None), ("0,0.5,1", None)]
    + [("0", None), ("0,1,", None)]
)
"""The values of the target, and data.positive: more than half of them can be trained on."""


@st.composite
def small_tables(draw: st.DrawFn) -> tuple[list[list[str]], str | None]:
    """A header and rows: columns of numbers, of categories or of anything; a target of any sort, and data.positive."""
    rows = draw(st.sampled_from([24, 12, 7, 4, 2, 1]))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
    columns = [draw(st.lists(kind, min_size=rows, max_size=rows)) for kind in kinds]
    values, positive = draw(TARGETS)
    columns.append(draw(st.permutations([values.split(",")[row % (values.count(",") + 1)] for row in range(rows)])))
    header = [f"c{number}" for number in range(len(kinds))] + ["y"]
    return [header, *map(list, zip(*columns, strict=True))], positive


def assert_trains_to_finite_weights(data: InMemoryDataModule) -> None:
    network = Logits(data.in_features)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    rows = data.examples
    assert rows.features.isfinite().all()
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(network(rows.features), rows.target).backward()
        optimizer.step()
    assert all(parameter.isfinite().all() for parameter in network.parameters())
    own_weight, own_bias = data.preprocessing.in_own_units(network.weight.detach(), network.bias.detach())
    assert own_weight.isfinite().all()
    assert own_bias.isfinite()


@pytest.mark.slow
@pytest.mark.parametrize("split", ["none", "fractions"])
@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=small_tables(), missing=st.sampled_from(["mean", "drop", "refuse"]))
def test_any_small_table_trains_to_finite_weights_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, content: tuple[list[list[str]], str | None], missing: str, split: str
) -> None:
    (_, *rows), positive = content
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(content[0])
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    try:
        data = table(str(path), "y", missing=missing, positive=positive, split=split)
    except UserError as error:
        assert "\n" not in str(error).replace(ITEM, ""), "one paragraph, or a list of them"
        return
    assert_trains_to_finite_weights(data)
    if split == "none" and missing != "drop":
        one = positive or "1"
        assert data.examples.target[:, 0].tolist() == [float(row[-1].strip() == one) for row in rows], "a label is as it stands"


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=8), quoting=st.sampled_from([0, 1]))
def test_text_is_read_as_the_csv_module_reads_it(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], quoting: Any
) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows([["a", "b", "c"], *rows])
    path = tmp_path_factory.getbasetemp() / "text.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    try:
        frame = reading.read(path, kinds={})
    except UserError:
        return
    expected = list(csv.reader(io.StringIO(text.getvalue(), newline="")))[1:]
    assert [[cell or "" for cell in row] for row in frame.rows()] == expected


def test_blocks_end_where_rows_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f'{index},"a ""quoted"", and\nbroken line {index}",{index % 2}\n' for index in range(200))
    path = tmp_path / "t.csv"
    path.write_text("x,text,y\n" + rows)
    whole = reading.read(path)
    monkeypatch.setattr("logitlab.data.csv_blocks.BLOCK_BYTES", 97)
    assert b"".join(blocks(path, TableOptions())) == path.read_bytes()
    assert all(block.count(b'"') % 2 == 0 for block in blocks(path, TableOptions()))
    assert reading.read(path).equals(whole)
    assert whole["text"][7] == 'a "quoted", and\nbroken line 7'
    assert whole["x"].to_list() == list(map(float, range(200)))


def test_numbers_are_exact_in_float64_before_they_are_rounded(tmp_path: Path) -> None:
    values = [1e9 + index / 7 for index in range(50)]
    pl.DataFrame({"x": values, "y": [index % 2 for index in range(50)]}).write_csv(tmp_path / "t.csv")
    data = table(str(tmp_path / "t.csv"), "y", split="none")
    mean = math.fsum(values) / 50
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / 50)
    expected = torch.tensor([(value - mean) / deviation for value in values], dtype=torch.float64)
    torch.testing.assert_close(data.examples.features[:, 0].double(), expected, rtol=2e-7, atol=1e-7)
