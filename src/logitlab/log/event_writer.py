"""The event file of a run that is being trained: torch's SummaryWriter on a file whose name and writing are our own.

tensorboard names a file by the clock, and reads those of a run in the order of their names. A clock that was set back between
two starts would put what came later first: the session that began at step N then voids nothing, or everything. So a name here
comes after all that are there. And there is no thread: tensorboard's would end with a traceback of its own on a full disk.
"""

import os
import socket
import time
import warnings
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from torch.utils.tensorboard import FileWriter, SummaryWriter

from logitlab.log import event_files

MOST_WAITING = 10_000
"""Events that wait to be written together at most."""


def next_name(folder: Path, seconds: float) -> str:
    """Return the name of a new event file in `folder`, begun at `seconds` since 1970; it comes after all that are there."""
    names = [path.name for path in folder.iterdir() if "tfevents" in path.name]
    numbers = (name.split(".")[3] for name in names if name.count(".") > 3)
    latest = max((int(number) for number in numbers if number.isdecimal() and len(number) == 10), default=0)
    name = f"{event_files.PREFIX}{max(int(seconds), latest + 1):010d}.{socket.gethostname()}.{os.getpid()}"
    last = max(names, default="")
    return name if name > last else f"{last}.{os.getpid()}"  # somebody's own name: nothing is read after it but what adds to it


class EventFile:
    """What torch's FileWriter writes its events to; a disk that cannot take them warns once, and it is silent from then on."""

    def __init__(self, folder: Path) -> None:
        """Begin a file in a folder."""
        self._folder = folder
        self._waiting: list[bytes] = []
        self._path: Path | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / next_name(folder, time.time())
            path.touch(exist_ok=False)
            self._path = path
        except OSError as error:
            self._end(error)

    def get_logdir(self) -> str:
        """Return the folder."""
        return str(self._folder)

    def add_event(self, event: Event) -> None:
        """Take an event, to be written with the next heap of them."""
        self._waiting.append(event.SerializeToString())
        if len(self._waiting) > MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        if self._path is None or not waiting:
            return
        try:
            with self._path.open("ab") as file:
                file.write(event_files.records(waiting))
        except OSError as error:
            self._end(error)

    def close(self) -> None:
        """Write what waits."""
        self.flush()

    def reopen(self) -> None:
        """Do nothing: a file is opened for each heap of events."""

    def _end(self, error: OSError) -> None:
        self._path = None
        warnings.warn(f"The TensorBoard log in {self._folder} ends here ({error}); training continues.", stacklevel=2)


class _EventFileWriter(FileWriter):
    """torch's FileWriter on an EventFile."""

    def __init__(self, folder: Path) -> None:
        self.event_writer = EventFile(folder)


class RunWriter(SummaryWriter):
    """torch's SummaryWriter, which would make an event file of its own."""

    def __init__(self, folder: str | Path) -> None:
        """Begin a file in a folder; everything that SummaryWriter has is set here as it would, but for the file."""
        self.log_dir = str(folder)
        self.purge_step = None
        self.max_queue, self.flush_secs, self.filename_suffix = 10, 120, ""
        writer: Any = _EventFileWriter(Path(folder))
        writers: Any = {self.log_dir: writer}
        self.file_writer, self.all_writers = writer, writers
        edges = [1e-12]
        while edges[-1] * 1.1 < 1e20:
            edges.append(edges[-1] * 1.1)
        self.default_bins = [*(-edge for edge in edges[::-1]), 0, *edges]
