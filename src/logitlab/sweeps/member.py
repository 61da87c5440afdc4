"""One run of a sweep: where it lives, whether it is done already, and what is noted of its end.

`status.json` in a run directory says what the run is (a digest of its config) and how it stands: running,
finished, pruned or failed.
A sweep is its directory: started again, it looks at these files and does what is left to do.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from logitlab.data.table_files import PATHS, path_digest
from logitlab.errors import Changed, Unwritable, UserError
from logitlab.masking import masked, masked_items, masked_texts
from logitlab.runs import files
from logitlab.runs.identity import deciding
from logitlab.runs.small_files import or_note, read_json, read_yaml
from logitlab.runs.versions import SCHEMA, check_schema, with_current_names

STATUS = "status.json"
RUNNING, FINISHED, PRUNED, FAILED = "running", "finished", "pruned", "failed"

DIGEST = "3:"
"""Stands before a digest as this version makes it. In place of another one the recorded config is looked at."""

LONGEST_NAME = 120


@dataclass(frozen=True)
class Status:
    """How a run of a sweep stands.

    Attributes:
        status: "running" (or killed while running), "finished", "pruned" (ended early by a search) or "failed".
        digest: of the run's config (`digest`).
        overrides: that the run was given.
        value: of the monitored metric, for sweepers; None where there is none.
        reason: why it failed.
        mistake: it failed by a mistake that was found before training.
        seconds: that it took; in a batch, its share.
        together: it was begun with others as one tensor program, which saves nothing before its end.
        paths: digests of the paths of its table.
    """

    status: str
    digest: str
    overrides: Sequence[str] = field(default_factory=tuple)
    value: float | None = None
    reason: str | None = None
    mistake: bool = False
    seconds: float | None = None
    together: bool = False
    paths: Sequence[str] = field(default_factory=tuple)

    @property
    def finished(self) -> bool:
        """Whether it ran to its end."""
        return self.status == FINISHED

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.status in (FINISHED, PRUNED)


def digest(config: Mapping[str, Any]) -> str:
    """Return a digest of what decides the numbers of a run, of its config, given as plain values.

    Two runs with the same one, and the same rows, are the same run. A table's path is no part of it (`data_paths`).
    """
    plain = json.dumps(masked(deciding(config)), sort_keys=True, default=str)  # of what a secret is called: it may change
    return DIGEST + hashlib.sha256(plain.encode()).hexdigest()


def recorded_config(directory: Path) -> dict[str, Any]:
    """Return the config that the run in a directory has recorded, as plain values with the names of this version; {}: none.

    What refers to the environment is looked up in it, as when the run is started.
    """
    found = or_note(lambda: read_yaml(directory / ".hydra" / "config.yaml", dict), lambda words: None)
    try:
        plain: Any = OmegaConf.to_container(OmegaConf.create(found or {}), resolve=True)
    except OmegaConfBaseException:
        return {}
    return with_current_names(plain)


def data_paths(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return digests of the paths of the table of a run's config; nothing for other data."""
    data = config.get("data")
    return tuple(path_digest(str(data[key])) for key in PATHS if data.get(key) is not None) if isinstance(data, Mapping) else ()


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

    Raises:
        Changed: a later version wrote the file; exit code 2.
    """
    content = or_note(lambda: read_json(directory / STATUS, dict), note)
    if content is None:
        return None
    try:
        check_schema(content, directory / STATUS)
    except UserError as error:
        raise Changed(str(error)) from error
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
    lists = [content.get(name, []) for name in ("overrides", "paths")]
    return (
        {"status", "digest"} <= content.keys()
        and all(isinstance(content[name], kind) for name, kind in kinds.items() if name in content)
        and all(isinstance(each, list) and all(isinstance(text, str) for text in each) for each in lists)
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
    content = {"schema": SCHEMA, **asdict(status), "overrides": masked_texts(status.overrides)}
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
