"""Reading a CSV file of 2,000,000 rows and 28 features.

Ours is `logitlab.data.reading.read`, which also checks for NUL bytes, quotes, short rows and encodings; polars is `read_csv` of
the same file. "data=table" is everything from the file to scaled, split float32 matrices, in a process of its own: its memory
is the largest resident size above that of the imported libraries, over the size of the float32 table (214 MiB).
"""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import polars as pl
from epoch import FEATURES, ROWS, simulated
from harness import alternately, duration, headline, ratio, table

from logitlab.data import reading

WHOLE = """
import sys, threading, time
from pathlib import Path
import logitlab.data  # before polars, as in train.py: polars' allocator is told to give freed memory back
import lightning.pytorch, torch, polars
def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
from logitlab.data.table import table
before, most, done = resident(), 0.0, False
def watch():
    global most
    while not done:
        most = max(most, resident())
        time.sleep(0.005)
watcher = threading.Thread(target=watch)
watcher.start()
started = time.perf_counter()
table(sys.argv[1], "y")
seconds = time.perf_counter() - started
done = True
watcher.join()
print(seconds, most - before)
"""


def measure(rounds: int) -> str:
    """Return the table."""
    x, y = simulated()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.csv"
        columns = {f"x{index}": x[:, index].numpy() for index in range(FEATURES)}
        pl.DataFrame({**columns, "y": y[:, 0].int().numpy()}).write_csv(path)
        subjects = {"polars read_csv": partial(timed, pl.read_csv, path), "ours": partial(timed, reading.read, path)}
        times = alternately(subjects, rounds)
        headline(f"reading a CSV file of {ROWS:,} x {FEATURES}", times, "ours", ["polars read_csv"])
        whole = [run_whole(path) for _ in range(min(rounds, 3))]
    rows = [
        [name, duration(sorted(each)[len(each) // 2]), f"{ratio(times, name, 'polars read_csv'):.2f}", "", target]
        for (name, each), target in zip(times.items(), ("", "<= 1.3"), strict=True)
    ]
    seconds, memory = sorted(whole)[len(whole) // 2]
    rows.append(["data=table", duration(seconds), "", f"{memory / (ROWS * FEATURES * 4 / 2**20):.2f} x float32", "<= 3"])
    return table(["", "median", "x polars", "peak memory", "target"], rows)


def timed(read: object, path: Path) -> float:
    """Return the seconds of one reading."""
    started = time.perf_counter()
    read(path)  # type: ignore[operator]
    return time.perf_counter() - started


def run_whole(path: Path) -> tuple[float, float]:
    """Return seconds and MiB of data=table in a process of its own."""
    env = {name: value for name, value in os.environ.items() if name != "_RJEM_MALLOC_CONF"}  # polars, imported here, sets it
    done = subprocess.run([sys.executable, "-c", WHOLE, str(path)], capture_output=True, text=True, check=True, env=env)
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory
