"""A forked command is what a person gets who types it: the same words, exit codes and files."""

import re
from pathlib import Path

import pytest
from processes import run_anew, run_command
from runs import Run, same_results


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["data=hours", "trainer.max_epochs=5", "hydra.run.dir=run"], 0), (["optimizer.lr=-1"], 2), (["--cfg", "job"], 0)],
)
def test_forked_and_typed_print_and_leave_the_same(tmp_path: Path, arguments: list[str], code: int) -> None:
    folders = [tmp_path / name for name in ("forked", "typed")]
    for folder in folders:
        folder.mkdir()
    forked = run_command("train", *arguments, cwd=folders[0])
    typed = run_anew("train", *arguments, cwd=folders[1], because="it is what a forked one is compared with")
    assert forked.returncode == typed.returncode == code, forked.stderr
    assert forked.stderr == typed.stderr
    assert re.sub(r", [\d.]+ s$", "", forked.stdout, flags=re.M) == re.sub(r", [\d.]+ s$", "", typed.stdout, flags=re.M)
    files = [
        sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if "tfevents" not in path.name) for folder in folders
    ]
    assert files[0] == files[1]
    if (folders[0] / "run").exists():
        assert same_results(*(Run(folder / "run") for folder in folders))


def test_the_environment_of_a_forked_command_is_what_is_given(tmp_path: Path) -> None:
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "own.py").write_text("import os\n\ndef source():\n    raise SystemExit(int(os.environ['OWN_CODE']))\n")
    text = "_target_: logitlab.data.datamodule.InMemoryDataModule\nsource: {_target_: own.source}\n"
    (tmp_path / "conf" / "data" / "own.yaml").write_text(text)
    env = {"OWN_CODE": "7", "PYTHONPATH": str(tmp_path)}
    assert run_command("train", "--config-dir", "conf", "data=own", cwd=tmp_path, env=env).returncode == 7
