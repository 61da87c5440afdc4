"""Predictions for 10,000,000 rows of 28 features.

From a Parquet file (float32, row groups of a million rows) to a CSV file with probability and class, and the same for a CSV
file of a fifth of the rows. Ours is predict.py's own function, all its checks included. The rival reads batches of 100,000
rows with polars (`collect_batches`), lets a pipeline of StandardScaler and LogisticRegression predict them, and writes what
ours writes. Each is a process of its own; its seconds are taken without imports, its memory is the largest resident size of
all.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
from epoch import FEATURES, simulated
from harness import RIVALS, ROOT, duration, headline, table

TIMES = 5
"""The table of `simulated` is written so often, one after the other."""
TRAINED_ON = 20_000
OURS, RIVAL = "ours", "polars and scikit-learn, in batches"

PREDICT = """
import sys, time
from pathlib import Path
from logitlab.inference.model_file import load_model
from logitlab.inference.prediction import predict
model = load_model(sys.argv[1])
started = time.perf_counter()
predict(model, sys.argv[2], sys.argv[3])
seconds = time.perf_counter() - started
status = Path("/proc/self/status").read_text().splitlines()
print(seconds, next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)
"""


def measure(rounds: int) -> str:
    """Return the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = write_tables(folder)
        train = [sys.executable, str(ROOT / "train.py"), "data=table", "data.path=train.csv", "data.target=y"]
        more = ["data.split=none", "optimizer=lbfgs", "hydra.run.dir=run"]
        subprocess.run([*train, *more], cwd=folder, check=True, capture_output=True)
        ours = [sys.executable, "-c", PREDICT, "run"]
        rival = [sys.executable, str(RIVALS / "predict_in_parts.py"), "train.csv"]
        body = []
        for new in rows:
            taken: dict[str, list[tuple[float, float]]] = {OURS: [], RIVAL: []}
            for _ in range(min(rounds, 3)):
                for who, command in ((OURS, ours), (RIVAL, rival)):
                    taken[who].append(timed([*command, new, f"{who[:4]}.csv"], folder))
            seconds = {who: [each for each, _ in pairs] for who, pairs in taken.items()}
            headline(f"predicting {rows[new]:,} rows from {Path(new).suffix[1:]}", seconds, OURS, [RIVAL])
            check_alike(folder / "ours.csv", folder / f"{RIVAL[:4]}.csv")
            body += [line(f"{who}, {Path(new).suffix[1:]}", rows[new], taken[who], taken[OURS]) for who in taken]
    return table(["", "median", "million rows/s", "its time / ours", "peak memory", "target"], body)


def write_tables(folder: Path) -> dict[str, int]:
    """Write the tables to train on and to predict; return the rows of the latter."""
    x, y = simulated()
    frame = pl.DataFrame({f"x{index}": x[:, index].numpy() for index in range(FEATURES)})
    answer = pl.Series("y", y[:, 0].int().numpy())
    frame.with_columns(answer).head(TRAINED_ON).write_csv(folder / "train.csv")
    frame.write_csv(folder / "new.csv")
    pl.concat([frame] * TIMES).write_parquet(folder / "new.parquet", row_group_size=1_000_000)
    return {"new.parquet": TIMES * len(frame), "new.csv": len(frame)}


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Return the seconds and the MiB that a process prints."""
    env = {name: value for name, value in os.environ.items() if name != "_RJEM_MALLOC_CONF"}  # polars, imported here, sets it
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, env=env)
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def check_alike(ours: Path, theirs: Path) -> None:
    """Raise AssertionError unless both predicted the same, but for what a tolerance leaves."""
    gap = (pl.read_csv(ours)["probability"] - pl.read_csv(theirs)["probability"]).abs().max()
    assert isinstance(gap, float)
    assert gap < 1e-3, f"the predictions differ by {gap}"


def line(name: str, rows: int, taken: list[tuple[float, float]], ours: list[tuple[float, float]]) -> list[str]:
    """Return a line of the table."""
    seconds, memory = (statistics.median(each) for each in zip(*taken, strict=True))
    share = statistics.median(a / b for (a, _), (b, _) in zip(taken, ours, strict=True))
    target = "< 1 GiB" if name == f"{OURS}, parquet" else ""
    return [name, duration(seconds), f"{rows / seconds / 1e6:.2f}", f"{share:.2f}", f"{memory:.0f} MiB", target]
