"""What the dashboard costs: `python train.py` with its default parts left out.

1,001 epochs on the six rows of the toy data, from prompt to prompt, on two cores, in an environment with matplotlib. The
weights over time are worked out inside the fit; histograms, curves and tables are written after it; the pictures of training
are drawn by a process of their own, of the lowest priority, which is warm before the fit begins, and the run waits for it a
tenth of the fit's seconds at its end, at most (or until 0.4 s after its beginning). Bound: pictures take at most 20 % of the
fit. `saved` is the median over rounds of what leaving a part out saves, and the share of the fit that it is.
"""

import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial

from harness import PICTURES, RIVALS, ROOT, TWO_CORES, alternately, duration, ratio, seconds_of, table

ALL, PLAIN = "python train.py", "plain torch script"
LESS = {
    "results.pictures=null": ["results.pictures=null"],
    "callbacks.weights=null, which leaves out pictures too": ["callbacks.weights=null"],
    "results.dashboard=null": ["results.dashboard=null"],
}


def measure(rounds: int) -> str:
    """Return the table."""
    fits: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        command = [*TWO_CORES, PICTURES, "train.py", f"hydra.run.dir={folder}/${{now:%f}}"]
        subjects: dict[str, Callable[[], float]] = {ALL: partial(_seconds, command, fits)}
        subjects |= {name: partial(_seconds, [*command, *less], []) for name, less in LESS.items()}
        subjects[PLAIN] = partial(seconds_of, [*TWO_CORES, PICTURES, str(RIVALS / "plain_tutorial.py")])
        times = alternately(subjects, rounds)
    fit = statistics.median(fits[1:])
    rows = []
    for name, values in times.items():
        saved = statistics.median(a - b for a, b in zip(times[ALL], values, strict=True))
        share = f"{saved:.2f} s" if name in LESS else ""
        of_fit = f"{100 * saved / fit:.0f} %" if name in LESS else ""
        rows.append([name, duration(statistics.median(values)), f"{ratio(times, name, PLAIN):.2f}", share, of_fit])
    return table(["", "median", f"x {PLAIN}", "saved", f"of the fit's {duration(fit)}"], rows)


def _seconds(command: list[str], fits: list[float]) -> float:
    """Return the seconds of a command; note those of its fit."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    found = re.search(r"epochs, ([\d.]+) s", done.stdout)
    assert found is not None, done.stdout
    fits.append(float(found[1]))
    return seconds
