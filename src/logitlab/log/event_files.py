"""TensorBoard event files, read back, and encoded in bulk: a thousand runs of a thousand epochs are a million records.

A record is length (uint64), its masked CRC-32C, the content, and the content's masked CRC-32C, all little-endian
(tensorflow/core/lib/io/record_writer.h). The content of a scalar record is a serialised `Event`: wall time, step, and one
`Summary.Value` a tag. tensorboard's own writer takes 50 microseconds a record, most of it a CRC in Python; here the records of
one length are rows of a byte matrix, and the CRCs of a whole curve are worked out at once.
"""

import functools
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

Bytes = NDArray[np.uint8]

PREFIX = "events.out.tfevents."

HEAD, FRAME = 12, 16
"""Bytes of a record before its content, and around it."""

LONGEST_CHECKED = 2_048
"""Bytes of a content that is checked against its checksum."""

PORTION = 1_000
"""Records that are checked at a time."""


def scalars(folder: Path, note: Callable[[str], object] = lambda words: None) -> dict[str, tuple[list[int], list[float]]]:
    """Return the curves of a run, tag -> (steps, values), whole, as TensorBoard's own reader has them, in a tenth of its time.

    A session that begins at a step makes everything that was logged from there on void. Of two values at one step the later
    one holds. Of a damaged file what stands before the damage is read, as TensorBoard does, and `note` is called.
    """
    curves: dict[str, dict[int, float]] = {}
    for path in sorted(folder.glob(f"{PREFIX}*")):
        for event in events(path, note):
            if event.session_log.status == SessionLog.START:
                curves = {tag: {at: value for at, value in curve.items() if at < event.step} for tag, curve in curves.items()}
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    curves.setdefault(value.tag, {})[event.step] = value.simple_value
    return {tag: (list(curve), list(curve.values())) for tag, curve in curves.items()}


def logged(folder: Path, before: int) -> set[tuple[str, int]]:
    """Return tag and step of everything but scalars that the event files of a run hold, at the steps before one."""
    found: set[tuple[str, int]] = set()
    for path in sorted(folder.glob(f"{PREFIX}*")):
        for event in events(path):
            if event.session_log.status == SessionLog.START:
                found = {(tag, step) for tag, step in found if step < event.step}
            found |= {(value.tag, event.step) for value in event.summary.value if not value.HasField("simple_value")}
    return {(tag, step) for tag, step in found if step < before}


def events(path: Path, note: Callable[[str], object] = lambda words: None) -> Iterator[Event]:
    """Yield the events of a file, as far as they are whole: a run that lives, or was killed, may be in the midst of one."""
    content, read = _bytes(path, note), 0
    places, is_cut = _places(content)
    for first in range(0, len(places), PORTION):
        part = places[first : first + PORTION]
        for start, length in part[: _unbroken(content, part)]:
            try:
                event = Event.FromString(content[start + HEAD : start + HEAD + length])
            except DecodeError:
                break
            yield event
            read += 1
        if read < first + len(part):
            break
    if read < len(places) or is_cut:
        note(f"{path} is damaged: what stands behind its first {read:,} records is not shown.")


def _bytes(path: Path, note: Callable[[str], object]) -> bytes:
    """Return the content of a file; none, and a note, where it cannot be read."""
    try:
        if path.is_file():
            return path.read_bytes()
        reason = "no ordinary file"
    except OSError as error:
        reason = str(error.strerror)
    note(f"{path} cannot be read ({reason}): what it logged is not shown.")
    return b""


def _places(content: bytes) -> tuple[list[tuple[int, int]], bool]:
    """Return the start of each record and the length of its content, and whether no record stands where the next should."""
    places: list[tuple[int, int]] = []
    start = 0
    while start + HEAD <= len(content):
        length = int.from_bytes(content[start : start + 8], "little")
        if start + FRAME + length > len(content):
            header = np.frombuffer(content, np.uint8, HEAD, start)
            return places, bool((_masked(_crc(header[None, :8]))[0] != header[8:]).any())
        places.append((start, length))
        start += FRAME + length
    return places, False


def _unbroken(content: bytes, places: Sequence[tuple[int, int]]) -> int:
    """Return how many of the records come before the first whose content does not match its checksum.

    Long ones, which are pictures, are not looked at: no curve is in them.
    """
    data, found = np.frombuffer(content, np.uint8), len(places)
    starts, lengths = np.array(places).T
    for length in np.unique(lengths[lengths <= LONGEST_CHECKED]):
        those = np.flatnonzero(lengths == length)
        first = starts[those, None] + HEAD
        kept = data[first + length + np.arange(4)]
        wrong: Any = np.flatnonzero((_masked(_crc(data[first + np.arange(length)])) != kept).any(axis=1)) if length else []
        if len(wrong):
            found = min(found, int(those[wrong[0]]))
    return found


