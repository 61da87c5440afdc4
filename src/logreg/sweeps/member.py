"""One run of a sweep: where it lives, whether it is done already, and what is noted of its end.

`status.json` in a run directory says what the run is (a digest of its config) and how it stands: running,
finished, pruned or failed.
A sweep is its directory: started again, it looks at these files and does what is left to do.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from logreg.errors import UserError

STATUS = "status.json"
RUNNING, FINISHED, PRUNED, FAILED = "running", "finished", "pruned", "failed"

NOT_OF_THE_RUN = ("ckpt_path", "sweep")
"""Top-level keys of the config that say how a run is gone about, not which run it is."""

LONGEST_NAME = 120


@dataclass(frozen=True)
class Status:
    """How a run of a sweep stands.

    Attributes:
        status: "running" (or killed while running), "finished", "pruned" (ended early by a search) or "failed".
        digest: of the run's config.
        overrides: that the run was given.
        value: of the monitored metric, for sweepers; None where there is none.
        reason: why it failed.
        mistake: it failed by a mistake that was found before training.
        seconds: that it took; in a batch, its share.
    """

    status: str
    digest: str
    overrides: Sequence[str] = field(default_factory=tuple)
    value: float | None = None
    reason: str | None = None
    mistake: bool = False
    seconds: float | None = None

    @property
    def finished(self) -> bool:
        """Whether it ran to its end."""
        return self.status == FINISHED

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.status in (FINISHED, PRUNED)


def digest(config: Mapping[str, Any]) -> str:
    """Return a digest of a run's config, given as plain values; two runs with the same one are the same run."""
    own = {key: value for key, value in config.items() if key not in NOT_OF_THE_RUN}
    return hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()


def directory_name(override_dirname: str) -> str:
    """Return the name of a run's folder inside its sweep (the `sweep_subdir` resolver of conf/config.yaml).

    It is made of the overrides, as in `optimizer.lr=0.1,seed=3`, not of the job's number: a sweep that is started again with
    other values finds its runs where they were, and jobs on many machines need not agree on numbers.

    Args:
        override_dirname: the overrides, as Hydra joins them.
    """
    name = re.sub(r"[^\w.,=+\-\[\]{}()]", "_", override_dirname).strip(".") or "default"
    if name == override_dirname and len(name) <= LONGEST_NAME:
        return name
    if not override_dirname:
        return name
    return f"{name[:LONGEST_NAME]}~{hashlib.sha256(override_dirname.encode()).hexdigest()[:8]}"


def read(directory: Path) -> Status | None:
    """Return how the run in a directory stands; None where there is none, or none that belongs to a sweep."""
    try:
        content = json.loads((directory / STATUS).read_text(encoding="utf-8"))
        return Status(**content)
    except (OSError, ValueError, TypeError):
        return None


def write(directory: Path, status: Status) -> None:
    """Note how a run stands, whole or not at all."""
    temporary = directory / f".{STATUS}.{os.getpid()}.tmp"
    temporary.write_text(json.dumps(asdict(status)) + "\n", encoding="utf-8")
    temporary.replace(directory / STATUS)


def place(wanted: Path, run_digest: str) -> tuple[Path, Status | None]:
    """Return the directory of a run, and how it stands there.

    It is the wanted one unless that holds another run: then the next of `wanted-2`, `wanted-3`, ... that does not.

    Args:
        wanted: the directory that Hydra gave the run.
        run_digest: of the run's config.
    """
    for directory in _candidates(wanted):
        status = read(directory)
        if status is not None and status.digest == run_digest:
            return directory, status
        if status is None and not (directory / ".hydra").exists():
            return directory, None
    raise AssertionError("candidates never end")


def _candidates(wanted: Path) -> Iterator[Path]:
    yield wanted
    number = 2
    while True:
        yield wanted.with_name(f"{wanted.name}-{number}")
        number += 1


def resume_directory(resume: str | None, fresh: str) -> str:
    """Return the directory of a sweep (the `sweep_dir` resolver of conf/config.yaml).

    Args:
        resume: `sweep.resume`, the directory of a sweep to go on with, or None.
        fresh: the directory of a new sweep; the process's number is put behind it.

    Raises:
        UserError: there is no sweep to go on with.
    """
    if resume is None:
        return f"{fresh}-{os.getpid()}"
    if not (Path(resume) / "multirun.yaml").exists():
        raise UserError(
            f"sweep.resume={resume}: there is no sweep in {Path(resume).absolute()}. Give the directory that the sweep named"
            " when it began, or leave sweep.resume out to begin anew."
        )
    return resume


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def seconds(self) -> float:
        """Return them, rounded to milliseconds."""
        return round(time.monotonic() - self._started, 3)
