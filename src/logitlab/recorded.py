"""A part of a run's recorded config, built again, without following a name that stands in the record.

A checkpoint and `.hydra/config.yaml` may be a stranger's, and a `_target_` in them can name any callable. So a record only
chooses: its `_target_` is compared, as text, with those that the user's own conf/ names for that part (conf/ itself, and the
folders given by --config-dir or hydra.searchpath, which are the user's own as well); the user's own text is what is imported.
Everything else in the record is taken as plain arguments.
"""

import functools
import importlib
import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_object
from omegaconf import OmegaConf

from logitlab.errors import RunError, UserError

CONF = (Path(__file__).parent / "conf").resolve()
"""In a clone a link to the conf/ at its top, in an installed package the files themselves."""

GLOBAL = re.compile(r"^#\s*@package\s+_global_\s*$", re.MULTILINE)

Place = tuple[str | int, ...]
"""Where a key stands: ("data", "source", "_target_")."""


def folders() -> list[Path]:
    """Return conf/ and the folders that the command line adds to it."""
    found = [CONF]
    sources: Any = HydraConfig.get().runtime.config_sources if HydraConfig.initialized() else ()
    for source in sources:
        if source.schema == "file":
            found.append(Path(source.path))
        elif source.schema == "pkg" and source.path not in ("", "hydra.conf"):
            spec = importlib.util.find_spec(source.path)
            found += map(Path, (spec and spec.submodule_search_locations) or ())
    return list(dict.fromkeys(found))


def choice(group: str, record: Any, where: str, conf: Sequence[Path] | None = None) -> dict[str, Any]:
    """Return a recorded part of a config, with the user's own `_target_`s in place of those that equal them.

    A value that refers to the environment (`${oc.env:NAME}`) was never recorded: such an argument is left out.

    Args:
        group: "model" or "data".
        record: what was recorded of it, as plain values.
        where: the file that holds it, for faults.
        conf: the user's own config folders; None: `folders()`.

    Raises:
        UserError: it names something that the user's own files do not name there, or is no mapping of plain values.
    """
    if not isinstance(record, Mapping) or "_target_" not in record:
        raise UserError(f"{where} is refused: it does not say what its {group} is.")
    return _adopted(record, (group,), _own_names(group, folders() if conf is None else conf), where)


def build(node: Mapping[str, Any], **late: Any) -> Any:
    """Return what a part describes, as Hydra's `instantiate` does, but that nothing is resolved.

    Args:
        node: from `choice`.
        late: arguments that the config cannot know; it gets those that it takes.

    Raises:
        UserError: it cannot be built.
    """
    target = node["_target_"]
    try:
        made = get_object(target)
        arguments = {key: _built(value) for key, value in node.items() if not key.startswith("_")}
        arguments |= accepted(target, **late)
        positional = [_built(value) for value in node.get("_args_", ())]
        return functools.partial(made, *positional, **arguments) if node.get("_partial_") else made(*positional, **arguments)
    except (UserError, RunError, MemoryError):
        raise
    except Exception as error:
        raise UserError(f"{target} cannot be built with what was recorded: {type(error).__name__}: {error}") from error


def accepted(target: str, **late: Any) -> dict[str, Any]:
    """Return those of the arguments that the callable of a dotted name has parameters for."""
    try:
        parameters = signature(get_object(target)).parameters
    except (ValueError, TypeError, ImportError, AttributeError):  # without a signature, or what is refused in words later
        return late
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    return {name: value for name, value in late.items() if takes_all or name in parameters}


def _built(value: Any) -> Any:
    if isinstance(value, dict):
        return build(value) if "_target_" in value else {key: _built(each) for key, each in value.items()}
    return [_built(each) for each in value] if isinstance(value, list) else value


def _adopted(node: Any, place: Place, own: Mapping[Place, Sequence[Any]], where: str) -> Any:
    """Return a plain copy of a node; every key that begins with _ is one of the user's own, of the same value."""
    if isinstance(node, Mapping):
        adopted = {}
        for key, value in node.items():
            here = (*place, key)
            if isinstance(key, str) and key.startswith("_"):
                mine = [each for each in own.get(here, ()) if type(each) is type(value) and each == value]
                if not mine:
                    raise _refused(here, value, where)
                adopted[key] = mine[0]
            elif not (isinstance(value, str) and "${" in value):
                adopted[str(key)] = _adopted(value, here, own, where)
        return adopted
    if isinstance(node, list | tuple):
        return [_adopted(each, (*place, number), own, where) for number, each in enumerate(node)]
    if node is None or isinstance(node, bool | int | float | str):
        return node
    raise UserError(f"{where} is refused: {_dotted(place)} is a {type(node).__name__}, which is no plain value.")


def _refused(place: Place, value: Any, where: str) -> UserError:
    group = place[0]
    return UserError(
        f"{where} is refused: it names {_dotted(place)}={value}, and no file of your conf/{group}/ names that. What a run"
        f" directory names is never imported. If it is code of your own, name it in a file conf/{group}/NAME.yaml, or give the"
        " folder that holds such a file with --config-dir FOLDER."
    )


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))


def _own_names(group: str, conf: Sequence[Path]) -> dict[Place, list[Any]]:
    """Return the values that the user's own files give to each key that begins with _ in that part."""
    names: dict[Place, list[Any]] = {}
    for node in _own_nodes(group, conf):
        for place, value in _directives(node, (group,)):
            names.setdefault(place, []).append(value)
    return names


def _own_nodes(group: str, conf: Sequence[Path]) -> Iterator[Any]:
    """Yield that part as each of the user's files has it: those of its group, and those that set parts of every group."""
    for folder in conf:
        for path in sorted([*folder.glob("*.yaml"), *folder.glob("experiment/**/*.yaml"), *folder.glob(f"{group}/**/*.yaml")]):
            text = path.read_text(encoding="utf-8")
            if "_target_" not in text:
                continue
            content = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
            if isinstance(content, dict):
                is_whole = path.is_relative_to(folder / group) and not GLOBAL.search(text)
                yield content if is_whole else content.get(group)


def _directives(node: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(key, str) and key.startswith("_"):
                yield (*place, key), value
            else:
                yield from _directives(value, (*place, key))
    elif isinstance(node, list):
        for number, each in enumerate(node):
            yield from _directives(each, (*place, number))
