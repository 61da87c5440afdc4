"""One run among those that are trained together: what it is given and how it ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Member:
    """A run that is to be trained with others.

    Attributes:
        config: the job's part of the config, resolved, as plain values.
        choices: the name that was chosen in each config group.
        config_text: the config as YAML.
        directory: the run directory.
        write_config: writes `.hydra/` into it.
    """

    config: Mapping[str, Any]
    choices: Mapping[str, Any]
    config_text: Callable[[], str]
    directory: Path
    write_config: Callable[[], None]


@dataclass(frozen=True)
class Outcome:
    """How a member ended: the monitored metric, or why it failed; is_user_error: found before training."""

    value: float | None
    reason: str | None
    seconds: float
    is_user_error: bool = False
    is_pruned: bool = False
