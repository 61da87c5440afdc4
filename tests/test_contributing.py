"""Every recipe of CONTRIBUTING.md is put into a copy of the project and its command is run."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest
from processes import ROOT, environment

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`([^`\n]+)`\n\n```\w+\n(.*?)```", TEXT, re.DOTALL | re.MULTILINE)
FORMAT = re.search(r'```python\n(    "\w+": Entry.*?\n)```', TEXT)
COMMANDS = re.findall(r"^\$ (python .*)$", TEXT, re.MULTILINE)
SAYS = {
    "model=deep": "model=deep on data=",
    "data=both": "data=both (4 rows, 2 features)",
    "data=ring": "data=ring (160 rows, 2 features)",
    "data=table data.path=scores.aligned data.target=passed data.split=none": "1 columns become 1 features",
    "optimizer=rprop": "2 epochs",
    "optimizer=lion": "2 epochs",
    "metrics=youden": "\n  youden  ",
    "logger=[tensorboard,lines]": "step 0: weight/",
    "experiment=scores_adam": "data=scores",
    "results=cutoff data=scores": "cut-off",
    "callbacks=stopwatch": "ms an epoch",
}
TOGETHER = [
    [command for command in COMMANDS if any(part in command for part in parts)]
    for parts in (
        ("model=deep", "data=both", "optimizer=rprop", "callbacks="),
        ("data=ring", "optimizer=lion", "metrics=", "logger="),
        ("experiment=",),
        ("results=",),
        ("data=table",),
    )
]
"""Those that may share a run do: the imports take longer than the training."""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with the files of all recipes in it."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "train.py", folder)
    for path, content in FILES:
        assert not (folder / path).exists(), f"{path} is there already: a recipe adds files"
        (folder / path).write_text(content, encoding="utf-8")
    assert FORMAT is not None
    formats = folder / "src/logitlab/table_formats.py"
    formats.write_text(formats.read_text().replace("FORMATS = {\n", f"FORMATS = {{\n{FORMAT[1]}"))
    return folder


def test_there_is_a_recipe_for_each_kind_of_part():
    assert len(COMMANDS) == len(SAYS) == 11
    assert len(FILES) == 19


@pytest.mark.slow
@pytest.mark.parametrize("together", TOGETHER, ids=str)
def test_the_recipes_run_as_they_stand(together, project):
    given = [argument for command in together for argument in shlex.split(command)[2:]]
    done = subprocess.run(
        [sys.executable, "train.py", *given, "trainer.max_epochs=2", "hydra.run.dir=run"],
        cwd=project,
        env=environment({"PYTHONPATH": str(project / "src")}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    shutil.rmtree(project / "run")
    assert done.returncode == 0, done.stderr
    for command in together:
        assert SAYS[command.removeprefix("python train.py ")] in done.stdout


@pytest.mark.slow
def test_the_recipes_pass_the_linter_and_are_formatted(project):
    for arguments in (["check"], ["format", "--check"]):
        config = ["--config", str(ROOT / "pyproject.toml")]
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, *config, "src"], cwd=project, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
