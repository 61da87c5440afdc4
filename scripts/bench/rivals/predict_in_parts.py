"""python predict_in_parts.py train.csv new.parquet out.csv: what polars and scikit-learn do for a table larger than memory.

Prints the seconds and the largest resident size in MiB.
"""

import sys
import time
from pathlib import Path

import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PART_ROWS = 100_000


def main(train: str, new: str, out: str) -> None:
    """Fit, then predict part by part."""
    table = pl.read_csv(train)
    features = [name for name in table.columns if name != "y"]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(table.select(features).to_numpy(), table["y"])
    started = time.perf_counter()
    scan = pl.scan_parquet(new) if new.endswith(".parquet") else pl.scan_csv(new)
    with Path(out).open("wb") as file:
        for number, part in enumerate(scan.select(features).collect_batches(chunk_size=PART_ROWS)):
            probability = model.predict_proba(part.to_numpy())[:, 1]
            answer = pl.DataFrame({"probability": probability.astype("float32"), "class": (probability >= 0.5).astype(int)})
            answer.write_csv(file, include_header=number == 0)
    seconds = time.perf_counter() - started
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    print(seconds, next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
