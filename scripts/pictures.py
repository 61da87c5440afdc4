"""Draw the tutorials' pictures into docs/pictures/ (or the folder given).

make pictures
python scripts/pictures.py some/folder
"""

import contextlib
import csv
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from logitlab.plots import lessons, style

ROOT = Path(__file__).parents[1]
SCORES = np.array([45, 50, 55, 60, 65, 70], dtype=float)
PASSED = np.array([0, 0, 0, 1, 1, 1], dtype=float)


def main(folder: Path) -> None:
    """Write every picture as SVG into `folder`, two of the toy training, and one of the moons; say so."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in tutorial_pictures().items():
        path = folder / f"{name}.svg"
        path.write_text(style.svg(picture, name), encoding="utf-8")
        print(path)
    with trained("results=pictures") as run:
        for name in ("training_probability", "training_loss_surface"):
            print(shutil.copy(run / "pictures" / f"{name}.svg", folder))
    with trained("experiment=moons", "results=pictures") as run:
        print(shutil.copy(run / "pictures" / "probability_field.svg", folder / "moons_field.svg"))


def tutorial_pictures() -> dict[str, Figure]:
    """Return the seven pictures by name."""
    weight, bias = fitted_scores()
    return {
        "sigmoid": lessons.sigmoid(),
        "sigmoid-slope": lessons.sigmoid_slope(),
        "sigmoid-shift": lessons.sigmoid_shift(),
        "threshold": lessons.threshold(),
        "scores-fit": lessons.scores_fit(SCORES, PASSED, weight, bias),
        "cost-surface": cost_surface(),
        "bce-parts": lessons.bce_parts(),
    }


def fitted_scores() -> tuple[float, float]:
    """Return weight and bias, per point of the score, that `python train.py experiment=scores` ends with."""
    with trained("experiment=scores") as run, (run / "coefficients.csv").open(encoding="utf-8") as file:
        estimates = {row["name"]: float(row["estimate"]) for row in csv.DictReader(file)}
    return estimates["score"], estimates["bias"]


@contextlib.contextmanager
def trained(*arguments: str) -> Iterator[Path]:
    """Train a run; give its directory for as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "train.py", *arguments, f"hydra.run.dir={run}"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        yield run


def cost_surface() -> Figure:
    """Return both costs over the scaled scores with 55 passed and 60 failed: no cut-off separates these, so a lowest point is.

    Where one separates them, as in the tutorial's own six rows, the cross-entropy falls for ever and is a valley, not a bowl.
    """
    x = (SCORES - SCORES.mean()) / SCORES.std()
    swapped = np.array([0, 0, 1, 0, 1, 1], dtype=float)
    return lessons.cost_surface(x, swapped, np.linspace(-10, 14, 121), np.linspace(-12, 12, 121))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures")
