"""What decides a run's numbers: the part of its config by which it is known again.

A run is known by the calls that its config makes, not by the config's text. What only watches is left out, and so is an
argument that has the value which the callable takes by itself: a config that was written before there was such an argument says
the same. An argument that conf/ sets otherwise stays, so that another default in conf/ is another run.
"""

from collections.abc import Mapping
from typing import Any

from logitlab.data.table_files import PATHS
from logitlab.signatures import parameter_defaults

NOT_OF_THE_RUN = ("ckpt_path", "sweep", "logger", "experiment", "debug")
"""Top-level keys that say how a run is gone about, or where it is reported."""

WATCHES = {
    "results": {"dashboard", "pictures"},
    "callbacks": {"doctor", "progress_bar", "print_epochs", "weights"},
    "trainer": {
        *("enable_progress_bar", "enable_model_summary", "log_every_n_steps", "num_sanity_val_steps", "profiler"),
        "compile",
        *("logger", "default_root_dir"),
    },
    "data": set(PATHS),  # the rows are compared (logitlab.data.description): a table may be moved
}
"""Within a part of the config, what changes no number."""

WITHOUT = {
    "monitor": None,
    "monitor_mode": "min",
    "threshold": 0.5,
    "calibration": "none",
    "cost": {"false_positive": 1, "false_negative": 1},
    "lr_scheduler": None,
    "metrics": None,
}
"""Top-level keys and the values at which a run is as if there were no such key. They never change, whatever conf/ has; a new
key gets the value here that leaves the numbers of earlier runs as they are."""

OPTIONAL = ("results", "callbacks")
"""Parts whose entries are left out where nothing but the callable's own values is asked of them."""


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides a run's numbers, of its config, given as plain values.

    In it `results.NAME: null` (left out) is not `results.NAME` with the values that it has by itself.
    """
    found = {key: part(key, node) for key, node in config.items() if key not in NOT_OF_THE_RUN}
    return {key: node for key, node in found.items() if key not in WITHOUT or (node or None) != WITHOUT[key]}


def part(key: str, node: Any) -> Any:
    """Return what decides numbers in one part of the config (`config[key]`)."""
    if not isinstance(node, Mapping):
        return node
    kept = {name: each for name, each in node.items() if name not in WATCHES.get(key, ())}
    if key == "callbacks" and isinstance(kept.get("checkpoints"), Mapping):
        kept["checkpoints"] = {name: each for name, each in kept["checkpoints"].items() if name != "every_n_seconds"}
    own = without_defaults(kept)
    if key in OPTIONAL:
        return {name: each for name, each in own.items() if not isinstance(each, Mapping) or each.keys() - {"_target_"}}
    return own


def without_defaults(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node of a config without the arguments that have the value which its `_target_` takes by itself."""
    target = node.get("_target_")
    defaults = parameter_defaults(target) if isinstance(target, str) else {}
    return {
        name: without_defaults(each) if isinstance(each, Mapping) else each
        for name, each in node.items()
        if name not in defaults or not _equal(each, defaults[name])
    }


def _equal(value: Any, default: Any) -> bool:
    """Return whether a value is a default: 1 is 1.0, a list is a tuple, but False is not 0."""
    if isinstance(value, list | tuple) and isinstance(default, list | tuple):
        return len(value) == len(default) and all(map(_equal, value, default))
    return bool(value == default) and isinstance(value, bool) == isinstance(default, bool)
