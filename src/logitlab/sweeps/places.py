"""The directories of a sweep's runs: a run is found by its digest, whatever its directory is called."""

import functools
import itertools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from logitlab.sweeps import member
from logitlab.sweeps.member import Status

Key = tuple[str, tuple[str, ...]]
"""What a run is: the digest of its config and the paths of its table."""

Config = Mapping[str, Any]


class Places:
    """Finds the directory of each run of a sweep."""

    def __init__(self, sweep: Path) -> None:
        """Read what the sweep holds at this moment."""
        self._directories: dict[Key, Path] = {}
        self._keys: dict[str, list[Key]] = {}
        self._taken: set[Path] = set()
        for directory, status in member.statuses(sweep, _print_note):
            key = _key(directory, status)
            if status.done or key not in self._directories:
                self._put(key, directory)

    def find(
        self, wanted: Path, config: Config, is_moved: Callable[[Path], bool] = lambda directory: False
    ) -> tuple[Path, Status | None]:
        """Return the directory of the run of a resolved config, and its status.

        For a new run it is the `wanted` one, which Hydra chose, or, if that is another run's, the first free one of `wanted-2`,
        `wanted-3`, ... `is_moved` answers whether the table of the run in a directory is this run's, under another path.
        """
        key = member.digest(config), member.data_paths(config)
        if key not in self._directories:
            others = (self._directories[each] for each in self._keys.get(key[0], ()))
            found = next((each for each in others if is_moved(each)), None)
            numbered = (wanted.with_name(f"{wanted.name}-{number}") for number in itertools.count(2))
            free = (path for path in itertools.chain([wanted], numbered) if self._may_have(path, key))
            self._put(key, found or next(free))
        directory = self._directories[key]
        return directory, member.read(directory)

    def _put(self, key: Key, directory: Path) -> None:
        self._directories[key] = directory
        self._keys.setdefault(key[0], []).append(key)
        self._taken.add(directory)

    def _may_have(self, directory: Path, key: Key) -> bool:
        """Whether a directory is this run's, begun by another process meanwhile, or free."""
        status = member.read(directory)
        if status is not None:
            return _key(directory, status) == key
        if os.path.lexists(directory / member.STATUS):  # damaged: what lies there may be any run's
            return False
        return directory not in self._taken and not (directory / ".hydra").exists()


def _key(directory: Path, status: Status) -> Key:
    """Return what the run in a directory is; of one that another version has run, by the config that it has recorded."""
    if status.digest.startswith(member.DIGEST):
        return status.digest, tuple(status.paths)
    config = member.recorded_config(directory)
    return member.digest(config), tuple(status.paths) or member.data_paths(config)


def _print_note(words: str) -> None:
    note = "The run that it belongs to is not known: it is trained again, in a folder of its own."
    print(f"Note: {words} {note}", file=sys.stderr)


@functools.cache
def places(sweep: str | Path) -> Places:
    """Return the places of a sweep, given by its directory; this process keeps them from then on."""
    return Places(Path(sweep).absolute())
