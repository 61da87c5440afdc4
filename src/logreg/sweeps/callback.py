"""What happens before the first and after the last run of a sweep (hydra.callbacks in conf/config.yaml)."""

import contextlib
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write

from logreg import arguments

_begun: list[Path] = []


class SweepCallback(Callback):
    """Pins the sweep's directory, and tells its result when it ends."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Resolve the directory once, in Hydra's own override too: jobs compose anew, in processes with other numbers."""
        for note in _twice(config.hydra.overrides.task):
            print(f"Note: {note}", file=sys.stderr)
        directory = Path(config.hydra.sweep.dir)
        with read_write(config), open_dict(config):
            config.hydra.sweep.dir = str(directory)
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir={arguments.quoted(str(directory))}")
        _begun.append(directory)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write and print the result; exit 1 if a run failed, 2 if all did by the user's mistake."""
        from logreg.sweeps.report import report

        directory = _begun.pop()
        searched = config.hydra.runtime.choices.get("hydra/sweeper") == "optuna"
        code = report(directory, config.get("monitor"), config.get("monitor_mode", "min"), again=not searched)
        if code:
            sys.exit(code)


def _twice(overrides: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each override that names one value more than once."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        sweep = override.value()
        if not isinstance(sweep, ChoiceSweep):
            continue
        values = [str(getattr(value, "text", value)) for value in sweep.list]
        if again := [value for value, number in Counter(values).items() if number > 1]:
            yield f"{override.input_line} names {', '.join(again)} more than once: such a run is trained once."
        if alike := _one_number(dict.fromkeys(values)):
            yield f"{override.input_line} names one number as {' and as '.join(alike)}: two runs with one result."


def _one_number(values: Iterable[str]) -> list[str]:
    """Return the first values that are one number, written in different ways."""
    ways: dict[float, list[str]] = {}
    for value in values:
        with contextlib.suppress(ValueError):
            ways.setdefault(float(value), []).append(value)
    return next((each for each in ways.values() if len(each) > 1), [])


def tell_interrupted() -> None:
    """Say how a sweep that a signal has ended can be gone on with."""
    if not _begun:
        return
    from logreg.sweeps.report import statuses

    directory = _begun[-1]
    done = sum(status.done for _, status in statuses(directory))
    command = shlex.join(["python", *(word for word in sys.argv if not word.startswith(("hydra.sweep.dir=", "sweep.resume=")))])
    print(
        f"Interrupted: {done:,} {'run is' if done == 1 else 'runs are'} finished. Go on with: {command}"
        f" sweep.resume={shlex.quote(str(directory))}",
        file=sys.stderr,
    )
