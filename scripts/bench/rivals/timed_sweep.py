"""Run train.py under the batched launcher with a stopwatch around its parts: python timed_sweep.py train.py ARGUMENTS.

The last line that it prints is JSON: part -> seconds.
"""

import importlib
import json
import sys
import time
from collections import defaultdict
from functools import wraps
from pathlib import Path
from typing import Any

PARTS = {
    "composing, checking": ("hydra_plugins.logitlab_batched_launcher._core:sort",),
    "training": ("lightning.pytorch:Trainer.fit",),
    "status, .hydra/": ("logitlab.batched.member:Member.write_config",),
    "TensorBoard log": ("logitlab.batched.writing:MemberWriter._log",),
    "checkpoints": ("logitlab.batched.writing:MemberWriter._write_checkpoint",),
    "metrics, coefficients": ("logitlab.experiment:apply_results",),
    "noting as finished, sync": ("logitlab.sweeps.member:write_all",),
    "sweep.csv, table": ("logitlab.sweeps.report:report",),
}
WRITING = "rest of writing: folders, lock, environment.json"
seconds: dict[str, float] = defaultdict(float)


def watch(name: str, where: str) -> None:
    """Add what a function takes to a part."""
    module, _, path = where.partition(":")
    owner: Any = importlib.import_module(module)
    *owners, last = path.split(".")
    for each in owners:
        owner = getattr(owner, each)
    function = getattr(owner, last)

    @wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[name] += time.perf_counter() - started

    setattr(owner, last, timed)


def main() -> None:
    """Run it, and say what took how long."""
    sys.argv.pop(0)
    sys.path.insert(0, str(Path(sys.argv[0]).parent / "src"))
    before = time.perf_counter()
    watch(WRITING, "logitlab.batched.writing:MemberWriter.write")
    for name, places in PARTS.items():
        for place in places:
            watch(name, place)
    seconds["importing torch, Lightning, TensorBoard"] = time.perf_counter() - before
    from logitlab.cli.run_command import main as train

    code: Any = 0
    try:
        train("logitlab.experiment:train", config_name="config")
    except SystemExit as end:
        code = end.code
    inside = ("status, .hydra/", "TensorBoard log", "checkpoints", "metrics, coefficients")
    seconds[WRITING] -= sum(seconds[name] for name in inside)
    seconds["rest: Hydra, its sweeper, starts of the members"] = time.perf_counter() - before - sum(seconds.values())
    print(json.dumps(seconds))
    sys.exit(code)


if __name__ == "__main__":
    main()
