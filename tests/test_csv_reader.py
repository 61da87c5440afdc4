"""The CSV reader against Python's csv module, which shares nothing with it: the same table, or a refusal in one sentence."""

import codecs
import csv
import io
import random
from pathlib import Path
from typing import Any

import pytest

from logitlab.data import reading
from logitlab.data.options import TableOptions
from logitlab.errors import UserError

PIECES = ["a", "b", "1", "01", "-2.5", "é", "가", " ", "#", ";", "\t", "\u00a0", "\u2028", "\ufeff", "x y"]
SIGNS = ['"', '"', ",", ",", "\n", "\n", "\r\n", "\r", '""', '","', '"\n"']


def generated(random_: random.Random) -> str:
    """A small file: signs at random, or rows as a writer writes them, most of them then spoilt in a place or two."""
    if random_.random() < 0.4:
        header = random_.choice(["a,b,c\n", "a,b\n", "a\n", '"a","b"\r\n', ""])
        return header + "".join(random_.choice(random_.choice([PIECES, SIGNS])) for _ in range(random_.randint(1, 16)))
    width = random_.randint(1, 4)
    rows = [
        ["".join(random_.choices([*PIECES, *SIGNS], k=random_.choice([0, 1, 1, 2, 3]))) for _ in range(width)]
        for _ in range(random_.randint(1, 5))
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=random_.choice(["\n", "\r\n"]), quoting=random_.choice([0, 1, 2]))
    writer.writerows([[f"c{number}" for number in range(width)], *rows])
    content = text.getvalue()
    for _ in range(random_.choice([0, 0, 1, 1, 2])):
        at = random_.randint(0, len(content))
        content = content[:at] + random_.choice([*SIGNS, *PIECES, ""]) + content[at + random_.randint(0, 1) :]
    return content


def expected(content: str) -> list[list[str]]:
    rows = list(csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline="")))
    while rows and not rows[-1]:  # empty lines at the end mean nothing
        rows.pop()
    return rows


