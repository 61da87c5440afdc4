"""The memory of ten thousand runs.

Ten learning rates by a thousand seeds of the toy experiment, 1,001 epochs each, everything written: the largest resident size
of the one process of `hydra/launcher=batched`. A program has 1,000 members at most, so that what is being trained is bounded;
what grows is what the launcher knows of every run, its config most of all.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import harness
import sweeping
from sweeps import RATES

SEEDS = {10: 1, 1_000: 100, 10_000: 1_000}
"""Runs -> seeds."""


def measure(rounds: int) -> str:
    """Return the table; one round, for ten thousand runs take over a minute."""
    found = {runs: _peak(RATES, f"seed=range({seeds})") for runs, seeds in SEEDS.items()}
    rows = [[f"{runs:,} runs", f"{memory:,.0f} MiB", harness.duration(seconds)] for runs, (memory, seconds) in found.items()]
    (few, (less, _)), (many, (most, _)) = list(found.items())[1:]
    each = (most - less) * 1024 / (many - few)
    table = harness.table(["", "largest resident size", "seconds"], rows)
    return f"{table}\n\nBeyond the first thousand a run takes {each:.1f} KiB."


def _peak(*arguments: str) -> tuple[float, float]:
    """Return the largest resident size of a sweep, in MiB, and what it took."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        process = subprocess.Popen(
            sweeping.command("batched", Path(folder, "sweep"), *arguments), cwd=harness.ROOT, stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise RuntimeError(f"the sweep ended with {os.waitstatus_to_exitcode(status)}")
        return usage.ru_maxrss / 1024, time.perf_counter() - started
