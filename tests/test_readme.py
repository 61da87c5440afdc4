"""The commands of the README run and print what the README shows; every yaml says how to run it.

The commands run in the README's order in one folder, so that a command that resumes finds what an earlier one left.
"""

import re
import shlex
from pathlib import Path

import breast_cancer
import numpy as np
import pytest
import readme
from processes import ROOT, Forked

TEXT = readme.README.read_text(encoding="utf-8")
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?")
DOORS = {"train.py", "evaluate.py", "predict.py", "explain.py", "export.py", "scripts/breast_cancer.py"}
YAMLS = sorted((ROOT / "conf").rglob("*.yaml"))


def trainings() -> list[tuple[list[str], dict[str, str], int]]:
    """Return (arguments, environment, exit code) of each `python train.py` in a console block."""
    found = []
    for block in readme.BLOCK.findall(TEXT):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            code = re.search(r"^exit code (\d+)$", output, re.MULTILINE)
            words = shlex.split(re.split(r" [|;>] ?|; ", command)[0])
            env = dict(word.split("=", 1) for word in words[: words.index("python")]) if "python" in words else {}
            if words[len(env) : len(env) + 2] == ["python", "train.py"]:
                found.append((words[len(env) + 2 :], env, int(code[1]) if code else 0))
    return found


def quick(arguments: list[str]) -> list[str]:
    """Return the arguments with few epochs: fewer for a first run than for one that goes on."""
    epochs = 4 if any(argument.startswith("ckpt_path=") for argument in arguments) else 2
    if any(argument.startswith("trainer.max_epochs=") and not argument.split("=")[1].isdigit() for argument in arguments):
        return arguments  # a mistake that the README shows
    return [argument for argument in arguments if not argument.startswith("trainer.max_epochs=")] + [
        f"trainer.max_epochs={epochs}"
    ]


def test_the_commands_are_found():
    shown = [arguments for arguments, _, _ in trainings()]
    assert ["experiment=hours"] in shown
    assert len(shown) == len(re.findall(r"^\$ .*python train\.py", TEXT, re.MULTILINE))


def test_every_training_command_ends_with_the_exit_code_that_is_shown(fork, tmp_path):
    breast_cancer.main(tmp_path / "breast_cancer.csv")
    for arguments, env, code in trainings():
        process = fork(*quick(arguments), env=env)
        assert process.wait() == code, f"python train.py {' '.join(arguments)}\n{process.output()}"


def spoken(output: str) -> tuple[list[str], list[float]]:
    """Return the words of an output and its numbers; without the time it took, and what a busy machine has not drawn."""
    output = re.sub(r"epochs, [\d.]+ s|^  pictures .*\n|─+", "", output, flags=re.MULTILINE)
    return NUMBER.sub(" ", output).split(), [float(number.replace(",", "")) for number in NUMBER.findall(output)]


def printed(command: str, folder: Path) -> str:
    """Return what a command prints; forked, where it is one of the project's and no more."""
    words = shlex.split(command)
    if words[0] != "python" or not (ROOT / words[1]).is_file() or "/" in words[1] or {"|", ">", "&&", ";"} & set(words):
        return readme.output(command, folder)
    process = Forked(words[2:], folder, {}, door=words[1].removesuffix(".py"))
    process.wait()
    return process.output()


@pytest.mark.slow
def test_the_other_commands_print_what_is_shown(tmp_path):
    """What a trained run is used for, and the trainings before it; other processors may have other last digits."""
    readme.link_doors(tmp_path)
    sections = re.findall(r"^## (?:Your own table|What the coefficients mean)\n.*?(?=^## )", TEXT, re.MULTILINE | re.DOTALL)
    blocks = [block for section in sections for block in readme.BLOCK.findall(section)]
    commands = [part.partition("\n") for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    assert {words.split()[1] for words, *_ in commands if words.startswith("python")} == DOORS
    for command, _, shown in commands:
        (words, numbers), (found_words, found) = spoken(shown), spoken(printed(command, tmp_path))
        assert found_words == words, command
        np.testing.assert_allclose(found, numbers, rtol=0.05, atol=2e-3, err_msg=command)


def test_every_choice_of_conf_is_in_the_table_of_choices_of_both_languages():
    for text in (TEXT, (ROOT / "README.ko.md").read_text(encoding="utf-8")):
        told = dict(re.findall(r"^\| `([\w/]+)=` \| (.*) \|$", text, re.MULTILINE))
        for path in YAMLS:
            group = path.parent.relative_to(ROOT / "conf").as_posix()
            if group != ".":
                assert f"`{path.stem}`" in told[group], f"{group}={path.stem} is not in the table"


def test_every_command_of_the_project_is_in_the_table_of_commands_of_both_languages():
    doors = {path.name for path in ROOT.glob("*.py")}
    for text in (TEXT, (ROOT / "README.ko.md").read_text(encoding="utf-8")):
        assert set(re.findall(r"^\| `python (\w+\.py) ", text, re.MULTILINE)) == doors


def test_every_picture_and_file_that_is_linked_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_yaml_begins_with_its_command_and_what_it_does(path):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("# @package")]
    assert re.match(r"# (python \w+\.py|tensorboard|make) ?", lines[0]), f"{path}: the first line is the command, as a comment"
    assert lines[1].startswith("# "), f"{path}: the second line says what it does"
