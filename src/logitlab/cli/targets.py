"""The classes and functions that a config names in a `_target_`, and their arguments, looked at before anything is imported.

conf/ and the command line are the user's own: they may name whatever they like. What a run has recorded is another thing, see
`logitlab.recorded`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from logitlab.errors import UserError, did_you_mean
from logitlab.signatures import is_missing, parameter_names

HYDRA_KEYS = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}


def all_targets(node: Any, key: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every mapping with a `_target_`, with its key."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield key, node
        for name, child in node.items():
            yield from all_targets(child, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from all_targets(child, f"{key}[{index}]")


def check_target(key: str, node: Mapping[str, Any]) -> None:
    """Raise UserError for a target that names nothing, and for an argument that it does not take."""
    target = node["_target_"]
    if not isinstance(target, str):
        raise UserError(f"{key}._target_={target} is not allowed: it takes the dotted name of a class or a function.")
    if is_missing(target):
        raise UserError(f"{key}._target_={target} names nothing: there is no such class or function in that module.")
    accepted = parameter_names(target)
    if accepted is None:
        return
    for name in node:
        if name not in HYDRA_KEYS and name not in accepted:
            hint = did_you_mean(name, accepted) or f" It takes: {', '.join(accepted)}."
            raise UserError(f"{key}.{name} is not an argument of {target}.{hint}")
