"""The pages of docs/ beside learn.md: their training commands run, the files and sections they link to are there."""

import re
import shlex

import breast_cancer
import pytest
import readme
from processes import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
LINK = re.compile(r"\]\(([^)#:]*)(?:#([\w-]+))?\)")


def trainings(name):
    """Return the arguments of each `python train.py` on a page that ends well."""
    commands = (shlex.split(command.partition(";")[0]) for command in readme.commands(page(name)) if "exit code" not in command)
    return [words[2:] for words in commands if words[:2] == ["python", "train.py"]]


def page(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["statistics.md", "sweeps.md"])
def test_every_training_command_runs(run_train, tmp_path, name):
    assert trainings(name)
    if "breast_cancer.csv" in page(name):
        breast_cancer.main(tmp_path / "breast_cancer.csv")
    for arguments in trainings(name):
        done = run_train(*arguments, "trainer.max_epochs=20")
        assert done.returncode == 0, f"python train.py {' '.join(arguments)}\n{done.stdout}{done.stderr}"


def headings(path):
    """Return the anchors that GitHub makes of a page's headings."""
    lines = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("path", [*PAGES, *sorted(ROOT.glob("*.md"))], ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    for target, section in LINK.findall(path.read_text(encoding="utf-8")):
        file = path.parent / target if target else path
        assert file.exists(), f"{path.name}: {target}"
        assert not section or section in headings(file), f"{path.name}: {target}#{section}"
