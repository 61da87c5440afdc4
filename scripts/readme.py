"""Run every command of README.md and put its real output under it.

python scripts/readme.py            (make readme)

A ```console block holds commands, each on a line that begins with "$ ", and their output. All commands run one after the other
in one empty folder that holds links to the project's doors.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
INSTEAD = {"make train": "python train.py"}
"""What a make target comes to once the environment is there."""


def commands(text: str) -> list[str]:
    """Return the commands of all console blocks, in order."""
    return [line.removeprefix("$ ") for block in BLOCK.findall(text) for line in block.splitlines() if line.startswith("$ ")]


def refresh(text: str, folder: Path) -> str:
    """Return the README with the output that its commands give today in `folder`."""

    def block(match: re.Match[str]) -> str:
        shown = [f"$ {command}\n{output(command, folder)}" for command in commands(match[0])]
        return "```console\n" + "".join(shown) + "```"

    return BLOCK.sub(block, text)


def output(command: str, folder: Path) -> str:
    """Return what a command prints, both streams together."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", INSTEAD.get(command, command)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.stdout


def link_doors(folder: Path) -> None:
    """Let `python train.py` and `python scripts/...` work in `folder`."""
    for path in [*ROOT.glob("*.py"), ROOT / "scripts"]:
        (folder / path.name).symlink_to(path)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        link_doors(Path(name))
        README.write_text(refresh(README.read_text(encoding="utf-8"), Path(name)), encoding="utf-8")
