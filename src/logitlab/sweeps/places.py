"""Where the runs of a sweep live: one that was begun is found by what it is, whatever its directory is called."""

import functools
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from logitlab.runs.identity import deciding
from logitlab.runs.small_files import or_note, read_yaml
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
        self._earlier = _Earlier()
        for directory, status in member.statuses(sweep, _tell_note):
            if not status.digest.startswith(member.VERSION):
                self._earlier.add(directory, status)
                self._taken.add(directory)
            elif status.done or (status.digest, tuple(status.paths)) not in self._directories:
                self._put((status.digest, tuple(status.paths)), directory)

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
            found = next((each for each in others if is_moved(each)), None) or self._earlier.find(wanted, config)
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
            return (status.digest, tuple(status.paths)) == key
        if os.path.lexists(directory / member.STATUS):  # damaged: what lies there may be any run's
            return False
        return directory not in self._taken and not (directory / ".hydra").exists()


class _Earlier:
    """Runs whose status was noted by an earlier version: by a digest of the whole config, as it was then.

    The config of a run that is looked for, cut down to the keys that there were, has that digest if it is the run; what it has
    besides must be as good as absent. Only the keys of the old config are read, its values are nowhere looked at.
    """

    def __init__(self) -> None:
        self._directories: dict[str, Path] = {}
        self._digests: dict[Path, str] = {}
        self._unread: dict[Path, None] = {}
        self._shapes: dict[str, Config] = {}

    def add(self, directory: Path, status: Status) -> None:
        """Take a run."""
        if status.done or status.digest not in self._directories:
            self._directories[status.digest] = directory
        self._unread[directory] = None

    def find(self, wanted: Path, config: Config) -> Path | None:
        """Return the directory of a run; None where it is none of these."""
        if not self._directories:
            return None
        if not self._shapes:
            self._read(next(iter(self._unread)))
        if found := self._of_shapes(config):
            return found
        self._read(wanted)
        return self._of_shapes(config)

    def _of_shapes(self, config: Config) -> Path | None:
        for shape in self._shapes.values():
            then = _cut(config, shape)
            directory = self._directories.get(member.digest_of_all(then))
            if directory is not None and deciding(then) == deciding(config):
                return directory
        return None

    def _read(self, directory: Path) -> None:
        """Learn the shape of the config of a run."""
        if directory in self._unread:
            del self._unread[directory]
            shape = or_note(lambda: read_yaml(directory / ".hydra" / "config.yaml", dict), lambda words: None)
            if shape is not None:
                self._shapes[json.dumps(_keys(shape))] = shape


def _cut(config: Config, shape: Config) -> dict[str, Any]:
    """Return a config without the keys that another one does not have."""
    return {
        key: _cut(node, shape[key]) if isinstance(node, Mapping) and isinstance(shape[key], Mapping) else node
        for key, node in config.items()
        if key in shape
    }


def _keys(node: Any) -> Any:
    return {key: _keys(each) for key, each in node.items()} if isinstance(node, Mapping) else None


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
