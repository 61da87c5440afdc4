"""What the dashboard costs: `python train.py` with its default parts left out.

1,001 epochs on the six rows of the toy data, on two cores: the seconds from the beginning of the fit to the last result,
as the times of environment.json, last.ckpt and metrics.json tell them. The weights over time are worked out inside the fit;
histograms, curves and tables are written after it. `saved` is the median over rounds of what leaving a part out saves, and the
share of the fit that it is.
"""

import itertools
import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from harness import PICTURES, TWO_CORES, alternately, duration, seconds_of, table

ALL = "python train.py"
LESS = ("callbacks.weights=null", "results.dashboard=null")
ROUNDS_FOR_ONE = 3
"""What is sought is a hundredth of what a process takes."""


def measure(rounds: int) -> str:
    """Return the table."""
    fits: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        directories = (Path(folder, str(number)) for number in itertools.count())
        subjects: dict[str, Callable[[], float]] = {ALL: partial(_seconds, directories, fits)}
        subjects |= {each: partial(_seconds, directories, [], each) for each in LESS}
        times = alternately(subjects, ROUNDS_FOR_ONE * rounds)
    fit = statistics.median(fits[1:])
    rows = []
    for name, values in times.items():
        saved = statistics.median(a - b for a, b in zip(times[ALL], values, strict=True))
        of_fit = [f"{1000 * saved:.0f} ms", f"{100 * saved / fit:.0f} %"] if name in LESS else ["", ""]
        rows.append([name, duration(statistics.median(values)), duration(min(values)), *of_fit])
    return table(["fit and results", "median", "fastest", "saved", f"of the fit's {duration(fit)}"], rows)


def _seconds(directories: Iterator[Path], fits: list[float], *less: str) -> float:
    """Return the seconds of a run's fit and results; note those of its fit."""
    run = next(directories)
    seconds_of([*TWO_CORES, PICTURES, "train.py", f"hydra.run.dir={run}", *less])
    begun, trained, ended = (
        (run / name).stat().st_mtime for name in ("environment.json", "checkpoints/last.ckpt", "metrics.json")
    )
    fits.append(trained - begun)
    return ended - begun
