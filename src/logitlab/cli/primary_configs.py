"""The primary configs in conf/: which groups and keys each of them names, itself or through those that it is made of."""

from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf


@cache  # asked for four times in a command: to read yaml takes 20 ms
def configs(config_name: str, conf: Path) -> tuple[Any, ...]:
    """Return conf/<config_name>.yaml and the configs that it is made of, but for its groups; not to be changed."""
    node: Any = OmegaConf.load(conf / f"{config_name}.yaml")
    names = [entry for entry in node.defaults if isinstance(entry, str) and entry != "_self_"]
    return (node, *(each for name in names for each in configs(name, conf)))


def groups(config_name: str, conf: Path) -> set[str]:
    """Return every config group that a primary config draws on."""
    entries = [entry for node in configs(config_name, conf) for entry in node.defaults if OmegaConf.is_dict(entry)]
    return {str(group) for entry in entries for group in entry if not str(group).startswith("override ")}


def top_level_keys(config_name: str, conf: Path) -> set[str]:
    """Return the keys and groups that a primary config names."""
    return groups(config_name, conf) | {str(key) for node in configs(config_name, conf) for key in node}
