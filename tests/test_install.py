"""The wheel, installed into an environment of its own, from a directory that has nothing to do with the project."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from processes import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of a copy of the project: a build writes beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "project"
    wanted = ("src", "conf", "pyproject.toml", "README.md", "LICENSE")
    for path in (ROOT / name for name in wanted):
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(path, copy / path.name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(path, copy)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(copy)], check=True, capture_output=True, text=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


def needed(name: str = "logitlab") -> set[str]:
    """Return the distributions that one needs to run, itself included; nothing of an extra."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        found.add(name := waiting.pop())
        requirements = map(Requirement, metadata.requires(name) or ())
        wanted = {each.name for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})}
        waiting += wanted - found
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as `pip install .` makes it: the wheel and links to what it needs, nothing optional."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in needed() - {"logitlab"}:
        distribution = metadata.distribution(name)
        for top in {path.parts[0] for path in distribution.files or () if path.parts[0] not in ("..", "__pycache__")}:
            if not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install", "--quiet", "--no-deps", "--no-index"]
    env = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH"
    }  # what lies there would pass for installed
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True, text=True, timeout=120, env=env)
    return folder / "bin/python"


def run(python: Path, *words: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the console command of an environment; without PYTHONPATH."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "HYDRA"))}
    command = [str(python.parent / words[0]), *words[1:]]
    done = subprocess.run(command, cwd=cwd, env=inherited, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_the_wheel_holds_the_configs_and_nothing_of_the_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {name.removeprefix("logitlab/conf/") for name in names if name.startswith("logitlab/conf/")}
    assert shipped == {str(path.relative_to(ROOT / "conf")) for path in (ROOT / "conf").rglob("*") if path.is_file()}
    assert "logitlab/py.typed" in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"logitlab", "hydra_plugins"}


def test_every_command_works_in_an_empty_folder(python: Path, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("hours,passed\n" + "".join(f"{hours},{passed}\n" for hours, passed in ((1, 0), (4, 1), (3, 0), (7, 1))))
    trained = run(python, "logitlab", "train", "data=table", "data.path=rows.csv", "data.target=passed", "data.split=none",
                  "trainer.max_epochs=3", "hydra.run.dir=outputs/run", cwd=tmp_path)  # fmt: skip
    assert "Trained model=logits on data=table (4 rows, 1 feature): 3 epochs" in trained.stdout
    run(python, "logitlab", "predict", "run=outputs/run", "data.path=rows.csv", "output=predictions.csv", cwd=tmp_path)
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 5
    evaluated = run(python, "logitlab", "evaluate", "run=outputs/run", "data.path=rows.csv", cwd=tmp_path)
    assert "Evaluated outputs/run on rows.csv" in evaluated.stdout
    assert "hours" in run(python, "logitlab", "explain", "run=outputs/run", cwd=tmp_path).stdout
    run(python, "logitlab", "report", "run=outputs/run", cwd=tmp_path)
    assert (tmp_path / "outputs/run/report.html").exists()
    chosen = run(python, "logitlab", "select_penalty", "selection.values=[1,0.1]", cwd=tmp_path)
    assert "data=study" in chosen.stdout


def test_a_sweep_writes_to_outputs_and_records_its_command(python: Path, tmp_path: Path) -> None:
    """The launchers are Hydra plugins: they are found in the environment."""
    sweep = ("train", "-m", "seed=1,2", "trainer.max_epochs=2", "hydra/launcher=batched")
    run(python, "python", "-m", "logitlab", *sweep, cwd=tmp_path)
    (folder,) = (tmp_path / "outputs/sweeps").iterdir()
    assert len(list(folder.glob("*/metrics.json"))) == 2
    environment = (next(folder.glob("*/environment.json"))).read_text()
    assert '"command": "python -m logitlab train -m seed=1,2' in environment


def test_configs_of_ones_own_are_found(python: Path, tmp_path: Path) -> None:
    for folder, name in ("mine", "Rprop"), ("other", "Adagrad"):
        (tmp_path / folder / "optimizer").mkdir(parents=True)
        text = f"_target_: torch.optim.{name}\n_partial_: true\nlr: 0.01\n"
        (tmp_path / folder / "optimizer" / f"{name.lower()}.yaml").write_text(text)
    given = ("--config-dir", "mine", "-m", "hydra.searchpath=[file://other]", "hydra.sweep.dir=sweep", "trainer.max_epochs=1")
    done = run(python, "logitlab", "train", *given, "optimizer=rprop,adagrad", cwd=tmp_path)
    assert "Sweep of 2 runs: 2 finished" in done.stdout


def test_errors_name_the_command_that_was_typed(python: Path, tmp_path: Path) -> None:
    def words(text: str) -> str:
        return " ".join(text.split())

    bare = run(python, "logitlab", cwd=tmp_path, code=2)
    assert words(bare.stderr).startswith("Error: No command was given. There are: train, predict,")
    misspelt = run(python, "logitlab", "trian", cwd=tmp_path, code=2)
    assert "'trian' is not a command of logitlab. Did you mean 'train'?" in words(misspelt.stderr)
    missing = run(python, "logitlab", "train", "data=table", cwd=tmp_path, code=2)
    assert "as in logitlab train data=table data.path=students.csv" in words(missing.stderr)
    assert "logitlab train ckpt_path=" in run(python, "logitlab", "train", "--help", cwd=tmp_path).stdout
    assert "select_penalty" in run(python, "logitlab", "--help", cwd=tmp_path).stdout
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_is_optional_is_named_by_its_packages(python: Path, tmp_path: Path) -> None:
    """The project itself is on no package index, so no message names it as something to install."""
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    (tmp_path / "run/checkpoints/last.ckpt").touch()
    exported = " ".join(run(python, "logitlab", "export", "run=run", cwd=tmp_path, code=2).stderr.split())
    assert "logitlab export needs onnx and onnxscript and onnxruntime: type pip install 'onnx<2" in exported
