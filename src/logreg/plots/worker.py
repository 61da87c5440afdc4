"""The process that draws while another one trains: python -m logreg.plots.worker, started by logreg.drawing.

It imports no torch, has no terminal, and ends when its end of the connection does: as soon as the training process is gone,
in whatever way.
"""

import gc
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection

import numpy as np
from matplotlib import rc_context

from logreg.plots.moments import Descent, TrainingPictures
from logreg.plots.rows import Moment, Rows
from logreg.plots.style import in_style

FIRST_SURFACE = 4
"""Moments without which a path says nothing of where it leads."""


Frame = tuple[str, int, int, int, bytes]


def main(descriptor: int) -> None:
    """Draw what comes until None does, send back what was drawn, then None; an EOF ends it all.

    In come Rows once, Moments, and None. Out go (name, step, width, height, PNG), or the words of an error.
    """
    connection = Connection(descriptor)
    gc.freeze()
    with rc_context(in_style()):
        _warm_up()
        try:
            _serve(connection)
        except (EOFError, OSError):  # nobody is there any more
            return
        except Exception as error:
            connection.send(f"{type(error).__name__}: {error}")


def _serve(connection: Connection) -> None:
    studio = Studio(connection.recv())
    while (moment := connection.recv()) is not None:
        studio.add(moment)
        if not connection.poll():
            studio.draw_ahead()
    for frame in studio.frames():
        connection.send(frame)
    connection.send(None)


class Studio:
    """What was drawn so far of one training."""

    def __init__(self, rows: Rows) -> None:
        """Lay out the pictures of the rows; the loss surface waits for a path."""
        self._pictures = TrainingPictures(rows)
        self._pictures.lay_out()
        self._moments: list[Moment] = []
        self._frames: list[Frame] = []
        self._descent: Descent | None = None
        self._on_surface: list[Frame] = []

    def add(self, moment: Moment) -> None:
        """Draw a moment, but for the loss surface."""
        self._moments.append(moment)
        for name, picture in self._pictures.at(moment).items():
            self._frames.append((name, moment.step, *picture.frame()))

    def draw_ahead(self) -> None:
        """Draw the loss surface around the path as it is: the rest of it may lie there too. Of two weights, where it can be."""
        if self._pictures.has_surface and len(self._pictures.rows.names) == 2 and len(self._moments) >= FIRST_SURFACE:
            self._draw_surface(ahead=True)

    def frames(self) -> Iterator[Frame]:
        """Yield all pictures of all moments, those of the loss surface last."""
        yield from self._frames
        if self._pictures.has_surface and self._moments:
            self._draw_surface()
        yield from self._on_surface

    def _draw_surface(self, ahead: bool = False) -> None:
        moments = self._moments
        if self._descent is None or not self._descent.holds(moments[-1]):
            self._descent, self._on_surface = Descent(self._pictures.rows, moments, ahead), []
        for place in range(len(self._on_surface), len(moments)):
            picture = self._descent.at(moments[: place + 1])
            self._on_surface.append(("loss_surface", moments[place].step, *picture.frame()))


def _warm_up() -> None:
    """Draw pictures of nothing: the first one loads fonts and takes three times as long."""
    studio = Studio(
        Rows(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0.0, 1.0]), 1, ("a", "b"), "y", [0.0] * 2, [1.0] * 2, 0.5)
    )
    for epoch in (0, 1):
        studio.add(Moment(epoch, epoch, np.full(2, float(epoch)), 0.0))
    list(studio.frames())


if __name__ == "__main__":
    main(int(sys.argv[1]))
