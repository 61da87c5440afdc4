"""The run directory: never shared, never half written, found before epoch 1 if it cannot be used."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from processes import environment

from logitlab.errors import RunError, UserError
from logitlab.runs.run_directory import RunDirectory, choose, find_checkpoint


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return a run directory that holds a last.ckpt."""
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    (tmp_path / "run/checkpoints/last.ckpt").touch()
    return tmp_path / "run"


def test_a_new_run_has_its_process_in_its_name() -> None:
    assert choose(None, "outputs/x") == f"outputs/x-{os.getpid()}"


def test_a_resumed_run_stays_in_its_directory(saved: Path) -> None:
    assert choose(str(saved), "fresh") == str(saved)
    assert choose(str(saved / "checkpoints/last.ckpt"), "fresh") == str(saved)
    assert choose("last", "fresh").startswith("fresh-")
    assert choose("missing.ckpt", "fresh").startswith("fresh-")


def test_a_checkpoint_elsewhere_starts_a_new_directory(tmp_path: Path) -> None:
    (tmp_path / "some.ckpt").touch()
    assert choose(str(tmp_path / "some.ckpt"), "fresh").startswith("fresh-")


def test_finds_the_checkpoint_that_is_meant(saved: Path) -> None:
    last = saved / "checkpoints/last.ckpt"
    assert find_checkpoint(None, saved) is None
    assert find_checkpoint(str(saved), Path("elsewhere")) == last
    assert find_checkpoint("last", saved) == last
    assert find_checkpoint(str(last), Path("elsewhere")) == last


@pytest.mark.parametrize("given", ["last", "missing", "missing/last.ckpt", "."])
def test_nothing_to_resume_from_is_the_users_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"there is no checkpoint .* to resume from"):
        find_checkpoint(given, tmp_path)


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    code = (
        "import sys; from logitlab.runs.run_directory import RunDirectory; from logitlab.errors import RunError, UserError\n"
        "try:\n with RunDirectory(sys.argv[1]).locked(): print('in')\nexcept UserError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    with RunDirectory(tmp_path / "run").locked():
        held = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout
    after = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout
    assert "Another process is training in" in held
    assert after == "in\n"


def test_a_folder_that_cannot_be_made_is_found_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"cannot be written: Not a directory\. Give another one with hydra\.run\.dir"),
        RunDirectory(tmp_path / "file/run").locked(),
    ):
        pass


def test_a_run_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(UserError), run.locked():
        raise UserError("a mistake")
    assert list(run.path.iterdir()) == []


def test_json_holds_no_nan_nor_infinity(tmp_path: Path) -> None:
    RunDirectory(tmp_path).write_json(
        "x.json", {"a": float("nan"), "b": {"c": float("inf"), "d": 1.5}, "e": [float("-inf"), 2]}
    )
    text = (tmp_path / "x.json").read_text()
    assert json.loads(text) == {"a": None, "b": {"c": None, "d": 1.5}, "e": [None, 2]}


def test_a_failed_write_leaves_the_file_before(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.write_text("x.txt", "before")
    before, limit = resource.getrlimit(resource.RLIMIT_FSIZE), 10_000
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        with pytest.raises(RunError, match=r"x\.txt cannot be written: File too large"):
            run.write_text("x.txt", "after" * limit)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]
    assert (tmp_path / "x.txt").read_text() == "before"


def test_a_resume_keeps_the_first_config(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for seed in range(3):
        hydra = OmegaConf.create({"hydra": {"overrides": {"task": [f"seed={seed}"]}}})
        run.write_config(OmegaConf.create({"seed": seed}), hydra)
    seeds = {
        str(path.parent.relative_to(tmp_path)): OmegaConf.load(path).seed for path in tmp_path.glob(".hydra/**/config.yaml")
    }
    assert seeds == {".hydra": 0, ".hydra/resumed-1": 1, ".hydra/resumed-2": 2}
