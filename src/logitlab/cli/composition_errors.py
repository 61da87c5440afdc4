"""Hydra's and OmegaConf's complaints about a command line, retold for the person who typed it."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from logitlab.cli import arguments
from logitlab.errors import UserError, did_you_mean
from logitlab.signatures import parameter_names


def explain(error: Exception, conf: Path, config_name: str) -> UserError | None:
    """Return what to tell the user about an error of composing the config; None if the error is not of that kind.

    Args:
        error: what came out of Hydra.
        conf: the folder of the configs, to learn which keys and groups there are.
        config_name: the primary config in it.
    """
    if isinstance(error, MissingConfigException):
        return _missing_choice(error, conf)
    if isinstance(error, OverrideParseException):
        return UserError(f"'{error.override}' is not an override of the form key=value.{_in_quotes(error.override)}")
    if isinstance(error, ValueError) and str(error).startswith("Config group override must be"):
        return _no_name_of_a_choice(conf)
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    if match := re.search(r"Error merging override ([^=]+)=(.*)", str(error)):
        return UserError(f"{match[0].partition('override ')[2]}: {match[1]} holds keys of its own, which `--cfg job` prints.")
    if "INTERVAL_SWEEP" in str(error):
        return UserError(
            "interval(...) names no values to go through: add hydra/sweeper=optuna, which searches in it, or type a list or a"
            " range(...)."
        )
    match = re.search(r"Could not (?:override|append|delete)[^']*'([^']+)'", str(error))
    if match:
        return _unknown_key(match[1], error, conf, config_name)
    if match := re.search(r"'hydra\.runtime\.choices\.(\w+)' not found", str(error)):
        group = match[1]
        return UserError(
            f"{group}=null leaves out what no run can do without: type {group}=NAME. conf/{group}/ holds the names."
        )
    if match := re.search(r"(?:Ambiguous value for argument|Sweep parameters) '([^']+)'", str(error)):
        return UserError(
            f"{match[1]} holds several values. To train once for each of them type: python train.py -m {match[1]}. A list is"
            f" written in brackets, key=[a,b].{_in_quotes(match[1])}"
        )
    return UserError(" ".join(part for part in (_first_line(error), _first_line(error.__cause__)) if part))


def _in_quotes(override: str) -> str:
    """Return how to type a value that is one text, where that is what was meant."""
    key, _, value = override.partition("=")
    argument = f"{key}={QuotedString(text=value, quote=Quote.double).with_quotes()}"
    if not value.strip() or arguments.parsed(argument) is None:
        return " Put quotes around a value that holds spaces, commas, brackets or letters beyond ASCII: 'key=\"a, b\"'."
    return f" If the value is one text, type {shlex.quote(argument)}."


def _first_line(error: BaseException | None) -> str:
    return str(error).splitlines()[0].rstrip(".") if error is not None and str(error) else ""


def _missing_choice(error: MissingConfigException, conf: Path) -> UserError:
    group, _, choice = (error.missing_cfg_file or "").rpartition("/")
    options = sorted(error.options or (path.stem for path in (conf / group).glob("*.yaml") if group))  # none of a list's item
    if not options:
        return UserError(_first_line(error) + ".")
    hint = did_you_mean(choice, options)
    return UserError(f"{group}={choice} is not a choice.{hint} conf/{group}/ holds: {', '.join(options)}.")


def _no_name_of_a_choice(conf: Path) -> UserError:
    """Hydra does not say which override it was: `logger=null`, `model=3`."""
    for override in sys.argv[1:]:
        group, _, choice = override.partition("=")
        options = sorted(path.stem for path in (conf / group).glob("*.yaml")) if group else []
        if options and choice not in options:
            return UserError(f"{override} is not a choice. conf/{group}/ holds: {', '.join(options)}.")
    return UserError("A choice is the name of a file in conf/, as in model=class.")


def _unknown_key(key: str, error: Exception, conf: Path, config_name: str) -> UserError:
    cfg = _chosen_config(conf, config_name)
    known = _groups(conf, config_name) | set(_keys(cfg))
    if key.startswith("hydra."):
        *parents, name = key.split(".")
        hint = did_you_mean(
            name, {str(each) for path in conf.joinpath(*parents).glob("*.yaml") for each in OmegaConf.load(path)}
        )
        return UserError(f"'{key}' is not a key of Hydra's config.{hint} `--cfg hydra` prints every key.")
    group = key.partition(".")[0]
    if out := [word for word in sys.argv[1:] if word in (f"~{group}", f"{group}=null")]:
        return UserError(f"{out[0]} leaves {group} out, and {key} sets a key of it: type one of the two.")
    if "An item is already at" in str(error):
        return UserError(f"{key} has a value already: put no + before it, as in {key}=VALUE.")
    if key in known:  # the key is right, the value is not
        return UserError(f"{key}: {_first_line(error.__cause__) or _first_line(error)}.")
    parent, _, name = key.rpartition(".")
    target = OmegaConf.select(cfg, f"{parent}._target_") if parent else None
    if target and name in (parameter_names(target) or ()):
        return UserError(f"{key} is not set in conf/, but {target} takes it: put a + before it, as in +{key}=VALUE.")
    siblings = sorted(other.rpartition(".")[2] for other in known if other.rpartition(".")[0] == parent)
    siblings = [sibling for sibling in siblings if not sibling.startswith("_")]
    near = did_you_mean(key, known)
    if siblings:
        near = did_you_mean(name, siblings) or near
        where = f"{parent} has: {', '.join(siblings)}." if parent else f"There are: {', '.join(siblings)}."
    else:
        where = "`--cfg job` prints every key."
    return UserError(f"'{key}' is not a key of the config.{near} {where}")


def _groups(conf: Path, config_name: str) -> set[str]:
    """Return every config group that the primary config draws on."""
    defaults = OmegaConf.load(conf / f"{config_name}.yaml").defaults
    return {str(group) for entry in defaults if OmegaConf.is_dict(entry) for group in entry}


def _chosen_config(conf: Path, config_name: str) -> DictConfig:
    """Return the config with the groups' choices that were typed, such as data=table, and nothing else."""
    groups = _groups(conf, config_name)
    choices = [word for word in sys.argv[1:] if word.partition("=")[0] in groups and "," not in word]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf), version_base="1.3"):
        try:
            return compose(config_name, overrides=choices)
        except HydraException:  # a choice is wrong as well, which is told next time
            return compose(config_name)


def _keys(cfg: DictConfig, prefix: str = "") -> Iterator[str]:
    """Yield every key in dotted form but Hydra's own, such as `_target_`."""
    for name, node in cfg.items_ex(resolve=False):
        if not str(name).startswith("_"):
            yield f"{prefix}{name!s}"
        if OmegaConf.is_dict(node):
            yield from _keys(node, f"{prefix}{name!s}.")
