"""Which classes and functions a config may name in a `_target_`, and with which arguments."""

from collections.abc import Iterator, Mapping
from typing import Any

from logreg.errors import UserError, did_you_mean
from logreg.signatures import find_definition, parameter_names

ALLOWED_TARGETS = (
    "logreg.",
    "torch.nn.",
    "torch.optim.",
    "lightning.pytorch.Trainer",
    "lightning.pytorch.callbacks.",
    "lightning.pytorch.loggers.",
    "lightning.pytorch.profilers.",
    "lightning.pytorch.strategies.",
    "torchmetrics.",
    "optuna.samplers.",
    "optuna.pruners.",
)
"""Where a `_target_` may lead. A config from elsewhere can name any callable, `os.system` too: a project that is built on
this one adds its own package here."""

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
    """Raise UserError for a target off the list, one that names nothing, and an argument that it does not take."""
    target = node["_target_"]
    if not isinstance(target, str) or not target.startswith(ALLOWED_TARGETS):
        allowed = ", ".join(prefix.rstrip(".") for prefix in ALLOWED_TARGETS)
        raise UserError(
            f"{key}._target_={target} is not allowed: a target must lie in {allowed}. To allow a package of your own, add"
            " it to ALLOWED_TARGETS in src/logreg/cli/targets.py."
        )
    if find_definition(target) is None:
        raise UserError(f"{key}._target_={target} names nothing: there is no such class or function in that module.")
    accepted = parameter_names(target)
    if accepted is None:
        return
    for name in node:
        if name not in HYDRA_KEYS and name not in accepted:
            hint = did_you_mean(name, accepted) or f" It takes: {', '.join(accepted)}."
            raise UserError(f"{key}.{name} is not an argument of {target}.{hint}")
