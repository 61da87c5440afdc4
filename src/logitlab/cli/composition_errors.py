"""Errors of composing the config, explained from the command line and the configs, not from the wording of Hydra's messages."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import IntervalSweep, Override, Quote, QuotedString
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from logitlab.cli import arguments, checks, primary_configs
from logitlab.errors import UserError, did_you_mean
from logitlab.signatures import parameter_names

MULTIRUN = {"-m", "--multirun", "hydra.mode=MULTIRUN"}


def explain(error: Exception, words: Sequence[str], conf: Path, config_name: str) -> UserError | None:
    """Return the error for the user; None if it is not about composing the config.

    Args:
        error: what Hydra raised.
        words: of the command line.
        conf: the folder of the configs.
        config_name: the primary config in it.
    """
    if isinstance(error, MissingConfigException):
        return _missing_choice(error, conf)
    if isinstance(error, OverrideParseException):
        return UserError(f"'{error.override}' is not an override of the form key=value.{_in_quotes(error.override)}")
    overrides = [each for word in words if (each := arguments.parsed(word)) is not None]
    if isinstance(error, ValueError):  # Hydra raises it for `model=3`
        return next(_not_choices(overrides, conf, primary_configs.groups(config_name, conf)), None)
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    for found in _faults(words, overrides, conf, config_name):
        return found
    return UserError(" ".join(part for part in (_first_line(error), _first_line(error.__cause__)) if part))


def _missing_choice(error: MissingConfigException, conf: Path) -> UserError:
    group, _, choice = (error.missing_cfg_file or "").rpartition("/")
    options = sorted(error.options or (path.stem for path in (conf / group).glob("*.yaml") if group))  # none of a list's item
    if not options:
        return UserError(_first_line(error) + ".")
    hint = did_you_mean(choice, options)
    return UserError(f"{group}={choice} is not a choice.{hint} conf/{group}/ holds: {', '.join(options)}.")


def _not_choices(overrides: Sequence[Override], conf: Path, groups: set[str]) -> Iterator[UserError]:
    for override in overrides:
        group, value = override.key_or_group, override.value()
        options = sorted(path.stem for path in (conf / group).glob("*.yaml")) if group in groups else []
        if options and not (
            value in options or isinstance(value, list) or override.is_sweep_override() or override.is_delete()
        ):
            yield UserError(f"{override.input_line} is not a choice. conf/{group}/ holds: {', '.join(options)}.")


def _faults(words: Sequence[str], overrides: Sequence[Override], conf: Path, config_name: str) -> Iterator[UserError]:
    groups = primary_configs.groups(config_name, conf)
    cfg = _chosen_config(words, groups, conf, config_name)
    known = groups | set(_keys(cfg))
    is_search = "study_name" in cfg.hydra.sweeper
    left_out = {each.key_or_group: each.input_line for each in overrides if each.is_delete()}
    for override in overrides:
        key, value, line = override.key_or_group, override.value(), override.input_line
        if isinstance(value, IntervalSweep) and not is_search:
            yield UserError(
                "interval(...) names no values to go through: add hydra/sweeper=optuna, which searches in it, or type a list"
                " or a range(...)."
            )
        if override.is_sweep_override() and MULTIRUN.isdisjoint(words):
            yield UserError(
                f"{line} holds several values. To train once for each of them type: python train.py -m {line}. A list is"
                f" written in brackets, key=[a,b].{_in_quotes(str(line))}"
            )
        if key in groups or "/" in key or override.is_force_add():
            continue
        if (group := key.partition(".")[0]) in left_out:
            yield UserError(f"{left_out[group]} leaves {group} out, and {key} sets a key of it: type one of the two.")
        elif override.is_add():
            if key in known:
                yield UserError(f"{key} has a value already: put no + before it, as in {key}=VALUE.")
        elif key not in known:
            yield _unknown_key(key, cfg, known)
        elif OmegaConf.is_dict(OmegaConf.select(cfg, key)) and not isinstance(value, dict) and not override.is_delete():
            yield UserError(f"{line}: {key} holds keys of its own, which `--cfg job` prints.")
    for group in left_out:
        if group in checks.NECESSARY:
            yield UserError(
                f"{group}=null leaves out what no run can do without: type {group}=NAME. conf/{group}/ holds the names."
            )


def _unknown_key(key: str, cfg: DictConfig, known: set[str]) -> UserError:
    parent, _, name = key.rpartition(".")
    is_hydras = key.startswith("hydra.")
    known = {other for other in known if other.partition(".")[0] != "hydra" or is_hydras}
    siblings = sorted(other.rpartition(".")[2] for other in known if other.rpartition(".")[0] == parent)
    if is_hydras:
        return UserError(
            f"'{key}' is not a key of Hydra's config.{did_you_mean(name, siblings)} `--cfg hydra` prints every key."
        )
    target = OmegaConf.select(cfg, f"{parent}._target_") if parent else None
    if target and name in (parameter_names(target) or ()):
        return UserError(f"{key} is not set in conf/, but {target} takes it: put a + before it, as in +{key}=VALUE.")
    if parent in known and not siblings:  # a mapping that names nothing yet, such as metrics
        return UserError(f"'{key}' is not set in conf/: to add it put a + before it, as in +{key}=VALUE.")
    where, near = "`--cfg job` prints every key.", did_you_mean(key, known)
    if siblings:
        near = did_you_mean(name, siblings) or near
        where = f"{parent} has: {', '.join(siblings)}." if parent else f"There are: {', '.join(siblings)}."
    return UserError(f"'{key}' is not a key of the config.{near} {where}")


def _in_quotes(override: str) -> str:
    """Return how to type a value that is one text, where that is what was meant."""
    key, _, value = override.partition("=")
    argument = f"{key}={QuotedString(text=value, quote=Quote.double).with_quotes()}"
    if not value.strip() or arguments.parsed(argument) is None:
        return " Put quotes around a value that holds spaces, commas, brackets or letters beyond ASCII: 'key=\"a, b\"'."
    return f" If the value is one text, type {shlex.quote(argument)}."


def _first_line(error: BaseException | None) -> str:
    return str(error).splitlines()[0].rstrip(".") if error is not None and str(error) else ""


def _chosen_config(words: Sequence[str], groups: set[str], conf: Path, config_name: str) -> DictConfig:
    """Return the config with the groups' choices that were typed, such as data=table, and nothing else."""
    keys = ((word, word.partition("=")[0]) for word in words if "," not in word and "=" in word)
    choices = [word for word, key in keys if key in groups or key.startswith("hydra/")]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf), version_base="1.3"):
        try:
            return compose(config_name, overrides=choices, return_hydra_config=True)
        except HydraException:  # a choice is wrong as well, which is reported next time
            return compose(config_name, return_hydra_config=True)


def _keys(cfg: DictConfig, prefix: str = "") -> Iterator[str]:
    """Yield every key in dotted form but those for Hydra's `instantiate`, such as `_target_`."""
    for name, node in cfg.items_ex(resolve=False):
        if not str(name).startswith("_"):
            yield f"{prefix}{name!s}"
        if OmegaConf.is_dict(node) and node:
            yield from _keys(node, f"{prefix}{name!s}.")
