"""What a `_target_` accepts, read from its source text: nothing is imported, so a typo is answered before torch loads."""

import ast
import functools
import importlib.util
from pathlib import Path

Definition = ast.ClassDef | ast.FunctionDef


@functools.cache
def find_definition(target: str) -> Definition | None:
    """Return the class or function that a dotted path names, following re-exports, or None if there is none.

    `lightning.pytorch.Trainer` is found in lightning/pytorch/trainer/trainer.py, `torch.optim.SGD` in torch/optim/sgd.py.
    """
    module, _, name = target.rpartition(".")
    path = _module_file(module)
    return _definition_in(path, module, name) if path else None


def parameter_names(target: str) -> list[str] | None:
    """Return the keyword names that a `_target_` accepts; None where that cannot be told (no source, or `**kwargs`)."""
    definition = find_definition(target)
    if isinstance(definition, ast.ClassDef):
        definition = _method(definition, "__init__")
    if definition is None or definition.args.kwarg:
        return None
    arguments = definition.args.posonlyargs + definition.args.args + definition.args.kwonlyargs
    return [argument.arg for argument in arguments if argument.arg != "self"]


def _module_file(module: str) -> Path | None:
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)  # a top-level name is found without running any of its code
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    if not rest:
        return Path(spec.origin)
    stem = Path(spec.origin).parent.joinpath(*rest)
    candidates = (stem / "__init__.py", stem.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


def _definition_in(path: Path, module: str, name: str) -> Definition | None:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    stars = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
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


def _method(definition: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    methods = (node for node in definition.body if isinstance(node, ast.FunctionDef) and node.name == name)
    return next(methods, None)
