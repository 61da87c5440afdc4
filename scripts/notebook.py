"""Run docs/from_python.ipynb from its first cell to its last and put the outputs into it: python scripts/notebook.py"""

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[1] / "docs" / "from_python.ipynb"


def run(cells: list[dict[str, Any]]) -> list[str]:
    """Return what each code cell prints, run in order in one namespace and in an empty folder."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for cell in cells:
            if cell["cell_type"] == "code":
                with contextlib.redirect_stdout(io.StringIO()) as output:
                    exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), namespace)  # noqa: S102 (our own file)
                printed.append(output.getvalue())
    return printed


def main() -> None:
    """Write the notebook with its outputs."""
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    for number, (cell, text) in enumerate(zip(code, run(content["cells"]), strict=True), start=1):
        stream = {"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}
        cell.update(execution_count=number, outputs=[stream] if text else [])
    NOTEBOOK.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "120")
    main()
