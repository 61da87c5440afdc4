"""What a run ran on, so that it can be repeated."""

import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from logitlab.console import command_line
from logitlab.masking import masked_texts
from logitlab.runs.versions import SCHEMA

PACKAGES = ("logitlab", "torch", "lightning", "hydra-core", "omegaconf", "torchmetrics", "tensorboard")


def snapshot(data_fingerprint: str, data_files: Sequence[Any] = ()) -> dict[str, Any]:
    """Return command, time, versions, git commit, data fingerprint and the files that the data came from as plain values."""
    return {
        "schema": SCHEMA,
        "command": command_line(masked_texts(sys.argv[1:])),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version(name) for name in PACKAGES},
        "git": _git(),
        "data_fingerprint": data_fingerprint,
        "data_files": list(data_files),
    }


def _git() -> dict[str, Any] | None:
    """Return the commit of the checkout that holds this file, and whether files differ from it; None outside of one."""
    here = Path(__file__).parent
    try:
        commit = _run("git", "rev-parse", "HEAD", cwd=here)
        return {"commit": commit, "modified": bool(_run("git", "status", "--porcelain", "-uno", cwd=here))}
    except (OSError, subprocess.SubprocessError):
        return None


def _run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=5, check=True)
    return done.stdout.strip()
