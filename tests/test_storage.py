"""File systems that cannot do everything, folders that cannot be written, and what killed processes leave behind."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from logitlab.errors import UserError
from logitlab.runs.run_directory import RunDirectory


def as_nobody(directory: Path) -> str:
    """Return what a user who is not root is told of a run in a directory; "" where all is well."""
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        with os.fdopen(reading) as told:
            words = told.read()
        os.waitpid(child, 0)
        return words
    try:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        try:
            with RunDirectory(directory).locked():
                words = ""
        except UserError as error:
            words = str(error)
        except BaseException as error:
            words = f"traceback: {error!r}"
        os.write(writing, words.encode())
    finally:
        os._exit(0)


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder that nobody can go through: pytest's own belong to this user alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("closed", ["run", "run/checkpoints", "run/.hydra"])
def test_a_folder_that_cannot_be_written_is_found_before_the_first_epoch(everybodys: Path, closed: str) -> None:
    for name in ("run", "run/checkpoints", "run/.hydra"):
        (everybodys / name).mkdir()
        (everybodys / name).chmod(0o777)
    assert as_nobody(everybodys / "run") == ""
    (everybodys / closed).chmod(0o555)
    told = as_nobody(everybodys / "run")
    assert f"{everybodys / closed} cannot be written: Permission denied" in told and "hydra.run.dir=" in told


def test_a_folder_where_a_file_is_to_be_is_named(tmp_path, fit):
    (tmp_path / "run" / "metrics.json").mkdir(parents=True)
    with pytest.raises(UserError, match=r"metrics\.json is a folder, and a file of that name is to be written"):
        fit("trainer.max_epochs=2")


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_hard_links_the_checkpoint_before_is_a_copy(fit, monkeypatch, number):
    def refuse(*args: object, **more: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    run = fit("trainer.max_epochs=3")
    before = (run.path / "checkpoints" / "last.ckpt").read_bytes()
    run = fit("trainer.max_epochs=6", f"ckpt_path={run.path}")
    assert (run.path / "checkpoints" / "last.ckpt.previous").read_bytes() == before != run.checkpoint()
    assert run.checkpoint()["epoch"] == 6 and not list((run.path / "checkpoints").glob(".*"))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_a_run_goes_on_with_a_note(fit, monkeypatch, capsys, number):
    def refuse(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert "train/loss" in fit("trainer.max_epochs=2").json()
    assert capsys.readouterr().err.count("a file system without locks") == 1


def test_without_syncing_a_run_goes_on(fit, monkeypatch):
    def refuse(descriptor: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", refuse)
    run = fit("trainer.max_epochs=2")
    assert run.checkpoint()["epoch"] == 2


def test_what_a_killed_process_left_is_swept_at_the_next_start(fit):
    run = fit("trainer.max_epochs=2")
    left = [".metrics.json.0123456789abcdef.tmp", "checkpoints/.last.ckpt.77.tmp", ".hydra/.config.yaml.00.tmp"]
    for name in left:
        (run.path / name).write_text("half")
    (run.path / ".hydra.0123456789abcdef.tmp").mkdir()
    (run.path / ".report.html.0123456789abcdef.tmp").write_text("another command is writing it")
    (run.path / ".mine").write_text("kept")
    fit("trainer.max_epochs=4", f"ckpt_path={run.path}")
    assert not [name for name in (*left, ".hydra.0123456789abcdef.tmp") if (run.path / name).exists()]
    assert (run.path / ".mine").exists() and (run.path / ".report.html.0123456789abcdef.tmp").exists()
