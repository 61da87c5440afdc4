"""The start of the commands, and how much of it is importing torch and Lightning.

Whole processes, from the shell's command to its prompt: predicting the rows of scikit-learn's breast cancer table twice over
(1,138 rows), explaining and evaluating the run, and training on that table (`data=table`, as it comes) and on the toy data. The
first two lines import and do nothing: what a command needs of them is the least that it can take. predict.py and explain.py
need torch alone; evaluate.py takes its metrics from torchmetrics; report.py builds the run's data module, which is Lightning's.
"""

import subprocess
import tempfile
from functools import partial
from pathlib import Path

import breast_cancer
import harness

TORCH, LIGHTNING, PREDICT = "import torch", "import lightning.pytorch", "predict.py, 1,138 rows"
TABLE, TOY = "train.py data=table", "train.py, the toy data"
TARGETS = {PREDICT: "<= 1.2 s", TABLE: "<= 1.3 x toy less a third"}


def measure(rounds: int) -> str:
    """Return the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        breast_cancer.main(folder / "table.csv")
        header, *rows = (folder / "table.csv").read_text().splitlines()
        (folder / "new.csv").write_text("\n".join([header, *rows, *rows]) + "\n")
        data = ("data=table", "data.path=table.csv", "data.target=benign")
        subprocess.run(_command("train", *data, "hydra.run.dir=run"), cwd=folder, check=True, capture_output=True)
        commands = {
            TORCH: [harness.LEAN, "-c", TORCH],
            LIGHTNING: [harness.LEAN, "-c", LIGHTNING],
            PREDICT: _command("predict", "run=run", "data.path=new.csv", "output=predictions.csv"),
            "explain.py": _command("explain", "run=run"),
            "evaluate.py": _command("evaluate", "run=run", "data.path=table.csv"),
            TABLE: _command("train", *data, "hydra.run.dir=table-${now:%f}"),
            TOY: _command("train", "hydra.run.dir=toy-${now:%f}"),
        }
        times = harness.alternately(
            {key: partial(harness.seconds_of, command, folder) for key, command in commands.items()}, rounds
        )
    return harness.comparison(times, TORCH, TARGETS)


def _command(name: str, *arguments: str) -> list[str]:
    return [harness.LEAN, str(harness.ROOT / f"{name}.py"), *arguments]
