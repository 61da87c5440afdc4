"""The composed config, checked before torch is imported: targets, their arguments, and the values that no run survives.

A wrong config raises UserError; nothing else happens here. What can only be known later (is the GPU's driver alive, does the
list of weights fit the data) is checked where it is used. conf/ and the command line are the user's own: their `_target_`s may
name whatever they like. What a run has recorded is another thing, see `logitlab.recorded`.
"""

from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from logitlab import monitor, rules
from logitlab.cli import accelerators, combinations
from logitlab.errors import UserError, did_you_mean, how_to_install
from logitlab.overrides import typed
from logitlab.rules import Number
from logitlab.signatures import is_missing, names_in, parameter_names

HYDRA_KEYS = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}

NECESSARY = ("data", "model", "loss", "optimizer", "trainer")
"""Groups that a run cannot do without."""

PARTS = (*NECESSARY, "penalty", "lr_scheduler")
COLLECTIONS = ("callbacks", "results")
"""Groups that are built from a `_target_`, and groups of which each entry is, or is null."""

EXAMPLES = {
    "callbacks": "lightning.pytorch.callbacks.Timer",
    "results": "logitlab.results.metrics.Metrics",
    "logger": "lightning.pytorch.loggers.CSVLogger",
    "metrics": "torchmetrics.classification.BinarySpecificity",
}
"""Entries of groups that have several."""

NEEDED = {"lightning.pytorch.loggers.MLFlowLogger": "mlflow", "lightning.pytorch.loggers.WandbLogger": "wandb"}
"""Classes that are there without the package that they need, which is an extra of the same name."""

OURS = {"trainer": ("compile",)}
"""Keys of a part that are not for what its `_target_` names."""

NO_RESULTS = ("torch.", "torchmetrics.", "lightning.", "optuna.")
"""Where no class is that could be among the results."""

READ = ("trainer.max_epochs", "trainer.enable_progress_bar", "cost.false_positive", "cost.false_negative")
"""Keys that the job itself reads: they can be set, not left out."""


def check(cfg: DictConfig, known: Collection[str], example: str = "") -> None:
    """Raise UserError for the first thing in `cfg` that cannot be run.

    Args:
        cfg: the composed config, as Hydra hands it to the job.
        known: the keys that it may have at the top; `+key=value` can add others.
        example: a whole command, shown where keys are missing.
    """
    for key in map(str, cfg):
        if key not in known:
            raise UserError(f"'{key}' is not a key of the config.{did_you_mean(key, known)} `--cfg job` prints every key.")
    for key in NECESSARY:
        if key in known and cfg.get(key) is None:
            raise UserError(f"{key}=null leaves out what no run can do without: type {key}=NAME. conf/{key}/ holds the names.")
    _check_given(cfg, example)
    plain = _resolved(cfg)
    _check_parts(plain, known)
    for key, target in (*all_targets(plain), *_declared_metrics(plain)):
        own = OURS.get(key, ())
        check_target(key, {name: value for name, value in target.items() if name not in own})
        package = NEEDED.get(str(target["_target_"]))
        if package is not None and find_spec(package) is None:
            raise UserError(f"{key} needs {package}, which is not installed: type {how_to_install(package)}.")
    missing = object()
    values = {key: OmegaConf.select(cfg, key, default=missing) for key in (*rules.RULES, "model.weight")}
    check_values({key: value for key, value in values.items() if value is not missing})
    _check_devices(cfg)
    monitor.check_config(plain)
    combinations.check(plain)


def check_values(values: Mapping[str, Any]) -> None:
    """Raise UserError for the first value that its key does not take.

    Args:
        values: dotted key -> value; keys without a rule are passed over.
    """
    for key, value in values.items():
        if key == "model.weight":
            _check_start(value)
        elif key in rules.RULES:
            rules.check_value(key, value, rules.RULES[key])


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


