"""A thousand runs of the toy experiment.

Ten learning rates by a hundred seeds, 1,001 epochs each, every run directory written in full, on two cores: processes of
`hydra/launcher=batched` and of Hydra's basic launcher. The basic one is measured at 2 and at 20 runs; a thousand
of its runs are the first two and 998 times the difference of a run.
"""

import statistics
import tempfile
from pathlib import Path

import harness

RATES = "optimizer.lr=0.01,0.02,0.05,0.1,0.2,0.3,0.5,0.7,1,2"
CORES = ("taskset", "-c", "0,1")


def measure(rounds: int) -> str:
    """Return a table of whole processes and of what a run of the thousand costs."""
    times = harness.alternately(
        {
            "batched, 1 run": lambda: _sweep("batched", "optimizer.lr=1"),
            "batched, 1,000 runs of 1 epoch": lambda: _sweep("batched", RATES, "seed=range(100)", "trainer.max_epochs=1"),
            "batched, 1,000 runs": lambda: _sweep("batched", RATES, "seed=range(100)"),
            "basic, 2 runs": lambda: _sweep("basic", "optimizer.lr=0.5,1"),
            "basic, 20 runs": lambda: _sweep("basic", RATES, "seed=range(2)"),
        },
        min(rounds, 3),
    )
    middle = {name: statistics.median(values) for name, values in times.items()}
    basic = middle["basic, 2 runs"] + 998 * (middle["basic, 20 runs"] - middle["basic, 2 runs"]) / 18
    batched = middle["batched, 1,000 runs"]
    rows = [[name, harness.duration(seconds)] for name, seconds in middle.items()]
    rows.append(["basic, 1,000 runs (extrapolated)", harness.duration(basic)])
    start, one_epoch = middle["batched, 1 run"], middle["batched, 1,000 runs of 1 epoch"]
    parts = [
        ["start of the process, first run", harness.duration(start), ""],
        ["composing, writing a run directory", "", harness.duration((one_epoch - start) / 1000)],
        ["1,000 epochs and their curve", "", harness.duration((batched - one_epoch) / 1000)],
    ]
    return (
        f"{harness.table(['whole process', 'median'], rows)}\n\nThe batched launcher is {basic / batched:.0f} times as fast."
        f"\n\n{harness.table(['where the time goes', 'once', 'a run'], parts)}"
    )


def _sweep(launcher: str, *arguments: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [*CORES, harness.LEAN, str(harness.ROOT / "train.py"), "-m", f"hydra/launcher={launcher}", *arguments]
        return harness.seconds_of([*command, f"hydra.sweep.dir={Path(folder, 'sweep')}"])
