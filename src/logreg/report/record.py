"""What a run directory says of its run: everything but the rows and the weights. Read without torch."""

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from logreg.errors import UserError
from logreg.log import event_files
from logreg.sweeps import member
from logreg.sweeps.member import FAILED, FINISHED

MOST_CURVES = 14
"""Runs of a sweep whose curves are shown: more cannot be told apart."""

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
        status: "finished", "failed" or "not finished".
        reason: why it failed, where that was noted.
    """

    path: Path
    metrics: dict[str, float | None]
    coefficients: list[dict[str, str]]
    environment: dict[str, Any]
    config: str
    overrides: list[str]
    choices: dict[str, Any]
    curves: dict[str, tuple[list[int], list[float]]]
    status: str = FINISHED
    reason: str = ""

    def cfg(self) -> DictConfig:
        """Return the config as train.py had it."""
        return cast(DictConfig, OmegaConf.create(self.config))


def read(path: Path) -> Record:
    """Return what a run directory holds, finished or not.

    Raises:
        UserError: it is none.
    """
    if not (path / ".hydra" / "config.yaml").is_file():
        raise UserError(
            f"run={path}: there is no run (no .hydra/config.yaml). Give a run directory, as in run=outputs/<run>, or a sweep's"
            " directory."
        )
    hydra = OmegaConf.load(path / ".hydra" / "hydra.yaml")
    status, reason = _standing(path)
    return Record(
        path=path,
        metrics=_json(path / "metrics.json"),
        coefficients=_table(path / "coefficients.csv"),
        environment=_json(path / "environment.json"),
        config=(path / ".hydra" / "config.yaml").read_text(encoding="utf-8"),
        overrides=_list(path / ".hydra" / "overrides.yaml"),
        choices=OmegaConf.to_container(OmegaConf.select(hydra, "hydra.runtime.choices", default={})),  # type: ignore[arg-type]
        curves=event_files.scalars(path),
        status=status,
        reason=reason,
    )


def read_members(sweep: Path) -> list[Record]:
    """Return what the runs below a sweep's directory came to, the least val/loss (or train/loss) first.

    Only what compares them is read, and curves only of the best MOST_CURVES.
    """
    patterns = [f"{depth}/{name}" for depth in ("*", "*/*") for name in (member.STATUS, "metrics.json")]
    records = [_member(path) for path in {file.parent for pattern in patterns for file in sweep.glob(pattern)}]
    tag = ranked_by(records)
    records.sort(key=lambda record: (*_place(record.metrics.get(tag)), _number(record.path.name), record.path))
    return [
        replace(record, curves=event_files.scalars(record.path)) if rank < MOST_CURVES and record.metrics else record
        for rank, record in enumerate(records)
    ]


def ranked_by(records: Sequence[Record]) -> str:
    """Return the metric by which the runs of a sweep are ranked."""
    return "val/loss" if any("val/loss" in record.metrics for record in records) else "train/loss"


def _place(value: float | None) -> tuple[bool, float]:
    is_known = value is not None and math.isfinite(value)
    return not is_known, value if is_known and value is not None else 0.0


def _member(path: Path) -> Record:
    noted, (status, reason) = member.read(path), _standing(path)
    overrides = list(noted.overrides) if noted is not None else _list(path / ".hydra" / "overrides.yaml")
    metrics = _json(path / "metrics.json") if status == FINISHED else {}
    return Record(path, metrics, [], {}, "", overrides, {}, {}, status, reason)


def _standing(path: Path) -> tuple[str, str]:
    """Return how a run stands, and why it failed."""
    noted = member.read(path)
    is_finished = (path / "metrics.json").is_file() if noted is None else noted.finished
    if noted is not None and noted.status == FAILED:
        return FAILED, noted.reason or ""
    return FINISHED if is_finished else "not finished", ""


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