def _declared_metrics(plain: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the metrics that are declared by their name alone; refuse what is none."""
    entries = plain.get("metrics") or {}
    if not isinstance(entries, Mapping):
        raise UserError(f"metrics={typed(entries)} is not allowed: type metrics=NAME. conf/metrics/ holds the names.")
    for name, node in monitor.declared(plain).items():
        if not isinstance(entries[name], str):
            _check_part(f"metrics.{name}", node)
            continue
        target = str(node["_target_"])
        if target.startswith(monitor.DECLARABLE) and is_missing(target):
            hint = did_you_mean(target.rpartition(".")[2], names_in(monitor.DECLARABLE))
            raise UserError(f"metrics.{name}={typed(entries[name])}: there is no such class in {monitor.DECLARABLE}.{hint}")
        yield f"metrics.{name}", node
    for name in entries:
        if name in monitor.TAKEN:
            raise UserError(f"metrics.{name}: there is a metric of that name in every run. Give yours another name.")


def _check_given(cfg: DictConfig, example: str) -> None:
    missing = list(_missing(OmegaConf.to_container(cfg)))
    if missing:
        names = ", ".join(missing[:-1]) + (" and " if missing[1:] else "") + missing[-1]
        typed = " ".join(f"{key}=VALUE" for key in missing)
        as_in = f", as in {example}" if example else "."
        raise UserError(f"{names} {'are' if missing[1:] else 'is'} not given: type {typed}{as_in}")


def _missing(node: Any, prefix: str = "") -> Iterator[str]:
    """Yield the keys that have the value ???, in the order of the config."""
    for name, child in node.items():
        if isinstance(child, dict):
            yield from _missing(child, f"{prefix}{name}.")
        elif child == "???":
            yield f"{prefix}{name}"


def _resolved(cfg: DictConfig) -> dict[str, Any]:
    try:
        return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)  # type: ignore[return-value]
    except OmegaConfBaseException as error:
        raise UserError(f"The config cannot be resolved: {str(error).splitlines()[0]} (key {error.full_key}).") from error


def _check_parts(plain: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse `callbacks.doctor=3`: what is built is a mapping that names a class, or is left out."""
    if "trainer" not in known:  # predict.py and the like build nothing
        return
    for group in COLLECTIONS:
        entries = plain.get(group)
        if entries is not None and not isinstance(entries, Mapping):
            raise UserError(f"{group}={typed(entries)} is not allowed: type {group}=NAME. conf/{group}/ holds the names.")
        for name, part in (entries or {}).items():
            _check_part(f"{group}.{name}", part)
    logger = plain.get("logger")
    if isinstance(logger, Mapping) and "_target_" not in logger:
        for name, part in logger.items():
            _check_part(f"logger.{name}", part)
    elif "logger" in known:
        _check_part("logger", logger)
    for key in PARTS:
        if key in known:
            _check_part(key, plain.get(key))
    data = plain.get("data")
    if isinstance(data, Mapping) and data.get("_target_") == "logitlab.data.datamodule.InMemoryDataModule":
        source = data.get("source")
        if not isinstance(source, Mapping) or "_target_" not in source:
            raise UserError(
                f"data.source={typed(source)} is not allowed: it names the function that hands over the rows, as in"
                " data.source._target_=logitlab.data.toy.toy. Type data=NAME to choose one; conf/data/ holds the names."
            )
    for key in READ:
        group, _, name = key.partition(".")
        if group in known and name not in (plain.get(group) or {}):
            raise UserError(f"{key} is left out and has no default: set it, as in {key}=VALUE, or drop ~{key}.")


def _check_part(key: str, part: Any) -> None:
    if part not in (None, {}) and not (isinstance(part, Mapping) and "_target_" in part):
        if key in (*PARTS, "logger"):
            raise UserError(f"{key}={typed(part)} is not allowed: type {key}=NAME, where conf/{key}/ holds the names.")
        target = EXAMPLES[key.partition(".")[0]]
        raise UserError(
            f"{key}={typed(part)} is not allowed: it must be a mapping with a _target_ that names what to build, as in"
            f" '{key}={{_target_:{target}}}', or null to leave it out."
        )
    target = str(part.get("_target_")) if isinstance(part, Mapping) else ""
    if key.startswith("results.") and target.startswith(NO_RESULTS):
        raise UserError(
            f"{key}._target_={target} makes nothing of a finished fit: a result is a class of this project, as in"
            " logitlab.results.metrics.Metrics, or of your own (CONTRIBUTING.md shows one). metrics.json holds every metric."
        )


def _check_start(weight: Any) -> None:
    weight = OmegaConf.to_container(weight) if OmegaConf.is_config(weight) else weight
    number = Number(optional=True)
    if not all(number.accepts(value) for value in (weight if isinstance(weight, list) else [weight])):
        raise UserError(
            f"model.weight={typed(weight)} is not allowed: it takes null (torch's own start), one number for every feature, or"
            " a list with a number for each, as in model.weight=[0.1,-0.2]."
        )


def several_devices(devices: Any) -> UserError:
    """Return the error of a run on several devices: its second process would meet the first one's run directory."""
    return UserError(
        f"trainer.devices={typed(devices)} asks for several processes, and a run here is one: each would take all the rows and"
        " write the same run directory. Type trainer.devices=1. Several runs side by side are a sweep (-m)."
    )


def _check_devices(cfg: DictConfig) -> None:
    devices: Any = OmegaConf.select(cfg, "trainer.devices")
    devices = OmegaConf.to_container(devices) if OmegaConf.is_config(devices) else devices
    chosen = devices if isinstance(devices, list) else str(devices).strip("[], ").split(",")
    if len(chosen) > 1 or (not isinstance(devices, list) and str(devices).isdigit() and int(devices) > 1):
        raise several_devices(devices)
    if OmegaConf.select(cfg, "trainer.num_nodes", default=1) not in (1, None):
        raise UserError("trainer.num_nodes above 1 is not supported: a run here is one process on one machine.")
    if devices in (0, "0") or devices == []:
        raise UserError(
            "trainer.devices=0 leaves nothing to train on: type trainer.devices=1, or trainer.devices=auto for every device"
            " of the accelerator. For the processor type trainer.accelerator=cpu."
        )
    if OmegaConf.select(cfg, "trainer.accelerator") in ("gpu", "cuda") and (reason := accelerators.why_no_gpu()):
        raise UserError(
            f"trainer.accelerator={cfg.trainer.accelerator} asks for a GPU and there is none to use: {reason} Type"
            " trainer.accelerator=cpu, or trainer.accelerator=auto to take a GPU only where there is one."
        )
