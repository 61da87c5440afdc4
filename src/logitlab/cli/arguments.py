"""The command line before Hydra reads it: paths as the shell hands them over, and what Hydra would misread."""

import re
from collections.abc import Collection, Iterable
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from logitlab.errors import UserError
from logitlab.overrides import quoted


class ArgumentError(UserError):
    """An error in an argument that Hydra never sees; unlike the errors of a job it is not printed yet."""


PATHS = {
    "run": "run=outputs/<run>",
    "ckpt_path": "ckpt_path=outputs/<run>, or leave it out to start anew",
    "data.path": "data.path=table.csv",
    "data.query": "data.query=<table>, or 'data.query=SELECT ...'",
    "data.sheet": "data.sheet=<sheet>",
    "output": "output=<file>",
    "sweep.resume": "sweep.resume=outputs/sweeps/<sweep>",
    "hydra.run.dir": "hydra.run.dir=<folder>, or leave it out for a folder of its own in outputs/",
    "hydra.sweep.dir": "hydra.sweep.dir=<folder>, or leave it out for a folder of its own in outputs/sweeps/",
}
"""Keys that take a path, or another text of any signs -> what to type."""

WORD_BEYOND_ASCII = re.compile(r"[^,()\[\]{}:=]*[^\x00-\x7f][^,()\[\]{}:=]*")
"""A word with a letter that Hydra's grammar does not know, between those of its signs that part words."""

COLUMNS = ("target", "features", "drop", "categorical", "weight", "cluster", "split_by")
TEXTS = {"keep", "data.null_values", *(f"data.{key}" for key in COLUMNS)}
"""Keys that take a text, or a list of them: a column may be called 2021, true or price (EUR)."""

ITEM = re.compile(r"""(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^,])+""")
"""What stands between two commas."""

SEVERAL = ("logger", "metrics")
"""Groups of which a run may have several choices, as in logger=[tensorboard,csv]."""

NEVER_NULL = ("run", "hydra.run.dir", "hydra.sweep.dir")


def prepared(arguments: Iterable[str], groups: Collection[str], multirun: bool) -> list[str]:
    """Return the arguments as Hydra should see them.

    - A path is put in quotes where Hydra's grammar would take it for something else: the runs of a sweep are called
      `model=class,optimizer.lr=0.1`, and the shell has taken away the quotes that a person typed.
    - So is a word that is not ASCII, as in `data.target=합격`: Hydra reads such letters in quotes only. So is a column
      that is called by a number, or with brackets.
    - `logger=null` becomes `~logger`: Hydra knows null for keys only. Where a later `logger=NAME` takes it back it is dropped:
      Hydra would delete the group all the same.

    Args:
        arguments: the words behind the command's name.
        groups: the config groups of the command.
        multirun: whether commas may separate the values of a sweep.

    Raises:
        ArgumentError: a path is empty, or a group is given a list.
    """
    words = list(arguments)
    last = {word.partition("=")[0]: word for word in words}
    kept = [word for word in words if word.removesuffix("=null") not in groups or last[word.removesuffix("=null")] == word]
    return [_prepared(word, groups, multirun) for word in kept]


def _prepared(argument: str, groups: Collection[str], multirun: bool) -> str:
    key, equals, value = argument.partition("=")
    if not equals:
        return argument
    if key.lstrip("~+") in groups or "/" in key:
        _check_choice(argument, key, value, key.lstrip("~+") in groups)
        return f"~{key}" if value == "null" else argument
    name = key.lstrip("+")
    if name not in PATHS:
        argument = argument if value.isascii() else _with_words_quoted(argument)
        return _as_text(argument) if name in TEXTS else argument
    if value.strip() in ("", "''", '""'):
        raise ArgumentError(f"{name} is empty: type {PATHS[name]}.")
    if value == "null":
        if name in NEVER_NULL:
            raise ArgumentError(f"{name}=null names no folder: type {PATHS[name]}.")
        return argument
    return argument if _is_read_as_typed(argument, value, multirun) else f"{key}={quoted(value)}"


def _check_choice(argument: str, key: str, value: str, is_ours: bool) -> None:
    """Raise ArgumentError for what cannot be the name of a choice, over which Hydra stumbles: a list, a mapping, a number."""
    group, override = key.lstrip("~+"), parsed(argument)
    is_strange = override is not None and not override.is_sweep_override() and not isinstance(override.value(), str)
    if value.startswith("[") and group in SEVERAL:
        return
    if not value.startswith(("[", "{")) and not (is_strange and (key.startswith("~") or not is_ours)):
        return  # a name, or what Hydra itself refuses in words
    what = "is a list" if value.startswith("[") else "is not the name of a choice"
    where = f" conf/{group}/ holds the names." if is_ours else ""
    out = f" To leave {group} out type ~{group}." if key.startswith("~") else ""
    raise ArgumentError(f"{argument} {what}; {group} takes one choice, as in {group}=NAME.{where}{out}")


def _with_words_quoted(argument: str) -> str:
    """Return the argument with its words beyond ASCII in quotes, or else its whole value, as far as Hydra can read it then."""
    key, _, value = argument.partition("=")
    words = WORD_BEYOND_ASCII.sub(lambda word: quoted(word[0].strip()), value)
    return next((each for each in (argument, f"{key}={words}", f"{key}={in_quotes(value)}") if parsed(each)), argument)


def _as_text(argument: str) -> str:
    """Return the argument with quotes where Hydra could not read it without, or would read a number for a text."""
    override = parsed(argument)
    given: Any = override.value() if override is not None else ...
    texts = given if isinstance(given, list) else [] if given is None else [given]
    if override is not None and (override.is_sweep_override() or all(isinstance(each, str) for each in texts)):
        return argument
    key, _, value = argument.partition("=")
    return f"{key}={in_quotes(value)}"


def in_quotes(value: str) -> str:
    """Return a text, or each text of a list in brackets, as Hydra reads it back whole."""
    if not (value.startswith("[") and value.endswith("]")):
        return quoted(value)
    items = (item.strip() for item in ITEM.findall(value[1:-1]))
    return f"[{','.join(item if item[:1] in ('', chr(34), chr(39)) else quoted(item) for item in items)}]"


def parsed(argument: str) -> Override | None:
    """Return an override as Hydra reads it; None where it cannot."""
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException:
        return None


def _is_read_as_typed(argument: str, value: str, multirun: bool) -> bool:
    """Return whether Hydra takes the value for a text that equals it, for one in quotes, or, with -m, for several."""
    override = parsed(argument)
    if override is None:
        return False
    if override.is_sweep_override():
        return multirun
    given = override.value()
    if "${" in value or (isinstance(given, str) and value[0] in "'\""):
        return True
    return isinstance(given, str) and (given == value or "\\" in value)  # a comma escaped for Hydra
