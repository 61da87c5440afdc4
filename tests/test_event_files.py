"""Event files encoded in bulk and read back, against tensorboard's own writer and reader."""

import io
import math

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from logitlab.log import event_files
from logitlab.log.tensorboard import RunLogger


def as_tensorboard_writes(contents: list[bytes]) -> bytes:
    file = io.BytesIO()
    writer = RecordWriter(file)
    for content in contents:
        writer.write(content)
    return file.getvalue()


@pytest.mark.parametrize("length", [4, 8, 81, 255, 256, 257, 5000])
def test_records_are_those_of_tensorboard(length):
    contents = [bytes(np.random.default_rng(seed).integers(0, 256, length, np.uint8)) for seed in range(3)]
    assert event_files.records(contents) == as_tensorboard_writes(contents)


@pytest.mark.parametrize("steps", [range(1001), [0], [5], [0, 127, 128, 16383, 16384, 2097151, 2097152, 10**9]])
def test_a_curve_is_that_of_tensorboard_byte_for_byte(steps):
    random = np.random.default_rng(1)
    steps = list(steps)
    times = 1.7e9 + np.sort(random.uniform(0, 100, len(steps)))
    values = {
        tag: random.normal(size=len(steps)).astype(np.float32) for tag in ("train/loss", "train/accuracy", "val/a_long_name")
    }
    values["train/loss"][0] = np.nan
    contents = [
        Event(
            wall_time=time,
            step=step,
            summary=Summary(value=[Summary.Value(tag=tag, simple_value=column[i]) for tag, column in values.items()]),
        ).SerializeToString()
        for i, (time, step) in enumerate(zip(times, steps, strict=True))
    ]
    assert event_files.Curve(times, steps, tuple(values)).records(values) == as_tensorboard_writes(contents)


def test_curves_are_read_as_tensorboards_reader_has_them(tmp_path):
    """A run that was killed beyond its last checkpoint, in the midst of a record, and went on."""
    for begins_at, steps in ((0, range(300)), (250, range(250, 400))):
        logger = RunLogger(tmp_path)
        logger.resume_from(begins_at)
        for step in steps:
            logger.log_metrics({"train/loss": 1 / (step + begins_at + 1), "val/loss": math.nan}, step)
        logger.experiment.add_histogram("weights", np.arange(5.0), step)
        logger.finalize("success")
        logger.experiment.close()
    first, second = sorted(tmp_path.glob("events*"))
    first.write_bytes(first.read_bytes()[:-7])
    second.write_bytes(second.read_bytes() + (200).to_bytes(8, "little") + b"half a record")
    read = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0}).Reload()
    curves = event_files.scalars(tmp_path)
    assert curves.keys() == set(read.Tags()["scalars"]) == {"train/loss", "val/loss"}
    for tag, (steps, values) in curves.items():
        assert steps == [event.step for event in read.Scalars(tag)] == list(range(400))
        np.testing.assert_array_equal(values, [event.value for event in read.Scalars(tag)])