def records(contents: Sequence[bytes]) -> bytes:
    """Return serialised events as the records of an event file."""
    places: dict[int, list[int]] = {}
    for place, content in enumerate(contents):
        places.setdefault(len(content), []).append(place)
    parts = [b""] * len(contents)
    for length, those in places.items():
        if length > LONGEST_CHECKED or len(those) == 1:
            for place in those:
                parts[place] = _record(contents[place])
            continue
        rows = np.frombuffer(b"".join(contents[place] for place in those), np.uint8).reshape(-1, length)
        for place, row in zip(those, _framed(rows), strict=True):
            parts[place] = row.tobytes()
    return b"".join(parts)


@functools.lru_cache(maxsize=16)
def _record(content: bytes) -> bytes:
    """Return a record; some contents are the same in every run, and a long one, a picture, is not worth a table of its CRC."""
    if len(content) > LONGEST_CHECKED:
        file = io.BytesIO()
        RecordWriter(file).write(content)
        return file.getvalue()
    return _framed(np.frombuffer(content, np.uint8)[None]).tobytes()


class Curve:
    """The records of scalars of given times and steps, whose values are still to be put in.

    Runs that were trained together share all but their values, and a CRC is affine: what stays the same is worked out once.
    """

    def __init__(self, times: Sequence[float], steps: Sequence[int], tags: tuple[str, ...]) -> None:
        """Take the wall time and the step of each record, (records,) each, the steps ascending, and the tags."""
        step, time = np.asarray(steps, np.int64), np.asarray(times, np.float64)
        lengths = np.array([-(-int(each).bit_length() // 7) for each in step])  # bytes of a varint; protobuf leaves 0 out
        self._parts = []
        for length in np.unique(lengths):  # steps of one varint length make records of one length
            chosen = np.flatnonzero(lengths == length)
            content, value_at = _contents(time[chosen], step[chosen], tags, int(length))
            self._parts.append((slice(chosen[0], chosen[-1] + 1), _framed(content), _crc(content), value_at))

    def records(self, values: Mapping[str, NDArray[np.float32]]) -> bytes:
        """Return the records, one for each step, with these values, tag -> (records,), the tags in their order."""
        columns = [np.ascontiguousarray(column, "<f4").view(np.uint8).reshape(-1, 4) for column in values.values()]
        written = []
        for those, empty, crc, value_at in self._parts:
            framed, crc, length = empty.copy(), crc.copy(), empty.shape[1] - FRAME
            table = _crc_by_distance(length)
            for column, start in zip(columns, value_at, strict=True):
                framed[:, HEAD + start : HEAD + start + 4] = column[those]
                for place in range(4):
                    crc ^= table[length - 1 - start - place][column[those, place]]
            framed[:, -4:] = _masked(crc)
            written.append(framed.tobytes())
        return b"".join(written)


def _contents(time: NDArray[Any], step: NDArray[Any], tags: tuple[str, ...], step_length: int) -> tuple[Bytes, list[int]]:
    """Return the serialised events with all values 0, (records, bytes), and where the values are."""
    template, value_at = _template(tags, step_length)
    content = np.repeat(template[None], len(step), axis=0)
    content[:, 1:9] = time.astype("<f8")[:, None].view(np.uint8)
    for index in range(step_length if step[0] else 0):
        more = 0x80 if index < step_length - 1 else 0
        content[:, 10 + index] = (step >> (7 * index)) & 0x7F | more
    for start in value_at:
        content[:, start : start + 4] = 0
    return content, value_at


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


def _framed(content: Bytes) -> Bytes:
    """Return records for contents of one length, both (records, bytes)."""
    count, length = content.shape
    framed = np.empty((count, length + FRAME), np.uint8)
    header = np.frombuffer(np.uint64(length).astype("<u8").tobytes(), np.uint8)[None]
    framed[:, :8] = header
    framed[:, 8:HEAD] = _masked(_crc(header))
    framed[:, HEAD:-4] = content
    framed[:, -4:] = _masked(_crc(content))
    return framed


def _crc(rows: Bytes) -> NDArray[np.uint32]:
    """Return the CRC-32C of every row, (rows,).

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
    return crc ^ first_ones ^ np.uint32(0xFFFFFFFF)


def _masked(crc: NDArray[np.uint32]) -> Bytes:
    """Return the bytes of CRCs, (rows,), as they are stored, (rows, 4)."""
    masked = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)
    return masked.astype("<u4")[:, None].view(np.uint8)


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
