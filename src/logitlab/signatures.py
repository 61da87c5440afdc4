"""What a `_target_` accepts, read from its source text: nothing is imported, so a typo is answered before torch loads."""

import ast
import contextlib
import functools
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

OWN = __name__.partition(".")[0]


@dataclass(frozen=True)
class Definition:
    """The syntax tree of a class or function, and the module in which it stands."""

    node: ast.ClassDef | ast.FunctionDef
    module: str


def is_of(value: Any, hint: Any) -> bool:
    """Whether a plain value is of an annotated type, as the fields of dataclasses have it; a float is a finite number."""
    if isinstance(hint, UnionType):
        return any(is_of(value, each) for each in get_args(hint))
    if get_origin(hint) in (tuple, Sequence):
        return isinstance(value, list | tuple) and all(is_of(each, get_args(hint)[0]) for each in value)
    if hint is float:
        return type(value) is int or (isinstance(value, float) and math.isfinite(value))
    return isinstance(value, hint)


@functools.cache
def find_definition(target: str) -> Definition | None:
    """Return the class or function that a dotted path names, following re-exports, or None if there is none.

    `lightning.pytorch.Trainer` is found in lightning/pytorch/trainer/trainer.py, `torch.optim.SGD` in torch/optim/sgd.py.
    """
    module, _, name = target.rpartition(".")
    path = _module_file(module)
    return _definition_in(path, module, name) if path else None


def names_in(module: str) -> list[str]:
    """Return the names that a module imports or defines at its top; none where it has no source."""
    path = _module_file(module)
    names = [] if path is None else _parsed(path).body
    imported = [alias.asname or alias.name for node in names if isinstance(node, ast.ImportFrom) for alias in node.names]
    return imported + [node.name for node in names if isinstance(node, ast.ClassDef | ast.FunctionDef)]


def is_missing(target: str) -> bool:
    """Whether a dotted path is known to name nothing; where only running its code could tell, it is not."""
    names = target.split(".")
    if len(names) < 2 or not all(name.isidentifier() for name in names):
        return True
    for end in range(len(names) - 1, 0, -1):
        if path := _module_file(".".join(names[:end])):
            return not _may_hold(path, ".".join(names[:end]), names[end], frozenset())
    try:
        return importlib.util.find_spec(names[0]) is None  # else it has no source: built in, or compiled
    except (ImportError, ValueError):
        return True


def _may_hold(path: Path, module: str, name: str, seen: frozenset[Path]) -> bool:
    """Return whether a module may have an attribute of that name: defined, imported, assigned, or made in an unknown way."""
    if path in seen:
        return False
    if path.name == "__init__.py" and any(path.parent.glob(f"{name}.*")):
        return True  # a compiled module
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(_parsed(path)):
        match node:
            case ast.ClassDef(name=found) | ast.FunctionDef(name=found) | ast.AsyncFunctionDef(name=found):
                if found == name or (found == "__getattr__" and module != OWN):  # our own only gives what it names besides
                    return True
            case ast.Name(id=found, ctx=ast.Store()) if found == name:
                return True
            case ast.Name(id="globals" | "setattr" | "exec"):
                return True
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                given = [alias.asname or alias.name.partition(".")[0] for alias in aliases]
                if name in given:
                    return True
                if "*" in given and isinstance(node, ast.ImportFrom):
                    source = _module_file(_absolute(node, package))
                    if source is None or _may_hold(source, _absolute(node, package), name, seen | {path}):
                        return True
    return False


@functools.lru_cache(maxsize=8)
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def parameter_names(target: str) -> list[str] | None:
    """Return the keyword names that a `_target_` accepts; None where that cannot be told (no source, or `**kwargs`)."""
    node = _function(target)
    if node is None or node.args.kwarg:
        return None
    arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
    return [argument.arg for argument in arguments if argument.arg != "self"]


@functools.cache
def parameter_defaults(target: str) -> dict[str, Any]:
    """Return the values that a `_target_` takes where it is given none, by name, where its source writes them out."""
    node = _function(target)
    if node is None:
        return {}
    arguments = node.args.posonlyargs + node.args.args
    pairs = [*zip(reversed(arguments), reversed(node.args.defaults), strict=False)]
    pairs += [(each, value) for each, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if value]
    found = {}
    for argument, value in pairs:
        with contextlib.suppress(ValueError):  # a name, or a call
            found[argument.arg] = ast.literal_eval(value)
    return found


def _function(target: str) -> ast.FunctionDef | None:
    """Return what is called by a name: the function, or the class's `__init__`; None where there is no source."""
    definition = find_definition(target)
    node = _init(definition) if definition and isinstance(definition.node, ast.ClassDef) else definition and definition.node
    return node if isinstance(node, ast.FunctionDef) else None


def _init(definition: Definition) -> ast.FunctionDef | None:
    """Return the `__init__` of a class, or the one it inherits from its first base."""
    assert isinstance(definition.node, ast.ClassDef)
    own = (node for node in definition.node.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    if init := next(own, None):
        return init
    base = definition.node.bases[0] if definition.node.bases and not definition.node.decorator_list else None
    inherited = find_definition(f"{definition.module}.{base.id}") if isinstance(base, ast.Name) else None
    return _init(inherited) if inherited and isinstance(inherited.node, ast.ClassDef) else None


def _module_file(module: str) -> Path | None:
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)  # a top-level name is found without running any of its code
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):  # "frozen", or compiled
        return None
    if not rest:
        return Path(spec.origin)
    stem = Path(spec.origin).parent.joinpath(*rest)
    candidates = (stem / "__init__.py", stem.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


def _definition_in(path: Path, module: str, name: str) -> Definition | None:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    stars = []
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return Definition(node, module)
        if isinstance(node, ast.ImportFrom):
            source = _absolute(node, package)
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return find_definition(f"{source}.{alias.name}")
                if alias.name == "*":
                    stars.append(source)
    return next((found for source in stars if (found := find_definition(f"{source}.{name}"))), None)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    base = package.split(".")[: len(package.split(".")) - (node.level - 1)]
    return ".".join([*base, *([node.module] if node.module else [])])
