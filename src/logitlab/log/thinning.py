"""Curves of any length in a bounded number of points: the first ones all, then fewer and fewer, never without the extremes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WHOLE = 2_000
"""Steps of which every point is kept. From there each doubling of the steps is cut into 500 windows, and of a window are kept
the last point and, of each value, the highest and the lowest: 500 to 1,500 points a doubling for a curve of one value.
Ten thousand steps of a smooth curve leave 4,300 points, a million 11,000."""

SMALLEST_WINDOW = 4


@dataclass(frozen=True)
class Note:
    """Values of one step.

    Attributes:
        wall_time: seconds since 1970.
        step: the number of updates before.
        values: by tag.
    """

    wall_time: float
    step: int
    values: dict[str, float]


class Thinning:
    """Lets notes through, in their order, as far as they are to be kept. Which ones depends on their steps and values only."""

    def __init__(self) -> None:
        self._pending: list[Note] = []

    def add(self, note: Note) -> list[Note]:
        """Take a note; return those that are known to be kept now."""
        if note.step < WHOLE:
            return [*self.rest(), note]
        if not self._pending or _window(self._pending[-1].step) != _window(note.step):
            done, self._pending = self.rest(), [note]
            return done
        if self._pending[-1].step == note.step:
            self._pending[-1].values.update(note.values)
        else:
            self._pending.append(note)
        return []

    def rest(self) -> list[Note]:
        """Return what is to be kept of the window that is not full yet, and begin a new one."""
        pending, self._pending = self._pending, []
        return _kept(pending)


def _window(step: int) -> tuple[int, int]:
    doubling = (step // WHOLE).bit_length() - 1
    return doubling, step // (SMALLEST_WINDOW << doubling) if doubling >= 0 else step


def _kept(notes: Sequence[Note]) -> list[Note]:
    places: dict[str, list[int]] = {}
    for place, note in enumerate(notes):
        for tag in note.values:
            places.setdefault(tag, []).append(place)
    kept = set()
    for tag, those in places.items():
        ranked = sorted(those, key=lambda place: notes[place].values[tag])
        kept |= {those[-1], ranked[0], ranked[-1]}
    return [notes[place] for place in sorted(kept)]


def thinned(times: Sequence[float], steps: Sequence[int], values: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return times, steps and values, (records,) each, of a curve without the points that `Thinning` keeps back."""
    thinner = Thinning()
    kept: list[Note] = []
    columns = {name: column.tolist() for name, column in values.items()}
    for place, step in enumerate(steps):
        kept += thinner.add(Note(times[place], step, {name: column[place] for name, column in columns.items()}))
    kept += thinner.rest()
    table = {name: np.array([note.values[name] for note in kept], np.float32) for name in values}
    return [note.wall_time for note in kept], [note.step for note in kept], table
