"""A run's TensorBoard log: scalars at little cost, HPARAMS with the real metrics, the config as text."""

import functools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import custom_scalars, text

from logitlab.log.event_writer import RunWriter
from logitlab.log.thinning import Note, Thinning

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
            _begin_session(self._experiment, self._begins_at)
        return self._experiment

    def resume_from(self, step: int) -> None:
        """Let TensorBoard forget what was logged at this step or beyond; to be called before anything is logged.

        A killed process has logged beyond its last checkpoint, and a finished one its results: both are logged again.
        """
        self._begins_at = step

    @rank_zero_only
    def log_hyperparams(self, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Show the flat `params` in HPARAMS, under the run directory's name."""
        for summary in opening(params, Path(self.save_dir)):
            self.experiment.file_writer.add_summary(summary)

    @rank_zero_only
    def log_config(self, text: str) -> None:
        """Show the composed config, as YAML, under TEXT."""
        self.experiment.file_writer.add_summary(config_text(text))

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
            self.experiment.file_writer.event_writer.add_event(_event(note))
        self.experiment.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what waits and how the session ended; the file stays open for the results, which come after the fit."""
        self.save()
        self.experiment.file_writer.add_summary(session_end(status == "success"))
        self.experiment.flush()

    @rank_zero_only
    def close(self) -> None:
        """Write what waits, and forget the writer."""
        if self._experiment is not None:
            self._experiment.close()
            self._experiment = None


def _begin_session(writer: Any, step: int) -> None:
    """Tell TensorBoard that what follows begins at this step.

    It forgets what it has from there on, but not at the first session that it meets: so the first one is named, too.
    """
    writer.file_writer.add_event(Event(file_version="brain.Event:2"), step)
    writer.file_writer.add_event(Event(session_log=SessionLog(status=SessionLog.START)), step)


def _event(note: Note) -> Event:
    values = [Summary.Value(tag=tag, simple_value=float(value)) for tag, value in note.values.items()]
    return Event(wall_time=note.wall_time, step=note.step, summary=Summary(value=values))


def opening(params: Mapping[str, Any], run_directory: Path) -> list[Summary]:
    """Return what stands at the head of a run's log: the flat `params` for HPARAMS, and the charts of CUSTOM SCALARS."""
    name = "/".join(run_directory.resolve().parts[-2:])
    return [hparams_pb(dict(params), trial_id=name), _layout()]


def config_text(yaml: str) -> Summary:
    """Return the composed config as TEXT shows it."""
    return text("config", f"```yaml\n{yaml}```")


@functools.cache
def _layout() -> Summary:
    return custom_scalars(LAYOUT)


def session_end(success: bool) -> Summary:
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
