"""A hundred small networks: `model=mlp data=moons` from a hundred seeds, trained as one tensor program.

1,001 epochs each, every run directory written in full, on two cores: processes of `hydra/launcher=batched` and of Hydra's basic
launcher. The basic one is measured at 2 and at 6 runs; a hundred of its runs are the first two and 98 times the difference of a
run. Target: 20 times. That the runs are those of the basic launcher is what tests/test_batched_launcher.py is for.
"""

from functools import partial

import harness
import sweeping

MODEL = ("model=mlp", "data=moons", "optimizer=adam", "trainer.max_epochs=1001", "callbacks.early_stopping=null")
ALL = "batched, 100 runs"


def measure(rounds: int) -> str:
    """Return a table of whole processes."""
    subjects = {
        ALL: partial(sweeping.seconds, "batched", *MODEL, "seed=range(100)"),
        "basic, 2 runs": partial(sweeping.seconds, "basic", *MODEL, "seed=range(2)"),
        "basic, 6 runs": partial(sweeping.seconds, "basic", *MODEL, "seed=range(6)"),
    }
    times = harness.alternately(subjects, min(rounds, 3))
    return sweeping.comparison(times, ALL, ("basic, 2 runs", 2), ("basic, 6 runs", 6), 100)
