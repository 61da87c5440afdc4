"""Files are written whole, and never through a link that came with the directory of a run."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from processes import ROOT, environment
from runs import Run
from trained import compose_job, train_table, write_table

from logitlab.errors import UserError
from logitlab.inference import jobs
from logitlab.reporting import job as report
from logitlab.runs import files
from logitlab.runs.run_directory import RunDirectory

WRITTEN_BY_A_RUN = [
    ".lock",
    ".hydra",
    "checkpoints",
    "checkpoints/last.ckpt",
    "metrics.json",
    "environment.json",
    "events.out.tfevents.9999999999.host.1.0",
    "train.log",
    "pictures",
    ".hydra/resumed-1",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_table(tmp_path_factory.mktemp("trained"), "trainer.max_epochs=2")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder with a file that nobody may touch."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "file").write_text("precious")
    return folder


def linked(run: Path, name: str, victim: Path) -> None:
    path = run / name
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = name in (".hydra", "checkpoints", "pictures", "export", ".hydra/resumed-1")
    path.symlink_to(victim if folder else victim / "file")


def untouched(victim: Path) -> bool:
    return [path.name for path in victim.iterdir()] == ["file"] and (victim / "file").read_text() == "precious"


@pytest.mark.parametrize("name", WRITTEN_BY_A_RUN)
def test_a_run_directory_with_a_link_is_not_written_into(tmp_path: Path, victim: Path, name: str) -> None:
    linked(tmp_path / "run", name, victim)
    with pytest.raises(UserError, match=r"is a symbolic link to .*Remove it"), RunDirectory(tmp_path / "run").locked():
        pass
    assert untouched(victim)


def test_a_run_directory_behind_a_link_of_its_owner_is_fine(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "outputs").symlink_to("disk")
    run = RunDirectory(tmp_path / "outputs/run")
    with run.locked():
        run.write_text("x.txt", "x")
    assert (tmp_path / "disk/run/x.txt").read_text() == "x"


@pytest.mark.parametrize("name", ["x.txt", ".x.txt.tmp", ".x.txt.PID.tmp"])
def test_a_file_takes_the_place_of_a_link(tmp_path: Path, victim: Path, name: str) -> None:
    (tmp_path / ".hydra").mkdir()
    linked(tmp_path, name.replace("PID", str(os.getpid())), victim)
    files.write(tmp_path / "x.txt", "new")
    with files.in_place(tmp_path / "x.txt") as temporary:
        assert files.TEMPORARY.fullmatch(temporary.name)
        temporary.write_text("newer")
    assert (tmp_path / "x.txt").read_text() == "newer"
    assert not (tmp_path / "x.txt").is_symlink()
    assert untouched(victim)


def test_a_new_file_has_the_rights_of_any_other(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write(tmp_path / ("가" * 80), "x")  # 240 bytes of at most 255: the temporary name must not be longer
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / ("가" * 80)).stat().st_mode) == 0o640


def test_report_and_export_follow_no_link_of_a_run(trained: Run, victim: Path) -> None:
    (trained.path / "report.html").symlink_to(victim / "file")
    (trained.path / "export").symlink_to(victim)
    report.report(compose_job("report", f"run={trained.path}"))
    assert not (trained.path / "report.html").is_symlink()
    with pytest.raises(UserError, match="export is a symbolic link"):
        jobs.export(compose_job("export", f"run={trained.path}"))
    (trained.path / "export").unlink()
    (trained.path / "export").mkdir()
    (trained.path / "export/columns.json").symlink_to(victim / "file")
    jobs.export(compose_job("export", f"run={trained.path}"))
    assert untouched(victim)


@pytest.mark.parametrize("name", [".lock", "multirun.yaml", "member", "sweep.csv", ".chunks"])
def test_a_sweep_with_a_link_is_not_written_into(tmp_path: Path, victim: Path, name: str) -> None:
    from logitlab.sweeps.callback import _lock

    sweep = tmp_path / "sweep"
    sweep.mkdir()
    (sweep / name).symlink_to(victim if name in ("member", ".chunks") else victim / "file")
    with pytest.raises(UserError, match="is a symbolic link"):
        _lock(sweep)
    assert untouched(victim)


@pytest.mark.parametrize("name", ["pipe.csv", "pipe"])
def test_a_pipe_is_written_into(trained: Run, tmp_path: Path, name: str) -> None:
    table, pipe = write_table(tmp_path / "new.csv", rows=20), tmp_path / name
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    jobs.predict(compose_job("predict", f"run={trained.path}", f"data.path={table}", f"output={pipe}"))
    reader.join(20)
    assert len(read[0].splitlines()) == 21
    assert pipe.is_fifo()


@pytest.mark.slow
def test_standard_output_as_a_device(trained: Run, tmp_path: Path) -> None:
    table = write_table(tmp_path / "new.csv", rows=20)
    command = [sys.executable, ROOT / "predict.py", f"run={trained.path}", f"data.path={table}", "output=/dev/stdout"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("probability,class\n")
    assert len(done.stdout.splitlines()) == 21
