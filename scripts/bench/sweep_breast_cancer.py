"""A hundred configurations of a table of 569 rows and 30 features.

Ten learning rates by ten penalties on scikit-learn's breast cancer table, 300 epochs of Adam, everything written, on two
cores. The basic launcher is measured at 2 and at 10 runs; a hundred of its runs are the first two and 98 times the difference
of a run.
"""

import contextlib
import io
import tempfile
from functools import partial
from pathlib import Path

import breast_cancer
import harness
import sweeping

RATES = f"optimizer.lr={sweeping.listed([0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5])}"
PENALTIES = f"penalty.l2={sweeping.listed([0.0001, 0.0003, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3])}"
ALL = "batched, 100 runs"


def measure(rounds: int) -> str:
    """Return the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        with contextlib.redirect_stdout(io.StringIO()):
            breast_cancer.main(path)
        data = ("data=table", f"data.path={path}", "data.target=benign", "trainer.max_epochs=300")
        epochs = "callbacks.early_stopping.patience=null"
        subjects = {
            ALL: partial(sweeping.seconds, "batched", *data, epochs, RATES, PENALTIES),
            "basic, 2 runs": partial(sweeping.seconds, "basic", *data, epochs, "optimizer.lr=0.01,0.1"),
            "basic, 10 runs": partial(sweeping.seconds, "basic", *data, epochs, RATES),
        }
        times = harness.alternately(subjects, min(rounds, 5))
    return sweeping.comparison(times, ALL, ("basic, 2 runs", 2), ("basic, 10 runs", 10), 100)
