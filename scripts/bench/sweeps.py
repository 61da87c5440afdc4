"""A thousand runs of the toy experiment.

Ten learning rates by a hundred seeds, 1,001 epochs each, every run directory written in full, on two cores: processes of
`hydra/launcher=batched` and of Hydra's basic launcher. The basic one is measured at 2 and at 20 runs; a thousand
of its runs are the first two and 998 times the difference of a run. Targets: 20 s and 50 times, aim 10 s and 200 times.

The second table is one more process of the batched launcher with a stopwatch around its parts. What a run costs is mostly its
fifteen files and folders; the training of a thousand runs takes little longer than that of one.
"""

import json
import statistics
import subprocess
from functools import partial

import harness
import sweeping

RATES = "optimizer.lr=0.01,0.02,0.05,0.1,0.2,0.3,0.5,0.7,1,2"
ALL = "batched, 1,000 runs"
TIMED = harness.RIVALS / "timed_sweep.py"


def measure(rounds: int) -> str:
    """Return a table of whole processes and of what a run of the thousand costs."""
    subjects = {
        "batched, 1 run": partial(sweeping.seconds, "batched", "optimizer.lr=1"),
        ALL: partial(sweeping.seconds, "batched", RATES, "seed=range(100)"),
        "basic, 2 runs": partial(sweeping.seconds, "basic", "optimizer.lr=0.5,1"),
        "basic, 20 runs": partial(sweeping.seconds, "basic", RATES, "seed=range(2)"),
    }
    times = harness.alternately(subjects, min(rounds, 5))
    compared = sweeping.comparison(times, ALL, ("basic, 2 runs", 2), ("basic, 20 runs", 20), 1000)
    parts = [_parts() for _ in range(min(rounds, 3))]
    names = sorted(parts[0], key=lambda name: -parts[0][name])
    middle = {name: statistics.median(each[name] for each in parts) for name in names}
    rows = [[name, harness.duration(value), harness.duration(value / 1000)] for name, value in middle.items()]
    return f"{compared}\n\n{harness.table(['where the time goes', 'of 1,000 runs', 'a run'], rows)}"


def _parts() -> dict[str, float]:
    _, _, _, *command = sweeping.command("batched", sweeping.new_directory(), RATES, "seed=range(100)")
    command = [*harness.TWO_CORES, command[0], str(TIMED), *command[1:]]
    done = subprocess.run(command, cwd=harness.ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
