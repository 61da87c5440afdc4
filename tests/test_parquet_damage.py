"""Parquet files that are damaged: told in a sentence or read right, never a panic, never fewer or more rows in silence."""

import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from processes import Forked

from logitlab.data import reading
from logitlab.errors import UserError

ROWS = 100
FRAME = pl.DataFrame({"x": [index * 0.37 for index in range(ROWS)], "y": [index % 2 for index in range(ROWS)]})


def varint(number: int) -> bytes:
    """A whole number as Thrift's compact protocol writes it: zigzag, seven bits a byte."""
    number, written = 2 * number, b""
    while number >= 128:
        written, number = written + bytes([number & 127 | 128]), number >> 7
    return written + bytes([number])


def with_footer(whole: bytes, footer: bytes) -> bytes:
    return whole[: -8 - footer_length(whole)] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def footer_length(whole: bytes) -> int:
    return int.from_bytes(whole[-8:-4], "little")


def both_ways(path: Path) -> list[pl.DataFrame]:
    return [reading.read(path), pl.concat(list(reading.read_in_parts(path)))]


@pytest.mark.parametrize("rows", [90, 101, 4_000, 10**9, 2**60])
@pytest.mark.parametrize("row_group", [None, 40], ids=["one group", "three groups"])
def test_rows_that_the_footer_tells_and_no_page_holds(rows: int, row_group: int | None, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    FRAME.write_parquet(path, row_group_size=row_group)
    whole = path.read_bytes()
    footer = whole[-8 - footer_length(whole) : -8]
    parts = footer.split(varint(ROWS))
    told = 0
    for place in range(len(parts) - 1):  # each number of 100 in turn: of the file, of a row group, of a column's values
        changed = varint(ROWS).join(parts[: place + 1]) + varint(rows) + varint(ROWS).join(parts[place + 1 :])
        path.write_bytes(with_footer(whole, changed))
        try:
            assert all(frame.equals(FRAME) for frame in both_ways(path))
        except UserError as error:
            assert f"{rows:,}" in str(error)
            assert "100" in str(error)
            told += 1
    assert told >= 1, "a number of values that nobody needs may be wrong, a number of rows may not"
    path.write_bytes(with_footer(whole, varint(rows).join(parts)))
    with pytest.raises(UserError, match="damaged Parquet file"):
        both_ways(path)


@pytest.mark.slow
def test_a_spoilt_footer_is_told_or_the_table_is_right(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path, seeded = tmp_path / "t.parquet", random.Random(0)
    FRAME.write_parquet(path, row_group_size=40)
    whole = path.read_bytes()
    start, told = len(whole) - 8 - footer_length(whole), 0
    for _ in range(300):
        spoilt = bytearray(whole)
        for _ in range(seeded.choice([1, 1, 2, 4])):
            at = seeded.randrange(start, len(whole) - 4)
            spoilt[at] = seeded.choice([0, 255, spoilt[at] ^ 1 << seeded.randrange(8), seeded.randrange(256)])
        path.write_bytes(spoilt)
        try:
            assert all(len(frame) == ROWS for frame in both_ways(path))
        except UserError as error:
            assert "damaged Parquet" in str(error) or "cut off" in str(error) or "data." in str(error), str(error)
            told += 1
    assert told > 150
    assert "panicked" not in "".join(capfd.readouterr()), "what a panic prints is no sentence"


def test_a_damaged_file_ends_a_command_with_a_sentence(fork: Callable[..., Forked], tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    FRAME.write_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(with_footer(whole, whole[-8 - footer_length(whole) : -8].replace(varint(ROWS), varint(90))))
    done = fork("data=table", "data.path=t.parquet", "data.target=y", "hydra.run.dir=run")
    assert done.wait() == 2
    assert "names 90 rows" in " ".join(done.output().split())
    assert "panicked" not in done.output() and "Traceback" not in done.output()
