"""A run's TensorBoard log: scalars at little cost, HPARAMS with the real metrics, the config as text.

The log is torch's SummaryWriter on a file whose name and writing are our own. tensorboard names a file by the clock, and reads
those of a run in the order of their names. A clock that was set back between two starts would put what came later first: the
session that began at step N then voids nothing, or everything. So a name here comes after all that are there. And there is no
thread: tensorboard's would end with a traceback of its own on a full disk.
"""

import functools
import os
import socket
import time
import warnings
from collections.abc import Iterator, Mapping
from itertools import accumulate, repeat, takewhile
from operator import mul
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from torch.utils.tensorboard import FileWriter, SummaryWriter
from torch.utils.tensorboard.summary import custom_scalars, text

from logitlab.log import event_files
from logitlab.log.thinning import Note, Thinning

MOST_WAITING = 10_000
"""Events that wait to be written together at most."""

BINS = list(takewhile(lambda edge: edge < 1e20, accumulate(repeat(1.1), mul, initial=1e-12)))
"""The edges of SummaryWriter's histograms above 0."""

LAYOUT = {
    "Learning": {
        "loss": ["Multiline", [r"(train|val)/loss"]],
        "metrics": ["Multiline", [r"(train|val|test)/(accuracy|balanced_accuracy|auroc|average_precision|f1|mcc)"]],
        "calibration": ["Multiline", [r"(train|val|test)/(brier|.*calibration.*)"]],
    },
    "Descent": {
        "weights and bias": ["Multiline", ["weight/.*", "bias"]],
        "gradient norm": ["Multiline", ["train/gradient_norm"]],
        "learning rate": ["Multiline", ["train/learning_rate"]],
    },
}
"""The charts of the tab CUSTOM SCALARS: patterns of tags, so that a chart takes what a run has."""


def next_name(folder: Path, seconds: float) -> str:
    """Return the name of a new event file in `folder`, begun at `seconds` since 1970; it comes after all that are there."""
    names = [path.name for path in folder.iterdir() if "tfevents" in path.name]
    numbers = (name.split(".")[3] for name in names if name.count(".") > 3)
    latest = max((int(number) for number in numbers if number.isdecimal() and len(number) == 10), default=0)
    name = f"{event_files.PREFIX}{max(int(seconds), latest + 1):010d}.{socket.gethostname()}.{os.getpid()}"
    last = max(names, default="")
    return name if name > last else f"{last}.{os.getpid()}"  # somebody's own name: nothing is read after it but what adds to it


