"""The benchmarks' own machinery: what is measured beside time, what is refused on a busy machine, the page's first table."""

import json
import runpy
import sys
import time
from pathlib import Path

import harness
import pytest
import usage
from processes import ROOT


def test_cpu_time_and_memory_of_a_command_and_of_a_function() -> None:
    def command() -> float:
        return harness.seconds_of([sys.executable, "-S", "-c", "x = bytes(200_000_000) + b'1'"])

    def function() -> float:
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        return 0.1

    times = harness.alternately({"command": command, "function": function}, 1)
    [large], [quick] = times.usage["command"], times.usage["function"]
    assert large.peak > 200e6 and large.cpu > 0  # Linux counts the moment between fork and exec: this process's size
    assert 0.1 <= quick.cpu < 10 and quick.peak > 0
    assert [len(each) for each in times.values()] == [1, 1]


def test_the_first_table_is_what_was_measured_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page, record = tmp_path / "page.md", tmp_path / "headlines.json"
    page.write_text("# Benchmarks\n\n<!-- bench:first -->\n<!-- /bench:first -->\n\nMore.\n")
    record.write_text("{}")
    monkeypatch.setattr(harness, "REPORT", page)
    monkeypatch.setattr(harness, "RECORD", record)
    for ours in (1.0, 3.0):
        harness.headline("a sum", {"ours": [ours, ours], "slow": [9.0, 9.0], "fast": [2.0, 2.0]}, "ours", ["slow", "fast"])
        harness.write_section("sums", "Sums", "Of numbers.", "the table", 0.03)
    text = page.read_text()
    assert text.count("a sum") == 1 == text.count("## Sums")
    assert "| fast | 2 s | 3 s | 1.50 |" in " ".join(text.split())
    assert "other programs took 3% of it" in text and text.index("a sum") < text.index("More.") < text.index("## Sums")
    assert [line["ratio"] for line in json.loads(record.read_text())["sums"]] == [1.5]


def test_the_page_has_the_table_of_the_record() -> None:
    assert harness.first_table(json.loads(harness.RECORD.read_text())) in harness.REPORT.read_text()


def test_nothing_is_written_of_a_busy_machine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(usage, "share_of_others", lambda: 0.8)
    monkeypatch.setattr(sys, "argv", ["bench", "typo"])
    before = harness.REPORT.read_bytes()
    with pytest.raises(SystemExit, match=r"other programs take 80% of it.*--dry.*--force"):
        runpy.run_path(str(ROOT / "scripts" / "bench" / "__main__.py"), run_name="__main__")
    assert harness.REPORT.read_bytes() == before
    monkeypatch.setattr(usage.Others, "share", lambda self: 0.8)
    monkeypatch.setattr(usage, "share_of_others", lambda: 0.0)
    monkeypatch.setattr(harness, "seconds_of", lambda *args, **kwargs: 1.0)
    monkeypatch.setattr(sys, "argv", ["bench", "typo", "--rounds", "1"])
    with pytest.raises(SystemExit, match="Not written, for the machine was busy meanwhile: typo"):
        runpy.run_path(str(ROOT / "scripts" / "bench" / "__main__.py"), run_name="__main__")
    assert "Other programs took 80% of the machine." in capsys.readouterr().out
    assert harness.REPORT.read_bytes() == before
