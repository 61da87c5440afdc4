"""The small files of a run are read as plain values, or refused in words and at once, whatever they hold."""

import json
import os
from pathlib import Path

import pytest

from logitlab.runs.small_files import DamagedFileError, or_note, read_csv, read_json, read_text, read_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)

DAMAGED = {
    "empty": b"",
    "cut short": b'{"a": [1, 2',
    "garbage": bytes(range(256)),
    "zeros": bytes(1000),
    "list for a mapping": b"[1, 2]",
    "a number": b"7",
    "deep": b"[" * 100_000,
    "deep mapping": b'{"a":' * 100_000,
    "many digits": b'{"a": ' + b"1" * 5_000 + b"}",
    "half a character": b'{"a": "\\ud800"}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "metrics.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"metrics\.json is damaged \(.*\)\."):
        read_json(path, dict)


YAML = {
    **{name: DAMAGED[name] for name in ("empty", "cut short", "garbage", "zeros", "list for a mapping", "a number", "deep")},
    "alias bomb": BOMB.encode(),
    "tag": b"a: !!python/object/apply:os.system [echo]",
    "plain tag": b"a: !!set {b}",
    "duplicate": b"a: 1\na: 2",
    "unclosed interpolation": b"a: ${b",
    "a text": b"hello",
    "a comment": b"# nothing",
    "two documents": b"a: 1\n---\nb: 2",
    "too large": b"a: " + b"x" * 3_000_000,
    "a list as a key": b"[a, b]: 1",
    "a mapping as a key": b"{a: b}: 1",
    "deep mapping": b"".join(b" " * level + b"a:\n" for level in range(900)),
}


@pytest.mark.parametrize("content", YAML.values(), ids=YAML.keys())
def test_damaged_yaml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"config\.yaml is damaged \(.*\)\."):
        read_yaml(path, dict)


@pytest.mark.parametrize("content", [b"", b"name,estimate\nx,1,2\n", b"name,estimate\nx\n", b"\xff\xfe", b'name,b\n"x,1'])
def test_damaged_csv_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "coefficients.csv"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"coefficients\.csv is damaged"):
        read_csv(path)


def test_what_is_no_file_is_refused_and_what_is_not_there_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # nobody will ever write into it
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("pipe", "folder", "loop"):
        with pytest.raises(DamagedFileError):
            read_text(tmp_path / name)
    for name in ("nothing", "nothing/in/it"):
        assert read_text(tmp_path / name) is None
        assert read_json(tmp_path / name, dict) is read_yaml(tmp_path / name, dict) is read_csv(tmp_path / name) is None


def test_good_files_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(json.dumps({"a": [1, 2.5, None, "값"], "nan": float("nan"), "inf": float("-inf")})[:-1] + ', "big": 1e999}')
    assert read_json(path, dict) == {"a": [1, 2.5, None, "값"], "nan": None, "inf": None, "big": None}
    path.write_text("lr: 1e-3\nname: ${oc.env:HOME}\ndate: 2026-01-01\nwords: [a, 'no']\n")
    assert read_yaml(path, dict) == {"lr": 1e-3, "name": "${oc.env:HOME}", "date": "2026-01-01", "words": ["a", "no"]}
    path.write_text('name,estimate\n"a\nb",1\n')
    assert read_csv(path) == [{"name": "a\nb", "estimate": "1"}]
    path.write_text("[]\n")
    assert read_yaml(path, list) == []


def test_who_can_do_without_a_file_notes_what_was_wrong(tmp_path: Path) -> None:
    notes: list[str] = []
    assert or_note(lambda: read_json(tmp_path / "a.json", dict), notes.append) is None
    assert notes == []
    (tmp_path / "a.json").write_text("{")
    assert or_note(lambda: read_json(tmp_path / "a.json", dict), notes.append) is None
    assert notes == [f"{tmp_path / 'a.json'} is damaged (no JSON: line 1, column 2)."]
