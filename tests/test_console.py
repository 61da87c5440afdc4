"""What reaches a terminal is printable, and a spreadsheet runs nothing."""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import ROOT, environment, run_command

from logitlab import spreadsheet
from logitlab.console import Printable, one_line, printable

ESCAPES = "\x1b]0;owned\x07\x1b[2J"
TURNED = "a\u202ecba"


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    for shown in (printable(text), one_line(text)):
        assert not any((ord(each) < 32 and each not in "\t\n") or 127 <= ord(each) < 160 for each in shown)
        shown.encode()
    assert not set("\t\n") & set(one_line(text))


def test_letters_of_every_script_stay() -> None:
    for text in ("합격 여부", "größe", "العمر", "年齢", "naïve café", "👩‍🔬 x²", "tab\tand\nline"):
        assert printable(text) == text
    assert printable(ESCAPES) == "\\x1b]0;owned\\x07\\x1b[2J"
    assert printable(TURNED) == "a\\u202ecba"
    assert printable("\x9b31m\x7f\udc80") == "\\x9b31m\\x7f\\udc80"


def test_a_stream_stays_what_it_was() -> None:
    stream = io.StringIO()
    guarded = Printable(stream)
    print("x", ESCAPES, file=guarded)
    assert stream.getvalue() == "x \\x1b]0;owned\\x07\\x1b[2J\n"
    assert not guarded.isatty()


HARMFUL = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "'=1", "''+x", "-x", "=", "-"]
HARMLESS = ["a=1", "'a", "x-y", "", "1", "-1", "+1.5", "-1e-5", "-1,5", "1.234,5", "2026-01-01", "'", "합격"]


def test_what_a_spreadsheet_would_run_gets_an_apostrophe() -> None:
    assert [spreadsheet.safe(text) for text in HARMFUL] == [f"'{text}" for text in HARMFUL]
    assert [spreadsheet.safe(text) for text in HARMLESS] == HARMLESS


@given(st.text())
def test_the_true_text_is_read_back(text: str) -> None:
    assert spreadsheet.plain(spreadsheet.safe(text)) == text
    assert spreadsheet.safe(text)[:1] not in {*"=@\t\r\n"}


def test_a_table_is_made_safe_as_its_cells_are() -> None:
    texts = [*HARMFUL, *HARMLESS, None]
    frame = pl.DataFrame({"=name": texts, "number": [-1.5] * len(texts), "kind": pl.Series(texts, dtype=pl.Categorical)})
    safe = spreadsheet.safe_frame(frame)
    expected = [None if text is None else spreadsheet.safe(text) for text in texts]
    assert safe.columns == ["'=name", "number", "kind"]
    assert safe["'=name"].to_list() == safe["kind"].to_list() == expected
    assert safe["number"].equals(frame["number"])


def write_odd_table(path: Path) -> None:
    """Write a table whose columns and categories are called what a stranger would call them."""
    header = ["=HYPERLINK(1)", f"age{ESCAPES}", "y"]
    kinds = ["=1+1", f"b{ESCAPES}", "@c", "-d"]
    rows = [[kinds[row % 4], row % 7 - 3, int(row * 7919 % 11 > 4)] for row in range(200)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with such a table and a run on it, and what train.py printed."""
    folder = tmp_path_factory.mktemp("odd")
    write_odd_table(folder / "t.csv")
    command = ["data=table", "data.path=t.csv", "data.target=y", "optimizer=newton", "penalty=null", "hydra.run.dir=run"]
    return folder, told(folder, "train", *command)


def told(folder: Path, door: str, *arguments: str) -> str:
    done = run_command(door, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_odd_names_reach_neither_terminal_nor_spreadsheet(odd: tuple[Path, str]) -> None:
    folder, printed = odd
    printed += told(folder, "explain", "run=run")
    printed += told(folder, "evaluate", "run=run", "data.path=t.csv")
    printed += told(folder, "predict", "run=run", "data.path=t.csv", "output=p.csv", "keep=all")
    printed += told(folder, "report", "run=run")
    assert "\x1b" not in printed and "\x07" not in printed
    assert "age\\x1b]0;owned\\x07" in printed
    head, *rows = csv.reader((folder / "p.csv").read_text().splitlines())
    assert head == ["'=HYPERLINK(1)", f"age{ESCAPES}", "y", "probability", "class"]
    assert {row[0] for row in rows} == {"'=1+1", f"b{ESCAPES}", "'@c", "'-d"}
    assert {float(row[1]) for row in rows} == set(range(-3, 4))
    names = [row[0] for row in csv.reader((folder / "run/coefficients.csv").read_text().splitlines())]
    assert any(name.startswith("'=HYPERLINK(1)=") for name in names)
    page = (folder / "run/report.html").read_text()
    assert "=HYPERLINK(1)=" in page and "&#39;=HYPERLINK(1)" not in page and "'=HYPERLINK(1)" not in page


@pytest.mark.slow
def test_the_switch_leaves_texts_as_they_are(odd: tuple[Path, str]) -> None:
    folder, _ = odd
    told(folder, "predict", "run=run", "data.path=t.csv", "output=q.csv", "keep=all", "spreadsheet_safe=false")
    assert pl.read_csv(folder / "q.csv").select(pl.read_csv(folder / "t.csv").columns).equals(pl.read_csv(folder / "t.csv"))


@pytest.mark.slow
def test_a_terminal_shows_predictions_printable(odd: tuple[Path, str]) -> None:
    folder, _ = odd
    master, slave = os.openpty()
    command = [sys.executable, ROOT / "predict.py", "run=run", "data.path=t.csv", "output=-", "keep=all"]
    with subprocess.Popen(command, cwd=folder, env=environment(), stdout=slave, stderr=subprocess.DEVNULL) as process:
        os.close(slave)
        shown = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:
                break
            if not part:
                break
            shown += part
    os.close(master)
    assert process.returncode == 0
    assert b"\\x1b]0;owned" in shown and b"\x1b" not in shown
