"""TensorBoard event files, read back, and encoded in bulk: a thousand runs of a thousand epochs are a million records.

A record is length (uint64), its masked CRC-32C, the content, and the content's masked CRC-32C, all little-endian
(tensorflow/core/lib/io/record_writer.h). The content of a scalar record is a serialised `Event`: wall time, step, and one
`Summary.Value` a tag. tensorboard's own writer takes 50 microseconds a record, most of it a CRC in Python; here the records of
one length are rows of a byte matrix, and the CRCs of a whole curve are worked out at once.
"""

import functools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

Bytes = NDArray[np.uint8]


def scalars(folder: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Return the curves of a run, tag -> (steps, values), whole, as TensorBoard's own reader has them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # a resumed run's steps begin twice, which it tells for each tag
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 1, "images": 1, "histograms": 1})
    events.Reload()
    curves = {}
    for tag in events.Tags()["scalars"]:
        points = {event.step: event.value for event in events.Scalars(tag)}
        curves[tag] = (list(points), list(points.values()))
    return curves


def records(contents: Sequence[bytes]) -> bytes:
    """Return serialised events as the records of an event file."""
    return b"".join(_framed(np.frombuffer(content, np.uint8)[None]).tobytes() for content in contents)


def curve(times: Sequence[float], steps: Sequence[int], values: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Return the records of a run's scalars, one record for each step.

    Args:
        times: wall time of each record, in seconds, (records,).
        steps: global step of each record, ascending, (records,).
        values: tag -> value at each step, (records,).
    """
    step = np.asarray(steps, np.int64)
    time = np.asarray(times, np.float64)
    table = np.stack([np.asarray(column, np.float32) for column in values.values()], axis=1)
    parts = []
    lengths = np.array([_varint_length(int(each)) for each in step])
    for length in np.unique(lengths):  # steps of one varint length make records of one length
        chosen = np.flatnonzero(lengths == length)
        parts.append(_framed(_contents(time[chosen], step[chosen], table[chosen], tuple(values), int(length))).tobytes())
    return b"".join(parts)


def _contents(time: NDArray, step: NDArray, table: NDArray, tags: tuple[str, ...], step_length: int) -> Bytes:
    """Return the serialised events, (records, bytes): a template's bytes with time, step and values put in."""
    template, value_at = _template(tags, step_length)
    content = np.repeat(template[None], len(step), axis=0)
    content[:, 1:9] = time.astype("<f8")[:, None].view(np.uint8)
    for index in range(step_length if step[0] else 0):
        more = 0x80 if index < step_length - 1 else 0
        content[:, 10 + index] = (step >> (7 * index)) & 0x7F | more
    for column, start in enumerate(value_at):
        content[:, start : start + 4] = np.ascontiguousarray(table[:, column : column + 1], "<f4").view(np.uint8)
    return content


@functools.lru_cache(maxsize=64)
def _template(tags: tuple[str, ...], step_length: int) -> tuple[Bytes, list[int]]:
    """Return a serialised event with a step of that many bytes (0: no step, which is what step 0 is), and where its values are.

    The fields stand in the order of their numbers: wall_time (1, 8 bytes), step (2, varint), summary (5).
    """
    step = 0 if step_length == 0 else 1 << (7 * (step_length - 1))
    marks = [float(np.float32(-12345.678) * (index + 1)) for index in range(len(tags))]
    values = [Summary.Value(tag=tag, simple_value=mark) for tag, mark in zip(tags, marks, strict=True)]
    content = Event(wall_time=1.0, step=step, summary=Summary(value=values)).SerializeToString()
    value_at, start = [], 0
    for mark in marks:
        start = content.index(np.float32(mark).astype("<f4").tobytes(), start)
        value_at.append(start)
    return np.frombuffer(content, np.uint8), value_at


def _varint_length(step: int) -> int:
    return -(-step.bit_length() // 7)  # protobuf leaves a step of 0 out: no bytes


def _framed(content: Bytes) -> Bytes:
    """Return records for contents of one length, both (records, bytes)."""
    count, length = content.shape
    framed = np.empty((count, length + 16), np.uint8)
    header = np.frombuffer(np.uint64(length).astype("<u8").tobytes(), np.uint8)[None]
    framed[:, :8] = header
    framed[:, 8:12] = _masked_crc(header).view(np.uint8)
    framed[:, 12 : 12 + length] = content
    framed[:, 12 + length :] = _masked_crc(content).view(np.uint8)
    return framed


def _masked_crc(rows: Bytes) -> NDArray[np.uint32]:
    """Return the masked CRC-32C of every row, (rows, 1).

    A CRC is affine in the bits of its message: that of a row is the XOR of what each byte adds in its place, and a constant
    of the length.
    """
    count, length = rows.shape
    table = _crc_by_distance(length)[:length][::-1]
    first_ones = np.bitwise_xor.reduce(table[:4, 0xFF])  # the initial value flips the bits of the first four bytes
    if count < length:
        crc = np.bitwise_xor.reduce(table[np.arange(length), rows], axis=1)
    else:
        crc = np.zeros(count, np.uint32)
        for place in range(length):
            crc ^= table[place][rows[:, place]]
    crc ^= first_ones ^ np.uint32(0xFFFFFFFF)
    masked = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)
    return masked.astype("<u4")[:, None]


def _crc_by_distance(length: int) -> NDArray[np.uint32]:
    """Return what a byte adds to a CRC, (distance from the end, 256), for distances below `length` at least."""
    return _crc_table(max(256, 1 << (length - 1).bit_length()))


@functools.lru_cache(maxsize=16)
def _crc_table(length: int) -> NDArray[np.uint32]:
    table = np.empty((length, 256), np.uint32)
    last = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        last = np.where(last & 1, (last >> 1) ^ np.uint32(0x82F63B78), last >> 1)  # Castagnoli's polynomial, reflected
    table[0] = last
    for distance in range(1, length):
        before = table[distance - 1]
        table[distance] = (before >> 8) ^ last[before & 0xFF]
    return table
