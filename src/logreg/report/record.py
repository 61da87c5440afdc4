"""What a run directory says of its run: everything but the rows and the weights. Read without torch."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from logreg import event_files
from logreg.errors import UserError

MOST_POINTS = 2_100
"""Points of a curve in the page; of more, as many evenly spaced, and the last."""


@dataclass(frozen=True)
class Record:
    """A run, read back.

    Attributes:
        path: the run directory.
        metrics: by name.
        coefficients: the rows of coefficients.csv, by the names of its columns.
        environment: versions, git commit, command, data fingerprint.
        config: the composed config as YAML.
        overrides: what was typed.
        choices: the name chosen in each config group.
        curves: tag -> (steps, values), whole.
    """

    path: Path
    metrics: dict[str, float | None]
    coefficients: list[dict[str, str]]
    environment: dict[str, Any]
    config: str
    overrides: list[str]
    choices: dict[str, Any]
    curves: dict[str, tuple[list[int], list[float]]]

    def cfg(self) -> DictConfig:
        """Return the config as train.py had it."""
        return cast(DictConfig, OmegaConf.create(self.config))


def is_run(path: Path) -> bool:
    """Tell whether a folder is a run directory that was finished."""
    return (path / "metrics.json").is_file() and (path / ".hydra" / "config.yaml").is_file()


def read(path: Path, with_curves: bool = True) -> Record:
    """Return what a run directory holds.

    Raises:
        UserError: it is none.
    """
    if not is_run(path):
        raise UserError(
            f"run={path}: there is no finished run (no metrics.json and .hydra/config.yaml). Give a run directory, as in"
            " run=outputs/<run>, or a sweep's directory."
        )
    hydra = OmegaConf.load(path / ".hydra" / "hydra.yaml")
    return Record(
        path=path,
        metrics=_json(path / "metrics.json"),
        coefficients=_table(path / "coefficients.csv"),
        environment=_json(path / "environment.json"),
        config=(path / ".hydra" / "config.yaml").read_text(encoding="utf-8"),
        overrides=_list(path / ".hydra" / "overrides.yaml"),
        choices=OmegaConf.to_container(OmegaConf.select(hydra, "hydra.runtime.choices", default={})),  # type: ignore[arg-type]
        curves=event_files.scalars(path) if with_curves else {},
    )


def members(sweep: Path) -> list[Path]:
    """Return the run directories below a sweep's directory, in the order of their numbers."""
    found = {file.parent for pattern in ("*/metrics.json", "*/*/metrics.json") for file in sweep.glob(pattern)}
    runs = [path for path in found if is_run(path)]
    return sorted(runs, key=lambda path: (not path.name.isdigit(), _number(path.name), path))


def thinned(steps: list[int], values: list[float], most: int = MOST_POINTS) -> tuple[list[int], list[float]]:
    """Return at most `most` points and the last."""
    every = -(-len(steps) // most)
    places = sorted({*range(0, len(steps), every), len(steps) - 1}) if steps else []
    return [steps[place] for place in places], [values[place] for place in places]


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _list(path: Path) -> list[str]:
    return [str(each) for each in OmegaConf.load(path)] if path.is_file() else []


def _table(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _number(name: str) -> int:
    return int(name) if name.isdigit() else 0


def knobs(overrides: list[str]) -> Iterator[tuple[str, str]]:
    """Yield key and value of each override."""
    for override in overrides:
        key, _, value = override.partition("=")
        yield key.lstrip("+~"), value
