"""A picture that moves: what stands still is laid out and drawn once, and each moment adds the few artists that change.

Drawn whole, a picture takes 0.1 to 0.2 s, most of it layout, ticks and words; a moment of a moving one takes a tenth of that.
"""

import io
from typing import Any

import numpy as np
from matplotlib import rc_context, rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from logitlab.plots.style import STYLE, drawn_without_warnings

FRAME_DPI = 80
"""Dots an inch of a moment: 512 points wide, as wide as TensorBoard shows it unasked."""


class MovingPicture:
    """A figure and its artists that change; a subclass has a `show` that changes them.

    Attributes:
        figure: the picture, whole at every moment.
        moving: what changes and what lies on top of that, the lowest first.
    """

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.moving: list[Artist] = []
        self._canvas: FigureCanvasAgg | None = None
        self._still: Any = None

    def entitle(self, axes: Axes, words: str) -> None:
        """Give the axes a title, and room below it for the moment: letters are half of what a frame takes."""
        self._title, self._words = axes.set_title(f"{words}\n "), words
        pad = rcParams["axes.titlepad"]
        like: dict[str, Any] = {"fontproperties": self._title.get_fontproperties(), "color": self._title.get_color()}
        self._moment = axes.annotate("", (0, 1), (0, pad), "axes fraction", "offset points", annotation_clip=False, **like)
        self._moment.set_in_layout(False)
        self.moving.append(self._moment)

    def tell(self, moment: str) -> None:
        """Say in the title which moment it is, such as "after 100 epochs"; a picture of no moment has no room for it."""
        self._moment.set_text(moment)
        if not moment:
            self._title.set_text(self._words)

    def frame(self) -> tuple[int, int, bytes]:
        """Return this moment's width and height in points and its PNG file, of 256 colours.

        All colours would make it three times as large, and TensorBoard's writer takes 0.1 s for each megabyte.
        """
        if self._canvas is None:
            self.lay_out()
        canvas: Any = self._canvas
        canvas.restore_region(self._still)
        for artist in self.moving:
            if artist.get_visible():
                artist.draw(canvas.get_renderer())
        pixels = np.asarray(canvas.buffer_rgba())
        buffer = io.BytesIO()
        colours = Image.fromarray(pixels).convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        colours.save(buffer, format="png", compress_level=6)
        return pixels.shape[1], pixels.shape[0], buffer.getvalue()

    def lay_out(self) -> None:
        """Draw what stands still; the first frame does it otherwise."""
        self.figure.set_dpi(FRAME_DPI)
        self._canvas = FigureCanvasAgg(self.figure)
        for artist in self.moving:
            artist.set_animated(True)
        with rc_context(STYLE), drawn_without_warnings(self.figure):
            self._canvas.draw()
        self._still = self._canvas.copy_from_bbox(self.figure.bbox)


def legend_below(axes: Axes) -> None:
    """Put the legend below the axis, in one line."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=5, handletextpad=0.4, columnspacing=1.2)
