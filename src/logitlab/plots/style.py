"""How every picture looks: the palette of Okabe and Ito, which the colour-blind can tell apart, on axes that print well.

The pictures are pure functions of arrays that return a matplotlib Figure. pyplot and its global state stay out of it: a
picture can be drawn in any thread, with no window system, and nothing has to be closed.
"""

import contextlib
import functools
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from logitlab.plots import fonts
from logitlab.runs import files

BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
INK, GREY, PALE = "#1a1a1a", "#6b6b6b", "#cfcfcf"
CLASS_COLOURS = (BLUE, VERMILION)
"""The colours of class 0 and class 1, in every picture."""

CLASS_MARKERS = ("o", "s")
"""Their markers: a print in black and white still tells them apart."""

PROBABILITY = LinearSegmentedColormap.from_list("probability", ["#5fa8d3", "#f7f7f7", "#f0a06a"], N=20)
"""From class 0 by undecided to class 1, a band for every 0.05; its ends are paler than the points that stand on them."""

STYLE: dict[Any, Any] = {
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.dpi": 100,
    "font.family": fonts.FIRST,
    "font.size": 10,
    "grid.alpha": 0.35,
    "grid.color": PALE,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "text.color": INK,
    "text.parse_math": False,  # a column may be called "US$ or C$"
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 9,
}

P = ParamSpec("P")
T = TypeVar("T")


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Let a picture be drawn in the project's style, whatever matplotlib's settings are."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> T:
        with rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def figure(width: float = 6.0, height: float = 4.0, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure of `width` x `height` inches and its axes, `panels` of them side by side."""
    result = Figure(figsize=(width, height), layout="constrained")
    return result, list(result.subplots(1, panels, squeeze=False)[0])


def entitle(axes: Axes, title: str, moment: str = "") -> None:
    """Give the axes a title, and below it the moment of the training, such as "after 100 epochs"."""
    axes.set_title(f"{title}\n{moment}" if moment else title)


def legend_below(axes: Axes) -> None:
    """Put the legend below the axis, in one line."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=5, handletextpad=0.4, columnspacing=1.2)


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers from `low` to `high`, for a logarithmic axis."""
    if high < 5 * low:
        ticks = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    else:
        ticks = LogLocator(subs=(1, 2, 5) if high < 1e3 * low else (1,), numticks=8).tick_values(low, high)
    return [float(each) for each in ticks if low <= each <= high]


def png(picture: Figure, dpi: int = 100) -> bytes:
    """Return the picture as a PNG file; the same picture gives the same bytes."""
    buffer = io.BytesIO()
    with (
        drawn_without_warnings(picture),
        rc_context({"text.hinting": "no_hinting"}),
    ):  # hinted at 9 points, Korean letters lose strokes
        picture.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def svg(picture: Figure, name: str = "picture") -> str:
    """Return the picture as an SVG file; the same picture and name give the same text.

    Args:
        picture: what to write.
        name: salt of the ids inside the file: two pictures in one page must not share theirs.
    """
    buffer = io.StringIO()
    with drawn_without_warnings(picture), rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        picture.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


@contextlib.contextmanager
def drawn_without_warnings(picture: Figure) -> Iterator[None]:
    """Let a picture be drawn with fonts for its texts, and no warning for each glyph that no font has: `fonts.note` tells."""
    if not fonts.use_for(picture):
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        yield


def write(picture: Figure, path: Path) -> None:
    """Write the picture as PNG (200 dots an inch) and as SVG: `path` with either suffix."""
    files.write(path.with_suffix(".png"), png(picture, dpi=200))
    files.write(path.with_suffix(".svg"), svg(picture, path.stem))