class EventFile(FileWriter):
    """What torch's SummaryWriter writes to; a disk that cannot take it warns once, and it is silent from then on."""

    def __init__(self, folder: Path) -> None:
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

    def add_event(self, event: Any, step: int | None = None, walltime: float | None = None) -> None:
        """Take an event of a step, now or at a time in seconds since 1970, to be written with the next heap of them."""
        event.wall_time = time.time() if walltime is None else walltime
        event.step = int(step or 0)
        self._waiting.append(event.SerializeToString())
        if len(self._waiting) > MOST_WAITING:
            self.flush()

    def write(self, records: bytes) -> None:
        """Write records behind what waits."""
        self.flush()
        try:
            if self._path is not None:
                with self._path.open("ab") as file:
                    file.write(records)
        except OSError as error:
            self._end(error)

    def flush(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self.write(event_files.records(waiting))

    close = flush

    def reopen(self) -> None:
        """Do nothing: the file is opened for each heap of events."""

    def _end(self, error: OSError) -> None:
        self._path = None
        warnings.warn(f"The TensorBoard log in {self._folder} ends here ({error}); training continues.", stacklevel=2)


class RunWriter(SummaryWriter):
    """torch's SummaryWriter, which would make an event file of its own."""

    def __init__(self, folder: str | Path) -> None:
        """Begin a file in a folder; everything that SummaryWriter has is set here as it would, but for the file."""
        self.log_dir = str(folder)
        self.purge_step = None
        self.max_queue, self.flush_secs, self.filename_suffix = 10, 120, ""
        self.file_writer: Any = EventFile(Path(folder))
        self.all_writers: Any = {self.log_dir: self.file_writer}
        self.default_bins = [*(-edge for edge in BINS[::-1]), 0, *BINS]


class RunLogger(TensorBoardLogger):
    """Writes event files straight into the run directory, so that a run is one curve, also after a resume.

    HPARAMS gets its session at the start and no metric of its own: TensorBoard then takes every scalar of the run as a
    metric, at its last value. A metric named in advance is what shows as -1 elsewhere.
    """

    def __init__(self, save_dir: str | Path, flush_secs: int = 5) -> None:
        """Log into a folder.

        Args:
            save_dir: the run directory itself, no sub-folder is made.
            flush_secs: seconds after which what was logged is on the disk at the latest.
        """
        super().__init__(save_dir, name="", version="", default_hp_metric=False)
        self._begins_at = 0
        self._thinning = Thinning()
        self._waiting: list[Note] = []
        self._written_at = time.monotonic()
        self._seconds_between_writes = flush_secs

    @property
    @rank_zero_experiment
    def experiment(self) -> SummaryWriter:
        """Return a SummaryWriter; a disk that cannot take what it writes does not end the run."""
        if self._experiment is None:
            self._experiment = RunWriter(self.save_dir)
            # TensorBoard forgets what it has from a session's step on, but not at the first session that it meets
            for event in (Event(file_version="brain.Event:2"), Event(session_log=SessionLog(status=SessionLog.START))):
                self._experiment.file_writer.add_event(event, self._begins_at)
        return self._experiment

    def resume_from(self, step: int) -> None:
        """Let TensorBoard forget what was logged at this step or beyond; to be called before anything is logged.

        A killed process has logged beyond its last checkpoint, and a finished one its results: both are logged again.
        """
        self._begins_at = step

    @rank_zero_only
    def log_hyperparams(self, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Show the flat `params` in HPARAMS, under the run directory's name.

        What is null is left out: of the few columns that HPARAMS shows unasked none should hold nothing.
        """
        name = "/".join(Path(self.save_dir).resolve().parts[-2:])
        known = {key: value for key, value in params.items() if value != "null"}
        for summary in (hparams_pb(known, trial_id=name), _layout()):
            self.experiment.file_writer.add_summary(summary)

    @rank_zero_only
    def log_config(self, yaml: str) -> None:
        """Show the composed config under TEXT."""
        self.experiment.file_writer.add_summary(text("config", f"```yaml\n{yaml}```"))

    def log_records(self, records: bytes) -> None:
        """Log what `event_files` has made of the values of many steps; all of them are kept."""
        self.experiment.file_writer.write(records)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Note all values of one step as one event, to be written with the next heap of them, or thinned out."""
        step = step or 0
        if self._waiting and self._waiting[-1].step == step:  # an event takes 20 microseconds, one more value in it 3
            self._waiting[-1].values.update(metrics)
        else:
            self._waiting += self._thinning.add(Note(time.time(), step, dict(metrics)))
        if time.monotonic() - self._written_at > self._seconds_between_writes:
            self._write()

    @rank_zero_only
    def save(self) -> None:
        """Put everything logged so far on the disk; a log that cannot be written warns once, and training continues."""
        self._waiting += self._thinning.rest()
        self._write()

    def _write(self) -> None:
        notes, self._waiting = self._waiting, []
        self._written_at = time.monotonic()
        if not notes:
            return
        for note in notes:
            values = [Summary.Value(tag=tag, simple_value=float(value)) for tag, value in note.values.items()]
            self.experiment.file_writer.add_summary(Summary(value=values), note.step, note.wall_time)
        self.experiment.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what waits and how the session ended; the file stays open for the results, which come after the fit."""
        self.save()
        self.experiment.file_writer.add_summary(_session_end(status == "success"))
        self.experiment.flush()

    @rank_zero_only
    def close(self) -> None:
        """Write what waits, and forget the writer."""
        if self._experiment is not None:
            self._experiment.close()
            self._experiment = None


@functools.cache
def _layout() -> Summary:
    return custom_scalars(LAYOUT)


def _session_end(success: bool) -> Summary:
    """Return HPARAMS' last record of a session; tensorboard's own function for it needs TensorFlow."""
    status = api_pb2.STATUS_SUCCESS if success else api_pb2.STATUS_FAILURE
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
    content = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=info))
    return Summary(value=[Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=content, tensor=metadata.NULL_TENSOR)])


def hparams_of(config: Mapping[str, Any], choices: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """Return a run's config as HPARAMS holds it: `model: sequential`, `model.bias: 0.5`, `optimizer.lr: 0.1`.

    Args:
        config: the parts of the config that make the run; a null is shown as "null", a list as its text.
        choices: which file of conf/ was chosen for each part.
    """
    flat: dict[str, bool | int | float | str] = {}
    for part, values in config.items():
        if part in choices and isinstance(values, Mapping):
            flat[part] = str(choices[part])
        for name, value in _leaves(part, values):
            flat[name] = "null" if value is None else value if isinstance(value, bool | int | float | str) else str(value)
    return flat


def _leaves(name: str, node: Any) -> Iterator[tuple[str, Any]]:
    """Yield the leaves under a name, each with its dotted name, without Hydra's own `_target_`s."""
    if not isinstance(node, Mapping):
        yield name, node
        return
    for key, value in node.items():
        if not (key.startswith("_") and key.endswith("_")):
            yield from _leaves(f"{name}.{key}", value)
