"""What happens before the first and after the last run of a sweep (hydra.callbacks in conf/config.yaml)."""

import shlex
import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write

_begun: list[Path] = []


class SweepCallback(Callback):
    """Pins the sweep's directory, and tells its result when it ends."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Resolve the directory once: a job in another process would otherwise put its own number into the name."""
        directory = Path(config.hydra.sweep.dir)
        with read_write(config), open_dict(config):
            config.hydra.sweep.dir = str(directory)
        _begun.append(directory)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write and print the result; exit 1 if a run failed, 2 if all did by the user's mistake."""
        from logreg.sweeps.report import report

        directory = _begun.pop()
        code = report(directory, config.get("monitor"), config.get("monitor_mode", "min"))
        if code:
            sys.exit(code)


def tell_interrupted() -> None:
    """Say how a sweep that a signal has ended can be gone on with."""
    if not _begun:
        return
    from logreg.sweeps.report import statuses

    directory = _begun[-1]
    done = sum(status.finished for _, status in statuses(directory))
    command = shlex.join(["python", *(word for word in sys.argv if not word.startswith(("hydra.sweep.dir=", "sweep.resume=")))])
    print(
        f"Interrupted: {done:,} {'run is' if done == 1 else 'runs are'} finished. Go on with: {command}"
        f" sweep.resume={shlex.quote(str(directory))}",
        file=sys.stderr,
    )
