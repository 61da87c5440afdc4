"""The configs of a sweep's jobs, composed once for all jobs that differ in plain values alone.

Hydra takes 35 ms to compose a job, and its sweeper composes each to check it: over a minute for a thousand jobs that train in
two seconds. `seed=1` and `seed=2` compose to one config but for that number.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from logitlab.masking import masked

PLAIN_KEY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
WHOLE = re.compile(r"[+-]?(0|[1-9]\d*)")
REAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?")
WORDS = {"null": None, "true": True, "false": False}
ASSIGNMENT = re.compile(r"[A-Za-z_/][\w./]*=[\w.,=+\-/]*\w", re.ASCII)
"""`optimizer.lr=0.1`, `/home/me/outputs/optimizer.lr=0.1,seed=1`: half a run's values, at 0.1 ms each for PyYAML."""
SLOT = "__slot_{}__"


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
    values: Mapping[str, Any] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """Return the job's own part of the config, resolved, as plain values."""
        return self.base.plain(self.values)


class Base:
    """A composed config whose values at certain keys are still to be set.

    Attributes:
        is_shared: every job of the form comes out as this config with its own values.
        is_compared: a second job was composed by Hydra as well.
        is_checked: the whole config was checked.
    """

    def __init__(self, cfg: DictConfig, keys: Iterable[str] = (), overrides: Sequence[str] = ()) -> None:
        """Take a config, with Hydra's own part, the dotted keys, and the job that it was composed for."""
        self.cfg = cfg
        self.keys = tuple(keys)
        self.overrides = overrides
        self.is_shared, self.is_compared, self.is_checked = True, False, False
        self.job = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        raw = OmegaConf.to_container(self.job, resolve=False)
        self.choices = dict(cfg.hydra.runtime.choices)
        self.sweep_dir = str(cfg.hydra.sweep.dir)
        self.sweep_subdir = OmegaConf.to_container(cfg.hydra.sweep, resolve=False)["subdir"]  # type: ignore[index, call-overload]
        self._dirname = OmegaConf.to_container(cfg.hydra.job.config.override_dirname)
        self.is_private = "oc.env:" in json.dumps(raw, default=str) or masked(raw) != raw
        self.has_interpolations = "${" in json.dumps(raw, default=str)
        self._plain = None if self.has_interpolations else raw

    def plain(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the job's part of the config with these values, dotted key -> value, resolved, as plain values."""
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

    @cached_property
    def config_template(self) -> "YamlTemplate":
        """config.yaml of a run's `.hydra/`, to be filled with a job's values."""
        return YamlTemplate(self.job, self.keys)

    @cached_property
    def hydra_template(self) -> "YamlTemplate":
        """hydra.yaml, to be filled with the job's id, number, directory name, run directory and overrides."""
        content: Any = OmegaConf.to_container(OmegaConf.masked_copy(self.cfg, "hydra"), enum_to_str=True)
        content["hydra"]["runtime"]["output_dir"] = None
        keys = ["job.id", "job.num", "job.override_dirname", "runtime.output_dir"]
        keys += [f"overrides.task.{place}" for place in range(len(self.cfg.hydra.overrides.task))]
        return YamlTemplate(content, [f"hydra.{key}" for key in keys])

    @cached_property
    def overrides_template(self) -> "YamlTemplate":
        """overrides.yaml, to be filled with a job's overrides."""
        task = self.cfg.hydra.overrides.task
        return YamlTemplate(task, [str(place) for place in range(len(task))])


class Composer:
    """Composes the jobs of a sweep: Hydra's own loader, but that all jobs of one form cost one composition.

    A sweeper composes each job before it launches them, and throws the configs away: it is given the loader's place.
    """

    def __init__(self, loader: Any, config: DictConfig, exact: bool = False) -> None:
        """Take Hydra's loader, and the sweep's config.

        Args:
            loader: a ConfigLoader of Hydra's.
            config: of the sweep.
            exact: share nothing.
        """
        self.loader = loader
        self.config = config
        self.exact = exact
        self._parser = OverridesParser.create(config_loader=loader)
        self._bases: dict[tuple[str, ...], Base] = {}
        self._groups: dict[str, bool] = {}

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Return the config of a job of this form: not necessarily with this job's own values."""
        return self.job(sweep_overrides, 0).base.cfg

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return the config of one job as Hydra composes it, with Hydra's part."""
        return self.loader.load_sweep_config(self.config, list(overrides))

    def job(self, overrides: Sequence[str], number: int) -> Job:
        """Return a job."""
        overrides = list(overrides)
        values: dict[str, Any] = {}
        form = []
        for override in overrides:
            key, _, text = override.partition("=")
            if self._is_plain(key, text):
                values[key] = self._value(text)
                form.append(f"{key}=")
            else:
                form.append(override)
        base = None if self.exact else self._base(tuple(form), overrides, values)
        if base is None or not base.is_shared:
            return Job(overrides, number, Base(self.compose(overrides)))
        return Job(overrides, number, base, values)

    def _base(self, form: tuple[str, ...], overrides: list[str], values: Mapping[str, Any]) -> Base:
        """Return the base of all jobs of that form; the second of them is composed by Hydra as well, and has to come out so."""
        if form not in self._bases:
            self._bases[form] = Base(self.compose(overrides), values, overrides)
        base = self._bases[form]
        if not base.is_compared and overrides != base.overrides:
            base.is_compared, base.is_shared = True, base.plain(values) == Base(self.compose(overrides)).plain({})
        return base

    def _is_plain(self, key: str, text: str) -> bool:
        if key not in self._groups:
            self._groups[key] = any(source.is_group(key) for source in self.loader.get_sources())
        return not self._groups[key] and not key.startswith("hydra.") and "${" not in text and bool(PLAIN_KEY.fullmatch(key))

    def _value(self, text: str) -> Any:
        if WHOLE.fullmatch(text):
            return int(text)
        if REAL.fullmatch(text):
            return float(text)
        return WORDS[text] if text in WORDS else self._parser.parse_override(f"key={text}").value()


class YamlTemplate:
    """The text of a config with places for values: PyYAML takes 10 ms for what is the same in every job but for a line."""

    def __init__(self, config: Any, keys: Sequence[str]) -> None:
        """Render a config, unresolved, with a place at each of the dotted keys; a list's items have numbers for names."""
        self._content = OmegaConf.to_container(config, enum_to_str=True) if OmegaConf.is_config(config) else config
        self._keys = tuple(keys)
        self._parts = re.split(r"__slot_(\d+)__", self._rendered([SLOT.format(index) for index in range(len(keys))]))

    def fill(self, values: Sequence[Any]) -> str:
        """Return the text with the values, in the order of the keys."""
        texts = [value for value in values if isinstance(value, str)]
        if any(isinstance(value, list | dict | tuple) for value in values) or any(
            " " in each or "\n" in each for each in texts
        ):
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
