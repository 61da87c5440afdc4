"""Sweeps in many processes: the same runs as one after another, whatever happens to the processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import ROOT
from runs import finished, rows

pytestmark = pytest.mark.slow

LAUNCHERS = ["joblib", "submitit_local", "ray"]
RUNS = ("optimizer.lr=0.1,0.5,1", "seed=range(8)", "trainer.max_epochs=200")
SLURM = Path(__file__).parent / "slurm"


def same_tables(one: Path, other: Path) -> None:
    """Fail unless two sweeps have the same runs with the same words, and numbers that agree as float32's can."""
    tables = [{row["directory"]: row for row in rows(sweep)} for sweep in (one, other)]
    assert tables[0].keys() == tables[1].keys()
    for name, row in tables[0].items():
        for key, text in row.items():
            if key == "value" or key.startswith("train/"):
                assert float(text) == pytest.approx(float(tables[1][name][key]), rel=2e-5, abs=1e-7), (name, key)
            else:
                assert text == tables[1][name][key], (name, key)


def workers_of(directory: Path) -> list[int]:
    """Return the processes that work in a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == directory and (process / "stat").read_text().split(") ")[1][0] != "Z":
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def one_after_another(tmp_path_factory) -> Path:
    """The sweep of RUNS by Hydra's basic launcher."""
    directory = tmp_path_factory.mktemp("basic")
    command = [sys.executable, str(ROOT / "train.py"), "-m", *RUNS, "hydra.sweep.dir=sweep"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=300)
    return directory / "sweep"


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_same_runs_as_one_after_another(run_train, tmp_path, one_after_another, launcher):
    command = ("-m", f"hydra/launcher={launcher}", "hydra.launcher.workers=2", *RUNS)
    ran = run_train(*command, "hydra.sweep.dir=sweep")
    assert ran.returncode == 0, ran.stderr
    assert "24 in 2 chunks" in ran.stdout
    same_tables(tmp_path / "sweep", one_after_another)
    before = finished(tmp_path / "sweep")
    again = run_train(*command, "sweep.resume=sweep")
    assert again.returncode == 0, again.stderr
    assert "24 finished already" in again.stdout
    assert finished(tmp_path / "sweep") == before


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_run_that_fails_does_not_stop_the_others(run_train, tmp_path, launcher):
    ran = run_train(
        "-m", f"hydra/launcher={launcher}", "hydra.launcher.workers=2", "optimizer.lr=0.1,-1,1", "trainer.max_epochs=5",
    )  # fmt: skip
    assert ran.returncode == 1, ran.stderr
    [sweep] = (tmp_path / "outputs" / "sweeps").iterdir()  # the workers know it by the name that the sweep gave it
    assert sorted(row["status"] for row in rows(sweep)) == ["failed", "finished", "finished"]
    assert "optimizer.lr=-1 is not allowed" in ran.stdout
    assert "Error:" not in ran.stderr, "workers are quiet"


@pytest.mark.parametrize(
    ("launcher", "number"),
    [
        ("joblib", signal.SIGKILL),
        ("joblib", signal.SIGTERM),
        ("joblib", signal.SIGINT),
        ("submitit_local", signal.SIGKILL),
        ("submitit_local", signal.SIGINT),
    ],
)
def test_a_killed_sweep_leaves_no_process_and_goes_on(run_train, tmp_path, one_after_another, launcher, number):
    command = ("-m", f"hydra/launcher={launcher}", "hydra.launcher.workers=2", "hydra.launcher.members=6", *RUNS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    sweep = tmp_path / "sweep"
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "train.py"), *command, "hydra.sweep.dir=sweep"],
            cwd=tmp_path, env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 90
        while not finished(sweep):
            assert process.poll() is None, (tmp_path / "output").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        code = process.wait(60)
    assert code == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number], (tmp_path / "output").read_text()
    while left := workers_of(tmp_path):
        assert time.monotonic() < deadline + 30, left
        time.sleep(0.2)
    before = finished(sweep)
    assert len(before) < 24, "the sweep was over before the signal came"
    ran = run_train(*command, "sweep.resume=sweep")
    assert ran.returncode == 0, ran.stderr
    assert before.items() <= finished(sweep).items(), "a finished run was written again"
    same_tables(sweep, one_after_another)


@pytest.mark.parametrize(("launcher", "words"), [("joblib", "popen_loky_posix"), ("submitit_local", "submitit.core._submit")])
def test_runs_of_a_worker_that_dies_are_listed(tmp_path, launcher, words):
    command = [sys.executable, str(ROOT / "train.py"), "-m", f"hydra/launcher={launcher}", "hydra.launcher.workers=2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            [*command, "hydra.launcher.members=5", "seed=range(20)", "trainer.max_epochs=3000", "hydra.sweep.dir=sweep"],
            cwd=tmp_path, env=environment, stdout=output, stderr=output,
        )  # fmt: skip
        deadline = time.monotonic() + 90
        while not (workers := [each for each in workers_of(tmp_path) if words in Path(f"/proc/{each}/cmdline").read_text()]):
            assert time.monotonic() < deadline, (tmp_path / "output").read_text()
            time.sleep(0.05)
        time.sleep(1)  # it is busy with its first chunk: torch alone takes longer to import
        os.kill(workers[0], signal.SIGKILL)
        assert process.wait(90) == 1
    lost = [row for row in rows(tmp_path / "sweep") if row["status"] == "failed"]
    assert lost
    told = (tmp_path / "output").read_text()
    assert len(rows(tmp_path / "sweep")) == 20
    assert all(row["directory"] in told and "Error" in row["reason"] for row in lost)


def test_slurm_gets_the_array_and_its_options(run_train, tmp_path, one_after_another):
    """Slurm itself is not here: tests/slurm/sbatch runs the script that Slurm would get."""
    ran = run_train(
        "-m", "hydra/launcher=submitit_slurm", "hydra.launcher.workers=2", "hydra.launcher.members=12",
        "hydra.launcher.partition=short", "hydra.launcher.mem_gb=2", "hydra.launcher.cpus_per_task=1",
        "hydra.launcher.timeout_min=30", "+hydra.launcher.additional_parameters.mail_user=me", *RUNS, "hydra.sweep.dir=sweep",
        env={"PATH": f"{SLURM}:{os.environ['PATH']}", "FAKE_SLURM": str(tmp_path)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    script = (tmp_path / "submitted.sh").read_text()
    for option in (
        "array=0-1%2",
        "partition=short",
        "mem=2GB",
        "cpus-per-task=1",
        "time=30",
        "mail-user=me",
        "job-name=logreg",
    ):
        assert f"#SBATCH --{option}\n" in script
    same_tables(tmp_path / "sweep", one_after_another)


@pytest.mark.parametrize("launcher", [*LAUNCHERS, "submitit_slurm"])
def test_a_missing_package_is_named_before_anything_begins(run_train, tmp_path, launcher):
    package = launcher.partition("_")[0]
    hide = f"import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == {package!r} else f(n, *a)"
    (tmp_path / "sitecustomize.py").write_text(hide + "\n")
    env = {"PYTHONPATH": f"{tmp_path}:{ROOT / 'src'}"}
    ran = run_train("-m", f"hydra/launcher={launcher}", "seed=1,2", "hydra.sweep.dir=sweep", env=env)
    assert ran.returncode == 2, ran.stderr
    assert f"pip install -e '.[{package}]'" in " ".join(ran.stderr.split())
    assert not (tmp_path / "sweep" / "seed=1").exists()
