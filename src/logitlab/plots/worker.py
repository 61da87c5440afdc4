"""The process that draws while another one trains: python -m logitlab.plots.worker, started by logitlab.plots.drawing.

It imports no torch, has no terminal, and ends when its end of the connection does: as soon as the training process is gone,
in whatever way.
"""

import gc
import sys
from collections import deque
from collections.abc import Iterable
from multiprocessing.connection import Connection

import numpy as np
from matplotlib import rc_context

from logitlab.plots import fonts
from logitlab.plots.moments import Descent, TrainingPictures
from logitlab.plots.rows import Moment, Remark, Rows
from logitlab.plots.style import STYLE

FIRST_SURFACE = 4
"""Moments shown without which a path says nothing of where it leads."""


Frame = tuple[str, int, int, int, bytes]


def main(descriptor: int) -> None:
    """Draw what comes until None does, send back what was drawn, then None; an EOF ends it all.

    In come Rows once, lists of Moments, and None. Out go a Remark where there is one, then (name, step, width, height, PNG), or
    the words of an error.
    """
    connection = Connection(descriptor)
    gc.freeze()
    with rc_context(STYLE):
        _warm_up()
        try:
            _serve(connection)
        except (EOFError, OSError):  # nobody is there any more
            return
        except Exception as error:
            connection.send(f"{type(error).__name__}: {error}")


def _serve(connection: Connection) -> None:
    studio, waiting, ended = RenderSession(connection.recv()), deque[Moment](), False
    if words := studio.remark():
        connection.send(Remark(words))
    while waiting or not ended:
        while not ended and (not waiting or connection.poll()):
            if (moments := connection.recv()) is None:
                ended = True
            else:
                waiting += moments
        if waiting:
            studio.add(waiting.popleft())
        if ended:  # who waits now takes what there is, and may go before the rest is drawn
            _send(connection, studio.finished())
        elif not waiting:
            studio.draw_ahead()
    _send(connection, studio.surfaces())
    connection.send(None)


def _send(connection: Connection, frames: Iterable[Frame]) -> None:
    for frame in frames:
        connection.send(frame)


class RenderSession:
    """What was drawn so far of one training."""

    def __init__(self, rows: Rows) -> None:
        """Lay out the pictures of the rows; the loss surface waits for a path."""
        self._pictures = TrainingPictures(rows)
        self._pictures.lay_out()
        self._moments: list[Moment] = []
        self._frames: list[Frame] = []
        self._descent: Descent | None = None
        self._on_surface: list[Frame] = []

    def remark(self) -> str | None:
        """Return what the pictures lack on this machine."""
        return fonts.note(self._pictures.figures)

    def add(self, moment: Moment) -> None:
        """Draw a moment that is shown, but for the loss surface."""
        self._moments.append(moment)
        if moment.is_shown:
            for name, picture in self._pictures.at(moment).items():
                self._frames.append((name, moment.step, *picture.frame()))

    def draw_ahead(self) -> None:
        """Draw the loss surface around the path as it is: the rest of it may lie there too. Of two weights, where it can be."""
        if self._pictures.has_surface and len(self._pictures.rows.names) == 2 and len(self._shown()) >= FIRST_SURFACE:
            self._draw_surface(ahead=True)

    def finished(self) -> list[Frame]:
        """Return the pictures drawn since the last call, but for the loss surface."""
        frames, self._frames = self._frames, []
        return frames

    def surfaces(self) -> list[Frame]:
        """Return the loss surface at each moment; no moment follows."""
        if self._pictures.has_surface and self._moments:
            self._draw_surface()
        return self._on_surface

    def _draw_surface(self, ahead: bool = False) -> None:
        moments = self._moments
        if self._descent is None or not self._descent.holds(moments[-1]):
            self._descent, self._on_surface = Descent(self._pictures.rows, moments, ahead), []
        for place in self._shown()[len(self._on_surface) :]:
            picture = self._descent.at(moments[: place + 1])
            self._on_surface.append(("loss_surface", moments[place].step, *picture.frame()))

    def _shown(self) -> list[int]:
        return [place for place, moment in enumerate(self._moments) if moment.is_shown]


def _warm_up() -> None:
    """Draw pictures of nothing: the first one loads fonts and takes three times as long."""
    studio = RenderSession(
        Rows(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0.0, 1.0]), 1, ("a", "b"), "y", [0.0] * 2, [1.0] * 2, 0.5)
    )
    studio.add(Moment(0, 0, np.zeros(2), 0.0))
    studio.surfaces()


if __name__ == "__main__":
    main(int(sys.argv[1]))
