"""One run of a sweep: its name and its status.

`status.json` in a run directory says what the run is (a digest of its config) and how it stands: running, finished, pruned or
failed. A sweep is its directory: started again, it reads these files and does what is left to do.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from logitlab.data.table_files import PATHS, path_digest
from logitlab.errors import Changed, Unwritable, UserError
from logitlab.masking import masked, masked_items, masked_texts
from logitlab.runs import files
from logitlab.runs.identity import deciding
from logitlab.runs.small_files import or_note, read_json, read_yaml
from logitlab.runs.versions import SCHEMA, check_schema, with_current_names
from logitlab.signatures import is_of

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


FIELDS = get_type_hints(Status)


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
    """Return the name of a run's folder inside its sweep, made of the overrides as Hydra joins them.

    The name does not depend on the job's number: a sweep that is started again with other values finds its runs where they
    were, and jobs on many machines need not agree on numbers.
    """
    override_dirname = masked_items(override_dirname)
    name = re.sub(r"[^\w.,=+\-\[\]{}()]", "_", override_dirname).strip(".") or "default"
    if not override_dirname or (name == override_dirname and len(name) <= LONGEST_NAME):
        return name
    return f"{name[:LONGEST_NAME]}~{hashlib.sha256(override_dirname.encode()).hexdigest()[:8]}"


def subdirectory(override_dirname: str, *, _root_: Any) -> str:
    """Return `directory_name` of the overrides as they were typed (the `sweep_subdir` resolver of conf/config.yaml).

    In `override_dirname` references to the environment are resolved; `_root_` is the whole config, given by OmegaConf.
    """
    raw: Any = OmegaConf.to_container(_root_.hydra.job, resolve=False)
    return directory_name(str(raw["override_dirname"]) if "${" in str(raw["override_dirname"]) else override_dirname)


def read(directory: Path, note: Callable[[str], object] = lambda words: None) -> Status | None:
    """Return how the run in a directory stands; None where there is none, or none that belongs to a sweep.

    For a damaged file `note` is called with a sentence; a field that this version does not know is ignored.

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
    known = {name: content[name] for name in FIELDS if name in content}
    if {"status", "digest"} <= known.keys() and all(is_of(value, FIELDS[name]) for name, value in known.items()):
        return Status(**known)
    note(f"{directory / STATUS} is damaged (it does not say how a run stands).")
    return None


def write(directory: Path, status: Status) -> None:
    """Note how one run stands; arguments and errors are those of `write_all`."""
    write_all({directory: status})


def write_all(statuses: Mapping[Path, Status], synced: bool = False) -> None:
    """Note how runs stand, whole or not at all.

    Args:
        statuses: directory of a run -> how it stands.
        synced: only once all that the runs wrote is on the disk, so that it survives a power cut; before the files are put in
            place, for to replace a file by one that is not on the disk takes ext4 a millisecond.

    Raises:
        Unwritable: the disk is full or a folder cannot be written.
    """
    prepared = {}
    for directory, status in statuses.items():
        with _writing(directory):
            files.make_folder(directory)
            content = {"schema": SCHEMA, **asdict(status), "overrides": masked_texts(status.overrides)}
            prepared[directory] = files.prepared(directory / STATUS, json.dumps(content) + "\n")
    if prepared and synced:
        os.sync()
    for directory, temporary in prepared.items():
        with _writing(directory):
            temporary.replace(directory / STATUS)


@contextlib.contextmanager
def _writing(directory: Path) -> Iterator[None]:
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
    """Return the directory of a sweep (the `sweep_dir` resolver of conf/config.yaml): `sweep.resume`, or a new one."""
    return resume or f"{fresh}-{os.getpid()}"