@pytest.mark.slow
@pytest.mark.parametrize(("files", "block"), [(4_250, 8 * 2**20), (750, 7)], ids=["one block", "many blocks"])
def test_5_000_files_are_read_as_the_csv_module_reads_them_or_refused(
    files: int, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logitlab.data.csv_blocks.BLOCK_BYTES", block)
    random_, path = random.Random(block), tmp_path / "t.csv"
    read = 0
    for _ in range(files):
        content = generated(random_)
        path.write_text(content, encoding="utf-8", newline="")
        try:
            frame = reading.read(path, kinds={})
        except UserError as error:
            assert "polars" not in str(error), (content, str(error))
            continue
        header, *rows = expected(content)
        width = len(frame.columns)
        assert [" ".join(name.split()) for name in header[:width]] == [" ".join(name.split()) for name in frame.columns], repr(
            content
        )
        assert all(row[width:] == [""] * (len(header) - width) and len(row) == len(header) for row in rows), repr(content)
        assert [[cell or "" for cell in row] for row in frame.rows()] == [row[:width] for row in rows], repr(content)
        read += 1
    assert read > files // 4, "both outcomes are met often"


def refusal(path: Path, content: bytes, **arguments: Any) -> str:
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        reading.read(path, **arguments)
    return str(caught.value)


SINGLE = "y,b,size\n"
MISPLACED = {
    # content: what the refusal names
    SINGLE + '1,2,"5" pipe"\n0,3,7\n1,3,"6" pipe"\n0,4,8\n': ("row 1", "'size'", "text stands behind", '"5"" pipe"'),
    SINGLE + '1,2,7\n1,2,5" pipe\n0,3,6" pipe\n': ("row 2", "'size'", "inside a value", '"5"" pipe"'),
    SINGLE + '1,2,"a\nb"\n1,2,"c"\n1,"x"y,3\n': ("row 3", "'b'", '"x""y"'),
    SINGLE + '1,2,3\n1, "2",3\n': ("row 2", "'b'", "space before the quote"),
    SINGLE + '1,2,3\n1,2,"6 pipe\n1,2,"7 pipe\n': ("row 2", "'size'", "'\"6 pipe'", "stands before '7 pipe'"),
    SINGLE + '1,2,3\n1,2,"6 pipe\n1,2,3\n': ("row 2", "'size'", "never closed"),
    SINGLE.replace("b", '"b"x') + "1,2,3\n": ("header", "name 2", '"b""x"'),
    SINGLE.replace("b", '"b') + "1,2,3\n": ("header", "name 2", "never closed"),
}


@pytest.mark.parametrize("content", MISPLACED)
@pytest.mark.parametrize("separator", [",", ";"])
def test_a_quote_that_is_not_doubled_is_refused_by_row_and_column(content: str, separator: str, tmp_path: Path) -> None:
    content, words = content.replace(",", separator), MISPLACED[content]
    answer = refusal(tmp_path / "t.csv", content.encode(), form=TableOptions(separator))
    assert [word for word in words if word not in answer] == [], answer


CUT = "ends in the middle of a letter"
ODD_FILES: dict[str, tuple[bytes, str, tuple[str, ...]]] = {
    "cut in its last letter": ("a,b\n1,é".encode()[:-1], "utf-8", (CUT, "cut off", "UTF-8")),
    "cut in its last letter, utf-16": ("a,b\n1,é".encode("utf-16")[:-1], "utf-16", (CUT, "utf-16")),
    "cut in its last letter, cp949": ("a,b\n1,가".encode("cp949")[:-1], "cp949", (CUT, "cp949")),
    "a byte order mark alone": (codecs.BOM_UTF8, "utf-8", ("empty", "byte order mark", "not even a header")),
    "a byte order mark alone, utf-16": (codecs.BOM_UTF16, "utf-16", ("empty", "byte order mark")),
    "empty lines alone": (b"\r\n\n\n", "utf-8", ("empty lines alone", "not even a header")),
    "70 MB of empty lines": (b"\n" * 70_000_000, "utf-8", ("empty lines alone",)),
    "70 MB of empty lines before a header": (b"\n" * 70_000_000 + b"a,b\n1,2\n", "utf-8", ("70,000,000 empty lines", "header")),
    "20 MB of empty lines within": (b"a,b,c,d\n1,2,3,4\n" + b"\n" * 20_000_000 + b"1,2,3,4\n", "utf-8", ("row 2", "empty")),
    "70 MB of empty lines in quotes": (b'a,b\n1,"' + b"\n" * 70_000_000, "utf-8", ("row 1", "'b'", "never closed")),
    "a line of 70 MB": (b"a,b\n1," + b"2" * 70_000_000, "utf-8", ("more than 64 MiB", "'1,222")),
    "a header of 70 MB": (b"a" * 70_000_000, "utf-8", ("more than 64 MiB", "'aaaa")),
    "70 MB with CR alone": (b"a,b\r" * 17_500_000, "utf-8", ("CR alone",)),
    "a line of 3 MB with separators": (
        b"a,b\n1" + b",2" * 1_500_000 + b"\n",
        "utf-8",
        ("row 1", "1,500,001 values for 2 columns"),
    ),
    "no encoding of texts": (b"a\n1\n", "base64", ("data.encoding=base64", "unknown")),
}


@pytest.mark.parametrize("name", ODD_FILES)
def test_odd_files_get_the_sentence_that_is_true_of_them(name: str, tmp_path: Path) -> None:
    content, encoding, words = ODD_FILES[name]
    with pytest.raises(UserError) as caught:
        (tmp_path / "t.csv").write_bytes(content)
        reading.read(tmp_path / "t.csv", TableOptions(encoding=encoding))
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)


def test_70_mb_of_empty_lines_at_the_end_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,2\n" + b"\n" * 70_000_000)
    assert reading.read(tmp_path / "t.csv").rows() == [(1.0, 2.0)]
