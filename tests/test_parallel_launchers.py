"""Sweeps in many processes: the same runs as one after another, whatever happens to the processes."""

import os
import signal
import time
from pathlib import Path

import pytest
from processes import ROOT, Forked, environment
from runs import finished, rows

pytestmark = pytest.mark.slow

RUNS = ("optimizer.lr=0.1,1,-1", "seed=range(6)", "trainer.max_epochs=200", "hydra.launcher.alone=6")
"""Twelve runs that can be trained together, and six mistakes."""
SLURM = Path(__file__).parent / "slurm"


def same_tables(one: Path, other: Path) -> None:
    """Fail unless two sweeps have the same runs with the same words, and numbers that agree as float32's can."""
    tables = [{row["directory"]: row for row in rows(sweep)} for sweep in (one, other)]
    assert tables[0].keys() == tables[1].keys()
    for name, row in tables[0].items():
        for key, text in row.items():
            if key == "value" or key.startswith("train/"):
                other_text = tables[1][name][key]
                assert float(text or "nan") == pytest.approx(float(other_text or "nan"), rel=2e-5, abs=1e-7, nan_ok=True), (
                    name,
                    key,
                )
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
    process = Forked(("-m", *RUNS[:-1], "hydra.sweep.dir=sweep"), directory, environment())
    assert process.wait(300) == 1, process.output()
    return directory / "sweep"


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_the_same_runs_as_one_after_another(run_train, tmp_path, one_after_another, launcher):
    command = ("-m", f"hydra/launcher={launcher}", "hydra.launcher.workers=2", *RUNS)
    ran = run_train(*command)
    assert ran.returncode == 1, ran.stderr
    assert "18 in 3 chunks" in ran.stdout
    assert "optimizer.lr=-1 is not allowed" in ran.stdout
    assert "Error:" not in ran.stderr, "workers are quiet"
    [sweep] = (tmp_path / "outputs" / "sweeps").iterdir()  # the workers know it by the name that the sweep gave it
    same_tables(sweep, one_after_another)
    before = finished(sweep)
    assert len(before) == 12
    again = run_train(*command, f"sweep.resume={sweep}")
    assert again.returncode == 1, again.stderr
    assert "12 finished already, 6 in 1 chunk" in again.stdout
    assert finished(sweep) == before


@pytest.mark.parametrize(
    ("launcher", "members", "signals"),
    [
        ("joblib", 1, (signal.SIGKILL, signal.SIGTERM)),
        ("submitit_local", 2, (signal.SIGKILL,)),
        ("ray", 1, (signal.SIGINT,)),
    ],
)
def test_a_killed_sweep_leaves_no_process_and_goes_on(fork, tmp_path, one_after_another, launcher, members, signals):
    command = ("-m", f"hydra/launcher={launcher}", "hydra.launcher.workers=2", f"hydra.launcher.members={members}", *RUNS)
    sweep = tmp_path / "sweep"
    before: dict[str, int] = {}
    for number in (*signals, None):
        process = fork(*command, "hydra.sweep.dir=sweep")
        while number is not None and process.alive() and len(finished(sweep)) == len(before):
            time.sleep(0.05)
        if number is not None:
            process.send(number)
        code = process.wait(120)
        assert code == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130, None: 1}[number], process.output()
        assert "Traceback" not in process.output()
        deadline = time.monotonic() + 30
        while left := workers_of(tmp_path):
            assert time.monotonic() < deadline, left
            time.sleep(0.2)
        assert before.items() <= finished(sweep).items(), "a finished run was written again"
        before = finished(sweep)
        assert (len(before) < 12) == (number is not None), "the sweep was over before the signal came"
    same_tables(sweep, one_after_another)


@pytest.mark.parametrize(("launcher", "words"), [("joblib", "popen_loky_posix"), ("submitit_local", "submitit.core._submit")])
def test_runs_of_a_worker_that_dies_are_listed(fork, tmp_path, launcher, words):
    command = ("-m", f"hydra/launcher={launcher}", "hydra.launcher.workers=2", "hydra.launcher.members=4", "seed=range(8)")
    process = fork(*command, "trainer.max_epochs=3000", "hydra.sweep.dir=sweep")
    deadline = time.monotonic() + 90
    while not (workers := [each for each in workers_of(tmp_path) if words in Path(f"/proc/{each}/cmdline").read_text()]):
        assert time.monotonic() < deadline, process.output()
        time.sleep(0.05)
    time.sleep(1)  # it is busy with its first chunk: torch alone takes longer to import
    os.kill(workers[0], signal.SIGKILL)
    assert process.wait(90) == 1
    lost = [row for row in rows(tmp_path / "sweep") if row["status"] == "failed"]
    assert lost
    told = process.output()
    assert len(rows(tmp_path / "sweep")) == 8
    assert all(row["directory"] in told and "Error" in row["reason"] for row in lost)


def test_slurm_gets_the_array_and_its_options(run_train, tmp_path, one_after_another):
    """Slurm itself is not here: tests/slurm/sbatch runs the script that Slurm would get."""
    ran = run_train(
        "-m", "hydra/launcher=submitit_slurm", "hydra.launcher.workers=2",
        "hydra.launcher.partition=short", "hydra.launcher.mem_gb=2", "hydra.launcher.cpus_per_task=1",
        "hydra.launcher.timeout_min=30", "+hydra.launcher.additional_parameters.mail_user=me", *RUNS, "hydra.sweep.dir=sweep",
        env={"PATH": f"{SLURM}:{os.environ['PATH']}", "FAKE_SLURM": str(tmp_path)},
    )  # fmt: skip
    assert ran.returncode == 1, ran.stderr
    script = (tmp_path / "submitted.sh").read_text()
    for option in (
        "array=0-2%2",
        "partition=short",
        "mem=2GB",
        "cpus-per-task=1",
        "time=30",
        "mail-user=me",
        "job-name=logitlab",
    ):
        assert f"#SBATCH --{option}\n" in script
    same_tables(tmp_path / "sweep", one_after_another)


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "ray", "submitit_slurm"])
def test_a_missing_package_is_named_before_anything_begins(run_train, tmp_path, launcher):
    package = launcher.partition("_")[0]
    hide = f"import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == {package!r} else f(n, *a)"
    (tmp_path / "sitecustomize.py").write_text(hide + "\n")
    env = {"PYTHONPATH": f"{tmp_path}:{ROOT / 'src'}"}
    ran = run_train(
        "-m",
        f"hydra/launcher={launcher}",
        "seed=1,2",
        "hydra.sweep.dir=sweep",
        env=env,
        because="Python reads sitecustomize as it starts",
    )
    assert ran.returncode == 2, ran.stderr
    assert f"pip install '{package}<" in " ".join(ran.stderr.split())
    assert not (tmp_path / "sweep" / "seed=1").exists()
