"""Twenty configurations of a table of 1,000,000 rows and 28 features, in mini-batches.

Twenty learning rates, 3 shuffled epochs of Adam in batches of 8,192 rows, from a Parquet file, everything written, on two
cores. The batched launcher reads the table once and gathers each batch once for all. The basic launcher is measured at 1 and at
3 runs; twenty of its runs are the first and 19 times the difference of a run.
"""

import tempfile
from functools import partial
from pathlib import Path

import harness
import polars as pl
import sweeping
from epoch import FEATURES, simulated

ROWS = 1_000_000
RATES = [0.001 * 1.3**number for number in range(20)]
ALL = "batched, 20 runs"


def measure(rounds: int) -> str:
    """Return the table."""
    x, y = (part[:ROWS] for part in simulated())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.parquet")
        columns = {f"x{index}": x[:, index].numpy() for index in range(FEATURES)}
        pl.DataFrame({**columns, "y": y[:, 0].int().numpy()}).write_parquet(path)
        data = ("data=table", f"data.path={path}", "data.target=y", "data.batch_size=8192", "trainer.max_epochs=3")
        subjects = {
            ALL: partial(sweeping.seconds, "batched", *data, f"optimizer.lr={sweeping.listed(RATES)}"),
            "basic, 1 run": partial(sweeping.seconds, "basic", *data, f"optimizer.lr={sweeping.listed(RATES[10:11])}"),
            "basic, 3 runs": partial(sweeping.seconds, "basic", *data, f"optimizer.lr={sweeping.listed(RATES[10:13])}"),
        }
        times = harness.alternately(subjects, min(rounds, 3))
    return sweeping.comparison(times, ALL, ("basic, 1 run", 1), ("basic, 3 runs", 3), 20)
