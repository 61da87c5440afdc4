"""The rooms of the source: imports run one way between them."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import logitlab

SOURCE = Path(logitlab.__file__).parent


def room(module: str) -> str:
    """Return the folder of a module, or the file that lies in none."""
    return module.split(".")[1]


def imported(path: Path) -> set[str]:
    """Return the rooms that a file names in its imports, those within functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("logitlab"):
            names |= {room(f"{node.module}.{alias.name}") for alias in node.names}
    return names


def test_imports_run_one_way_between_files_and_folders():
    graph: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        if path.name != "__init__.py":
            own = room(".".join(path.relative_to(SOURCE.parent).with_suffix("").parts))
            graph.setdefault(own, set()).update(imported(path) - {own})
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError where two rooms need each other
    assert order.index("networks") < order.index("training") < order.index("experiment") < order.index("batched")
