"""Where the runs of a sweep live: one that was begun is found by what it is, whatever its directory is called."""

import functools
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
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
        for directory, status in member.statuses(sweep, _tell_note):
            key = _key(directory, status)
            if status.done or key not in self._directories:
                self._put(key, directory)

    def find(
        self, wanted: Path, config: Config, is_moved: Callable[[Path], bool] = lambda directory: False
    ) -> tuple[Path, Status | None]:
        """Return the directory of a run, and how it stands there.

        Of a run that was not begun it is the wanted one unless that is another run's: then the next of `wanted-2`, `wanted-3`,
        ... that is not.

        Args:
            wanted: the directory that Hydra gave the run.
            config: of the run, resolved, as plain values.
            is_moved: tells whether the table of the run in a directory is this run's, under another path.
        """
        key = member.digest(config), member.data_paths(config)
        if key not in self._directories:
            others = (self._directories[each] for each in self._keys.get(key[0], ()))
            found = next((each for each in others if is_moved(each)), None)
            self._put(key, found or next(path for path in _candidates(wanted) if self._may_have(path, key)))
        directory = self._directories[key]
        return directory, member.read(directory)

    def _put(self, key: Key, directory: Path) -> None:
        self._directories[key] = directory
        self._keys.setdefault(key[0], []).append(key)
        self._taken.add(directory)

    def _may_have(self, directory: Path, key: Key) -> bool:
        """Tell whether a directory is a run's, begun by another process since, or nobody's."""
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
