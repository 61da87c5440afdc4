"""The notebook prints what it shows, run from its first cell to its last; seconds differ."""

import json
import re

import notebook
import pytest


def without_seconds(text: str) -> str:
    return re.sub(r"\d+\.\d s\b", "0.0 s", text)


@pytest.mark.slow
def test_every_cell_prints_what_the_notebook_shows() -> None:
    cells = json.loads(notebook.NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for cell, text in zip(code, notebook.run(cells), strict=True):
        shown = "".join(line for output in cell["outputs"] for line in output["text"])
        assert without_seconds(text) == without_seconds(shown), "".join(cell["source"])
