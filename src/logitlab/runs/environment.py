"""What a run ran on, so that it can be repeated."""

import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
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
    run = partial(subprocess.run, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=5, check=True)
    try:
        commit = run(["git", "rev-parse", "HEAD"]).stdout.strip()
        return {"commit": commit, "modified": bool(run(["git", "status", "--porcelain", "-uno"]).stdout.strip())}
    except (OSError, subprocess.SubprocessError):
        return None
