"""A path of l1 penalties, five folds and all rows.

100 penalties from where every coefficient is zero, the fit alone, both cores for everyone who takes them. `excess` is the
largest distance of loss + penalty, of all rows in float64, above the least of all at 20 points of the path. Ours proves every
point: a KKT residual over all columns of at most 1e-7 (about 1e-6 of the first penalty); adelie's tolerance is 1e-9, with which
its excess is comparable, python-glmnet's its own.
"""

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from harness import RIVALS, RIVALS_PYTHON, alternately, comparison, headline, table
from torch import Tensor

from logitlab.paths.folds import Folds
from logitlab.paths.follow import follow
from logitlab.penalties import ElasticNet
from logitlab.solvers.objective import Objective

SIZES = ((20_000, 200, 1e-4), (2_000, 5_000, 1e-2))
FOLDS, PENALTIES, TOLERANCE = 5, 100, 1e-7
OTHERS = ("adelie", "glmnet")


def measure(rounds: int) -> str:
    """Return a table for each size."""
    return "\n\n".join(_of_size(*size, rounds) for size in SIZES)


def _of_size(rows: int, columns: int, width: float, rounds: int) -> str:
    x, y, fold, strengths = simulated_path(rows, columns, width)
    ends: dict[str, Tensor] = {}

    def ours() -> float:
        started = time.perf_counter()
        folds = Folds(x, y[:, None], fold)
        l1 = strengths[:, None].expand(-1, folds.problems)
        ones = torch.ones(folds.problems, columns, dtype=torch.float64)
        found = follow(folds, l1, torch.zeros_like(l1), ones, TOLERANCE)
        assert float(found.residual.max()) <= TOLERANCE
        ends["logitlab"] = found.points[:, -1]
        return time.perf_counter() - started

    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "table.npz", Path(folder) / "coefficients.npy"
        np.savez(source, x=x.numpy(), y=y.numpy(), fold=fold.numpy(), strengths=strengths.numpy())

        def other(name: str) -> Callable[[], float]:
            def run() -> float:
                command = [RIVALS_PYTHON, str(RIVALS / "path.py"), name, str(source), str(output)]
                seconds = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
                ends[name] = torch.from_numpy(np.load(output))
                return seconds

            return run

        times = alternately({"logitlab": ours} | {name: other(name) for name in OTHERS}, rounds)
    values = {name: _values(x, y, strengths, found) for name, found in ends.items()}
    least = torch.stack(list(values.values())).amin(0)
    excess = [[name, f"{float((each - least).max()):.0e}"] for name, each in values.items()]
    fastest = min(OTHERS, key=lambda name: sorted(times[name])[len(times[name]) // 2])
    headline(f"path, {rows:,} x {columns:,}, {PENALTIES} l1 penalties, {FOLDS} folds", times, "logitlab", OTHERS)
    return "\n\n".join([f"{rows:,} x {columns:,}:", comparison(times, fastest), table(["", "excess"], excess)])


def simulated_path(rows: int, columns: int, width: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return standardised columns with a correlation of 0.2, of which 40 matter, a target, folds and penalties."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, columns)) + 0.5 * random.normal(size=(rows, 1))
    weight = np.zeros(columns)
    weight[:40] = random.normal(size=40) / 3
    y = (random.random(rows) < 1 / (1 + np.exp(0.5 - x @ weight))).astype(np.float64)
    x = (x - x.mean(0)) / x.std(0)
    first = np.abs(x.T @ (y - y.mean())).max() / rows
    strengths = first * width ** (np.arange(PENALTIES) / (PENALTIES - 1))
    fold = random.permutation(rows) % FOLDS
    return torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(fold), torch.from_numpy(strengths)


def _values(x: Tensor, y: Tensor, strengths: Tensor, points: Tensor) -> Tensor:
    """Return loss + penalty of all rows at every fifth point."""
    places = range(0, len(strengths), PENALTIES // 20)
    at = [Objective(x, y, penalty=ElasticNet(float(strengths[place])))(points[place], hessian=False).value for place in places]
    return torch.tensor(at)
