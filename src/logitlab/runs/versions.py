"""What released versions have written, read by this one: docs/compatibility.md says what is kept.

A checkpoint, status.json and environment.json carry the number of the schema by which they were written. Those of 0.1.0 carry
none: they are of schema 1.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from logitlab.errors import UserError

SCHEMA = 2
"""The schema that is written. A change after which an earlier version would read a file wrongly takes the next number."""

NAMES = {
    "logreg.callbacks.": "logitlab.training.callbacks.",
    "logreg.profiler.": "logitlab.training.profiler.",
    "logreg.schedules.": "logitlab.training.schedules.",
    "logreg.": "logitlab.",
    "hydra_plugins.logreg_": "hydra_plugins.logitlab_",
}
"""What a `_target_` of schema 1 begins with -> what it begins with now; the first that fits counts."""


def check_schema(content: Mapping[str, Any], path: Path) -> None:
    """Raise UserError where a file was written by a later version than this one."""
    number = content.get("schema", 1)
    if not isinstance(number, int) or number > SCHEMA:
        raise UserError(
            f"{path} was written by a later version of logitlab: its schema is {number}, and this version reads up to {SCHEMA}."
            " Use that version, which environment.json of the run names."
        )


def with_current_names(node: Any) -> Any:
    """Return a recorded config, or a part of one, whose `_target_`s have the names of this version."""
    if isinstance(node, Mapping):
        return {key: _renamed(each) if key == "_target_" else with_current_names(each) for key, each in node.items()}
    return [with_current_names(each) for each in node] if isinstance(node, list) else node


def _renamed(target: Any) -> Any:
    if not isinstance(target, str):
        return target
    old = next((old for old in NAMES if target.startswith(old)), None)
    return target if old is None else NAMES[old] + target.removeprefix(old)
