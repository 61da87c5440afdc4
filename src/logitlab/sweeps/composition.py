"""The configs of a sweep's jobs, composed once for all jobs that differ in plain values alone.

Hydra takes 35 ms to compose a job, and its sweeper composes each to check it: over a minute for a thousand jobs that train in
two seconds. `seed=1` and `seed=2` compose to one config but for that number.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from logitlab.masking import masked

PLAIN_KEY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
WHOLE = re.compile(r"[+-]?(0|[1-9]\d*)")
REAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?")
WORDS = {"null": None, "true": True, "false": False}
ASSIGNMENT = re.compile(r"[A-Za-z_/][\w./]*=[\w.,=+\-/]*\w", re.ASCII)
"""`optimizer.lr=0.1`, `/home/me/outputs/optimizer.lr=0.1,seed=1`: half a run's values, at 0.1 ms each for PyYAML."""
SLOT = "__slot_{}__"

Values = dict[str, Any]
"""Dotted key -> plain value."""


@dataclass
class Job:
    """One job of a sweep.

    Attributes:
        overrides: its command line.
        number: its place in the sweep.
        base: the config that it shares with others.
        values: what it sets in it.
    """

    overrides: list[str]
    number: int
    base: "Base"
    values: Values

    def config(self) -> dict[str, Any]:
        """Return the job's own part of the config, resolved, as plain values."""
        return self.base.plain(self.values)


