"""One run of a sweep: where it lives, whether it is done already, and what is noted of its end.

`status.json` in a run directory says what the run is (a digest of its config) and how it stands: running,
finished, pruned or failed.
A sweep is its directory: started again, it looks at these files and does what is left to do.
"""

import contextlib
import functools
import hashlib
import itertools
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from logreg.errors import Unwritable
from logreg.masking import masked, masked_items, masked_texts
from logreg.run import files
from logreg.run.small_files import or_note, read_json

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
        together: it was begun with others as one tensor program, which saves nothing before its end.
    """

    status: str
    digest: str
    overrides: Sequence[str] = field(default_factory=tuple)
    value: float | None = None
    reason: str | None = None
    mistake: bool = False
    seconds: float | None = None
    together: bool = False

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
    own = masked({key: value for key, value in config.items() if key not in NOT_OF_THE_RUN})  # a secret may change
    return hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()


def directory_name(override_dirname: str) -> str:
    """Return the name of a run's folder inside its sweep.

    It is made of the overrides, as in `optimizer.lr=0.1,seed=3`, not of the job's number: a sweep that is started again with
    other values finds its runs where they were, and jobs on many machines need not agree on numbers.

    Args:
        override_dirname: the overrides, as Hydra joins them.
    """
    override_dirname = masked_items(override_dirname)
    name = re.sub(r"[^\w.,=+\-\[\]{}()]", "_", override_dirname).strip(".") or "default"
    if name == override_dirname and len(name) <= LONGEST_NAME:
        return name
    if not override_dirname:
        return name
    return f"{name[:LONGEST_NAME]}~{hashlib.sha256(override_dirname.encode()).hexdigest()[:8]}"


def subdirectory(override_dirname: str, *, _root_: Any) -> str:
    """Return `directory_name` of the overrides as they were typed (the `sweep_subdir` resolver of conf/config.yaml).

    Args:
        override_dirname: the overrides, as Hydra joins them; a reference to the environment is resolved in it.
        _root_: the whole config, given by OmegaConf.
    """
    raw: Any = OmegaConf.to_container(_root_.hydra.job, resolve=False)
    return directory_name(str(raw["override_dirname"]) if "${" in str(raw["override_dirname"]) else override_dirname)


def read(directory: Path, note: Callable[[str], object] = lambda words: None) -> Status | None:
    """Return how the run in a directory stands; None where there is none, or none that belongs to a sweep.

    A damaged file tells nothing, and `note` is told; a field that this version does not know is passed over.
    """
    content = or_note(lambda: read_json(directory / STATUS, dict), note)
    if content is None:
        return None
    known = {each.name: content[each.name] for each in fields(Status) if each.name in content}
    if not _is_status(known):
        note(f"{directory / STATUS} is damaged (it does not say how a run stands).")
        return None
    return Status(**known)


def _is_status(content: Mapping[str, Any]) -> bool:
    """Tell whether the fields are there that must be, and of their types."""
    number, text = int | float | None, str | None
    kinds = {
        "status": str,
        "digest": str,
        "value": number,
        "reason": text,
        "mistake": bool,
        "seconds": number,
        "together": bool,
    }
    overrides = content.get("overrides", [])
    return (
        {"status", "digest"} <= content.keys()
        and all(isinstance(content[name], kind) for name, kind in kinds.items() if name in content)
        and isinstance(overrides, list)
        and all(isinstance(each, str) for each in overrides)
    )


def write(directory: Path, status: Status) -> None:
    """Note how a run stands, whole or not at all.

    Raises:
        Unwritable: the disk is full or the folder cannot be written.
    """
    with _told(directory):
        _prepared(directory, status).replace(directory / STATUS)


def write_synced(statuses: Mapping[Path, Status]) -> None:
    """Note how runs stand, by their directories, once all that they wrote is on the disk: it survives a power cut.

    Synced before they are put in place, for to replace a file by one that is not takes ext4 a millisecond.

    Raises:
        Unwritable: the disk is full or a folder cannot be written.
    """
    prepared = {}
    for directory, status in statuses.items():
        with _told(directory):
            files.make_folder(directory)
            prepared[directory] = _prepared(directory, status)
    if prepared:
        os.sync()
    for directory, temporary in prepared.items():
        with _told(directory):
            temporary.replace(directory / STATUS)


def _prepared(directory: Path, status: Status) -> Path:
    """Return the file that is to be put in place."""
    content = {**asdict(status), "overrides": masked_texts(status.overrides)}
    return files.prepared(directory / STATUS, json.dumps(content) + "\n")


@contextlib.contextmanager
def _told(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unwritable(f"{directory / STATUS} cannot be written: {error.strerror}. The sweep ends here.") from error


def statuses(sweep: Path, note: Callable[[str], object] = lambda words: None) -> Iterator[tuple[Path, Status]]:
    """Yield the directory and the status of every run of a sweep; another sweep that lies in its directory is passed over."""
    for folder, inner, names in os.walk(sweep):
        path = Path(folder)
        inner.sort()
        is_run = STATUS in names or STATUS in inner
        if is_run or ("multirun.yaml" in names and path != sweep):
            inner.clear()
        if is_run and (status := read(path, note)) is not None:
            yield path, status


class Places:
    """Where the runs of a sweep live: one that was begun is found by what it is, whatever its directory is called."""

    def __init__(self, sweep: Path) -> None:
        """Read what the sweep holds at this moment."""
        self._directories: dict[str, Path] = {}
        for directory, status in statuses(sweep, _tell_note):
            if status.done or status.digest not in self._directories:
                self._directories[status.digest] = directory
        self._taken = set(self._directories.values())

    def find(self, wanted: Path, run_digest: str) -> tuple[Path, Status | None]:
        """Return the directory of a run, and how it stands there.

        Of a run that was not begun it is the wanted one unless that is another run's: then the next of `wanted-2`, `wanted-3`,
        ... that is not.

        Args:
            wanted: the directory that Hydra gave the run.
            run_digest: of the run's config.
        """
        if run_digest not in self._directories:
            directory = next(path for path in _candidates(wanted) if self._may_have(path, run_digest))
            self._directories[run_digest] = directory
            self._taken.add(directory)
        directory = self._directories[run_digest]
        return directory, read(directory)

    def _may_have(self, directory: Path, run_digest: str) -> bool:
        """Tell whether a directory is a run's, begun by another process since, or nobody's."""
        status = read(directory)
        if status is not None:
            return status.digest == run_digest
        if os.path.lexists(directory / STATUS):  # damaged: what lies there may be any run's
            return False
        return directory not in self._taken and not (directory / ".hydra").exists()


def _tell_note(words: str) -> None:
    print(
        f"Note: {words} The run that it belongs to is not known: it is trained again, in a folder of its own.", file=sys.stderr
    )


@functools.cache
def places(sweep: str | Path) -> Places:
    """Return the places of a sweep, given by its directory; this process keeps them from then on."""
    return Places(Path(sweep).absolute())


def _candidates(wanted: Path) -> Iterator[Path]:
    yield wanted
    for number in itertools.count(2):
        yield wanted.with_name(f"{wanted.name}-{number}")


def resume_directory(resume: str | None, fresh: str) -> str:
    """Return the directory of a sweep (the `sweep_dir` resolver of conf/config.yaml).

    Args:
        resume: `sweep.resume`, the directory of a sweep to go on with, or None.
        fresh: the directory of a new sweep; the process's number is put behind it.
    """
    return resume or f"{fresh}-{os.getpid()}"


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def seconds(self) -> float:
        """Return them, rounded to milliseconds."""
        return round(time.monotonic() - self._started, 3)
