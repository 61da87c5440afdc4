"""The snapshot of what a run ran on."""

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from processes import ROOT

from logitlab.runs import environment


def test_holds_what_a_repetition_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["train.py", "data=hours", "model.weight=[1, 2]"])
    snapshot = environment.snapshot("abc")
    assert snapshot["command"] == "python train.py data=hours 'model.weight=[1, 2]'"
    assert snapshot["data_fingerprint"] == "abc"
    assert snapshot["packages"]["torch"] == version("torch")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    if head.returncode == 0:
        assert snapshot["git"]["commit"] == head.stdout.strip()


def test_outside_of_a_checkout_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "environment.py"))
    assert environment._git() is None