class Base:
    """A composed config whose values at certain keys are still to be set."""

    def __init__(self, cfg: DictConfig, keys: Sequence[str]) -> None:
        """Take a config, with Hydra's own part, and the keys."""
        self.cfg = cfg
        self.keys = tuple(keys)
        self.job = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        raw = OmegaConf.to_container(self.job, resolve=False)
        self.is_checked = False
        self.templates: dict[str, YamlTemplate] = {}
        self.choices = dict(cfg.hydra.runtime.choices)
        self.sweep_dir = str(cfg.hydra.sweep.dir)
        self.sweep_subdir = OmegaConf.to_container(cfg.hydra.sweep, resolve=False)["subdir"]  # type: ignore[index, call-overload]
        self._dirname = OmegaConf.to_container(cfg.hydra.job.config.override_dirname)
        self.is_private = "oc.env:" in json.dumps(raw, default=str) or masked(raw) != raw
        self.has_interpolations = "${" in json.dumps(raw, default=str)
        self._plain = None if self.has_interpolations else raw

    def plain(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the job's part of the config with these values, resolved, as plain values."""
        if self._plain is None:
            for key, value in values.items():
                OmegaConf.update(self.job, key, value, merge=False)
            return OmegaConf.to_container(self.job, resolve=True)  # type: ignore[return-value]
        plain = _copied(self._plain)
        for key, value in values.items():
            _put(plain, key, value)
        return plain

    def hydra(self, job: Job) -> DictConfig:
        """Return Hydra's part as it is for one job; the next call changes it."""
        with read_write(self.cfg.hydra), open_dict(self.cfg.hydra):  # Hydra makes this node read-only once it is set
            self.cfg.hydra.job.id = str(job.number)
            self.cfg.hydra.job.num = job.number
            self.cfg.hydra.overrides.task = job.overrides
            self.cfg.hydra.job.override_dirname = self.dirname(job.overrides)
        return self.cfg

    def dirname(self, overrides: Sequence[str]) -> str:
        """Return what Hydra makes of the overrides for the names of directories."""
        how: Any = self._dirname
        lines = sorted(line for line in overrides if line.partition("=")[0] not in how["exclude_keys"])
        return re.sub("=", how["kv_sep"], how["item_sep"].join(lines))


@dataclass
class Composer:
    """Composes the jobs of a sweep.

    Attributes:
        compose: Hydra's own way, from the overrides of one job to its config with Hydra's part.
        is_group: whether a key names a config group.
        parse: Hydra's own way, from the text of a value to the value.
        exact: share nothing.
    """

    compose: Callable[[list[str]], DictConfig]
    is_group: Callable[[str], bool]
    parse: Callable[[str], Any]
    exact: bool = False
    _bases: dict[tuple[str, ...], Base | None] = field(default_factory=dict)
    _first: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    _compared: set[tuple[str, ...]] = field(default_factory=set)
    _groups: dict[str, bool] = field(default_factory=dict)

    def job(self, overrides: Sequence[str], number: int) -> Job:
        """Return a job."""
        overrides = list(overrides)
        values: Values = {}
        form = []
        for override in overrides:
            key, _, text = override.partition("=")
            if self._is_plain(key, text):
                values[key] = self._value(text)
                form.append(f"{key}=")
            else:
                form.append(override)
        base = self._base(tuple(form), overrides, values)
        if base is None:
            return Job(overrides, number, Base(self.compose(overrides), ()), {})
        return Job(overrides, number, base, values)

    def _base(self, form: tuple[str, ...], overrides: list[str], values: Values) -> Base | None:
        """Return the base of all jobs of that form; None where it turned out that they cannot share one.

        The second job of a form is composed by Hydra as well, and has to come out the same.
        """
        if self.exact:
            return None
        if form not in self._bases:
            self._bases[form] = Base(self.compose(overrides), list(values))
            self._first[form] = overrides
        elif form not in self._compared and overrides != self._first[form]:
            self._compared.add(form)
            base, own = self._bases[form], Base(self.compose(overrides), ())
            if base is not None and base.plain(values) != own.plain({}):
                self._bases[form] = None
        return self._bases[form]

    def _is_plain(self, key: str, text: str) -> bool:
        if key not in self._groups:
            self._groups[key] = self.is_group(key)
        return not self._groups[key] and not key.startswith("hydra.") and "${" not in text and bool(PLAIN_KEY.fullmatch(key))

    def _value(self, text: str) -> Any:
        if WHOLE.fullmatch(text):
            return int(text)
        if REAL.fullmatch(text):
            return float(text)
        return WORDS[text] if text in WORDS else self.parse(text)


class YamlTemplate:
    """The text of a config with places for values: PyYAML takes 10 ms for what is the same in every job but for a line."""

    def __init__(self, config: Any, keys: Sequence[str]) -> None:
        """Render a config, unresolved, with a place at each of the dotted keys; a list's items have numbers for names."""
        self._content = OmegaConf.to_container(config, enum_to_str=True) if OmegaConf.is_config(config) else config
        self._keys = tuple(keys)
        self._parts = re.split(r"__slot_(\d+)__", self._rendered([SLOT.format(index) for index in range(len(keys))]))

    def fill(self, values: Sequence[Any]) -> str:
        """Return the text with the values, in the order of the keys."""
        if not all(_is_inline(value) for value in values):
            return self._rendered(values)
        return "".join(part if i % 2 == 0 else _scalar(values[int(part)]) for i, part in enumerate(self._parts))

    def _rendered(self, values: Sequence[Any]) -> str:
        content = _copied(self._content)
        for key, value in zip(self._keys, values, strict=True):
            _put(content, key, value)
        return _yaml(content)


def _put(node: Any, key: str, value: Any) -> None:
    *parents, name = key.split(".")
    for parent in parents:
        node = node[int(parent) if isinstance(node, list) else parent]
    node[int(name) if isinstance(node, list) else name] = value


def _yaml(content: Any) -> str:
    return OmegaConf.to_yaml(OmegaConf.create(content))


def _is_inline(value: Any) -> bool:
    return not isinstance(value, list | dict | tuple) and not (isinstance(value, str) and (" " in value or "\n" in value))


@lru_cache(maxsize=4096, typed=True)
def _scalar(value: Any) -> str:
    if type(value) is int or (isinstance(value, str) and ASSIGNMENT.fullmatch(value)):
        return str(value)  # nothing to quote: YAML takes it for what it is
    if isinstance(value, str) and WHOLE.fullmatch(value):
        return f"'{value}'"
    return _yaml([value])[2:].rstrip("\n")


def _copied(node: Any) -> Any:
    """Return a copy of nested dicts and lists; half the time of deepcopy."""
    if isinstance(node, dict):
        return {key: _copied(value) for key, value in node.items()}
    return [_copied(value) for value in node] if isinstance(node, list) else node
