"""JSON schemas of the files of conf/, by which an editor completes keys and checks values: python scripts/schema.py

They are made of what the command line checks by: the rules of `logitlab.rules` and the signatures of what a `_target_` names. A
line `# yaml-language-server: $schema=...` in each file names its schema.
"""

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import yaml

from logitlab.cli.checks import COLLECTIONS, HYDRA_KEYS
from logitlab.rules import RULES, Number, OneOf, Texts
from logitlab.signatures import parameter_names

ROOT = Path(__file__).parents[1]
CONF, SCHEMAS = ROOT / "conf", ROOT / "schemas"
LINE = "# yaml-language-server: $schema="
REFERENCE = {"type": "string", "pattern": r"\$\{|^\?\?\?$"}
"""A value that is made of others, or has to be given."""

Schema = dict[str, Any]


def of_rule(rule: Number | OneOf | Texts) -> Schema:
    """Return the schema of the values that a rule allows; null and references too."""
    if isinstance(rule, Number):
        bounds = {"minimum": rule.low, "exclusiveMinimum": rule.above, "maximum": rule.high}
        number: Schema = {"type": "integer" if rule.integer else "number"}
        number |= {name: value for name, value in bounds.items() if math.isfinite(value)}
        allowed: list[Schema] = [number, {"enum": [*rule.names, None]}]
    elif isinstance(rule, OneOf):
        names: list[Any] = [{"true": True, "false": False}.get(name, name) for name in rule.names]
        allowed = [{"enum": [*names, None]}]
    else:
        allowed = [{"type": ["string", "null"] if rule.single else ["array", "string", "null"]}]
    return {"anyOf": [*allowed, REFERENCE]}


def is_global(path: Path) -> bool:
    """Return whether a file sets keys of the whole config."""
    return path.parent == CONF or "@package _global_" in path.read_text(encoding="utf-8")


def comments(paths: list[Path]) -> dict[str, str]:
    """Return what stands behind the keys of the files, by key."""
    found: dict[str, str] = {}
    for path in paths:
        for key, words in re.findall(r"^ *(\w+):[^#\n]*# *(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            found.setdefault(key, words)
    return found


def part(key: str, nodes: list[Any], words: dict[str, str]) -> Schema:
    """Return the schema of a part that is built from its `_target_`: the arguments that this takes, with their rules.

    Args:
        key: of the part, as in "optimizer" or "callbacks.doctor".
        nodes: the part as each shipped file has it.
        words: what the files say of each key.
    """
    built = [node for node in nodes if isinstance(node, dict) and "_target_" in node]
    targets = sorted({node["_target_"] for node in built})
    takes = {target: parameter_names(target) for target in targets}
    shipped = {target: {name for node in built if node["_target_"] == target for name in node} for target in targets}
    names = {name for found in takes.values() for name in found or ()}
    names |= {str(name) for node in nodes if isinstance(node, dict) for name in node} - HYDRA_KEYS
    rules = {name: of_rule(RULES[f"{key}.{name}"]) if f"{key}.{name}" in RULES else {} for name in sorted(names)}
    described = {name: {"description": words[name], **rule} if name in words else rule for name, rule in rules.items()}
    checks = [
        {
            "if": {"properties": {"_target_": {"const": target}}, "required": ["_target_"]},
            "then": {"propertyNames": {"enum": sorted({*accepted, *shipped[target], *HYDRA_KEYS, "defaults"})}},
        }
        for target, accepted in takes.items()
        if accepted is not None
    ]
    own = {"_target_": {"type": "string", "examples": targets}, "_partial_": {"type": "boolean"}}
    return {"type": ["object", "null"], "properties": {**own, **described}, **({"allOf": checks} if checks else {})}


def of_group(group: str) -> Schema:
    """Return the schema of the files of conf/<group>/."""
    paths = sorted(path for path in (CONF / group).rglob("*.yaml"))
    words = comments(paths)
    contents = [(path, load(path)) for path in paths]
    nodes: list[Any] = [each.get(group) if is_global(path) else each for path, each in contents if each]
    if group not in COLLECTIONS:
        return part(group, nodes, words)
    entries = sorted({name for node in nodes for name in node or () if name != "defaults"})
    named = {name: part(f"{group}.{name}", [node[name] for node in nodes if name in node], words) for name in entries}
    return {"type": ["object", "null"], "properties": {"defaults": {"type": "array"}, **named}}


def load(path: Path) -> dict[str, Any]:
    """Return the content of a YAML file; {} for an empty one."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def plain_keys(node: dict[str, Any], words: dict[str, str], prefix: str = "") -> Schema:
    """Return the schemas of keys that the jobs read themselves, by name."""
    found: Schema = {}
    for name, value in node.items():
        key = f"{prefix}{name}"
        if name in ("defaults", "hydra"):
            found[name] = {"type": "array" if name == "defaults" else "object"}
        elif isinstance(value, dict):
            found[name] = {"type": "object", "properties": plain_keys(value, words, f"{key}."), "additionalProperties": False}
        else:
            found[name] = of_rule(RULES[key]) if key in RULES else {}
            if name in words:
                found[name] = {"description": words[name], **found[name]}
    return found


def of_command(name: str, groups: list[str]) -> Schema:
    """Return the schema of a primary config, and of every file that sets keys of the whole config."""
    node = load(CONF / f"{name}.yaml")
    own = plain_keys(node, comments([CONF / f"{name}.yaml"]))
    properties = {"defaults": {"type": "array"}, "hydra": {"type": "object"}, **own}
    properties |= {group: {"$ref": f"{group}.json"} for group in groups}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def schema_of(path: Path) -> str | None:
    """Return the name of the schema of a file of conf/; None for Hydra's own groups."""
    group = path.relative_to(CONF).parts[0]
    if group == "hydra":
        return None
    if path.parent == CONF:
        return path.stem
    return "config" if is_global(path) else group


def schemas() -> dict[str, Schema]:
    """Return every schema by its name."""
    groups = sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name not in ("hydra", "experiment"))
    made = {group: of_group(group) for group in groups}
    made["config"] = of_command("config", groups)
    for path in CONF.glob("*.yaml"):
        if path.stem != "config":
            made[path.stem] = of_command(path.stem, groups if path.stem == "select_penalty" else [])
    for name in ("select_penalty",):  # what it has besides belongs to train.py too
        made[name]["properties"] = {**made["config"]["properties"], **made[name]["properties"]}
        made[name]["properties"]["data"] = {"$ref": "data.json"}
    return {name: {"$schema": "http://json-schema.org/draft-07/schema#", **each} for name, each in made.items()}


def text(schema: Schema) -> str:
    """Return a schema as it is written."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def line_of(path: Path) -> str | None:
    """Return the line of a file of conf/ that names its schema."""
    name = schema_of(path)
    return None if name is None else LINE + os.path.relpath(SCHEMAS / f"{name}.json", path.parent)


def main() -> None:
    """Write the schemas, and the line that names one into each file."""
    SCHEMAS.mkdir(exist_ok=True)
    for old in SCHEMAS.glob("*.json"):
        old.unlink()
    for name, schema in schemas().items():
        (SCHEMAS / f"{name}.json").write_text(text(schema), encoding="utf-8")
    for path in CONF.rglob("*.yaml"):
        if (line := line_of(path)) is not None:
            lines = [each for each in path.read_text(encoding="utf-8").splitlines() if not each.startswith(LINE)]
            place = next((place for place, each in enumerate(lines) if not each.startswith("#")), len(lines))
            path.write_text("\n".join([*lines[:place], line, *lines[place:]]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
