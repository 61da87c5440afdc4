"""What a run directory says of its run: everything but the rows and the weights. Read without torch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from logitlab.errors import UserError
from logitlab.log import event_files
from logitlab.monitor import Monitor, monitor_of_sweep
from logitlab.paths import written
from logitlab.paths.written import WrittenPath
from logitlab.runs.small_files import or_note, read_csv, read_json, read_numbers, read_text, read_yaml
from logitlab.runs.versions import check_schema, with_current_names
from logitlab.sweeps import member
from logitlab.sweeps.member import FAILED, FINISHED
from logitlab.sweeps.report import place

MOST_POINTS = 2_100
"""Points of a curve in the page; of more, as many evenly spaced, and the last."""


@dataclass(frozen=True)
class Record:
    """A run, read back.

    Attributes:
        path: the run directory.
        metrics: by name.
        coefficients: the rows of coefficients.csv, by the names of its columns.
        importance: the rows of importance.csv, which a network that is not linear has instead.
        dependence: the rows of partial_dependence.csv.
        statistics: statistics.json.
        summary: name and text of each line that the run ended with.
        penalty_path: the path along which its penalty was chosen; None where it was not.
        environment: versions, git commit, command, data fingerprint.
        config: the composed config as YAML.
        overrides: what was typed.
        choices: the name chosen in each config group.
        curves: tag -> (steps, values), whole.
        status: "finished", "failed" or "not finished".
        reason: why it failed, where that was noted.
        notes: what could not be read, and why.
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
    notes: tuple[str, ...] = ()
    importance: list[dict[str, str]] = field(default_factory=list)
    dependence: list[dict[str, str]] = field(default_factory=list)
    statistics: dict[str, Any] = field(default_factory=dict)
    summary: list[tuple[str, str]] = field(default_factory=list)
    penalty_path: WrittenPath | None = None

    def settings(self) -> dict[str, Any]:
        """Return the config as it was recorded, as plain values: what it refers to is not looked up.

        Raises:
            UserError: it is damaged.
        """
        return with_current_names(read_yaml(self.path / ".hydra" / "config.yaml", dict) or {})


def read(path: Path) -> Record:
    """Return what a run directory holds, finished or not.

    Raises:
        UserError: it is none, or of a later version.
    """
    hydra = path / ".hydra"
    if not hydra.is_dir():
        raise UserError(
            f"run={path}: there is no run (no .hydra/). Give a run directory, as in run=outputs/<run>, or a sweep's directory."
        )
    notes: list[str] = []
    status, reason = _standing(path)
    environment = or_note(lambda: read_json(path / "environment.json", dict), notes.append) or {}
    check_schema(environment, path / "environment.json")
    return Record(
        path=path,
        metrics=or_note(lambda: read_numbers(path / "metrics.json"), notes.append) or {},
        coefficients=or_note(lambda: read_csv(path / "coefficients.csv", ("name", "estimate")), notes.append) or [],
        environment=environment,
        config=or_note(lambda: read_text(hydra / "config.yaml"), notes.append) or "",
        overrides=_overrides(path, notes.append),
        choices=_choices(or_note(lambda: read_yaml(hydra / "hydra.yaml", dict), notes.append)),
        curves=event_files.scalars(path, notes.append),
        status=status,
        reason=reason,
        importance=or_note(lambda: read_csv(path / "importance.csv", ("column", "rise")), notes.append) or [],
        dependence=or_note(lambda: read_csv(path / "partial_dependence.csv", ("column", "value")), notes.append) or [],
        statistics=or_note(lambda: read_json(path / "statistics.json", dict), notes.append) or {},
        penalty_path=_penalty_path(path, notes.append),
        summary=_summary(or_note(lambda: read_json(path / "summary.json", dict), notes.append) or {}),
        notes=tuple(notes),
    )


def _penalty_path(path: Path, note: Callable[[str], object]) -> WrittenPath | None:
    try:
        return or_note(lambda: written.read(path), note)
    except (ValueError, LookupError) as error:
        note(f"{path / written.PATH} and {written.SELECTION} do not hold a path of penalties ({error}).")
        return None


def _summary(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the lines of summary.json that are a pair of texts."""
    lines = content.get("lines")
    return [(each[0], each[1]) for each in lines if _is_pair(each)] if isinstance(lines, list) else []


def _is_pair(line: Any) -> bool:
    return isinstance(line, list) and len(line) == 2 and all(isinstance(each, str) for each in line)


def read_members(sweep: Path) -> list[Record]:
    """Return what the runs below a sweep's directory came to, in the order of the sweep's own table.

    Only what compares them is read, see `with_curves`.
    """
    patterns = [f"{depth}/{name}" for depth in ("*", "*/*") for name in (member.STATUS, "metrics.json")]
    records = [_member(path) for path in {file.parent for pattern in patterns for file in sweep.glob(pattern)}]
    monitor = ranked_by(sweep, records)
    records.sort(key=lambda record: (*_place(record, monitor), _number(record.path.name), record.path))
    return records


def with_curves(record: Record) -> Record:
    """Return the record with its curves, read from its event files."""
    notes = list(record.notes)
    curves = event_files.scalars(record.path, notes.append)
    return replace(record, curves=curves, notes=tuple(notes))


def ranked_by(sweep: Path, records: Sequence[Record], note: Callable[[str], object] = str) -> Monitor:
    """Return the metric by which the runs of a sweep are ranked: what its config monitors, or the loss."""
    config = or_note(lambda: read_yaml(sweep / "multirun.yaml", dict), note)
    return monitor_of_sweep(config or {}, {name for record in records for name in record.metrics})


def _place(record: Record, monitor: Monitor) -> tuple[bool, bool, float]:
    noted = member.read(record.path)
    return place(noted, monitor.value(record.metrics) if noted is None else noted.value, monitor)


def _member(path: Path) -> Record:
    noted, (status, reason) = member.read(path), _standing(path)
    notes: list[str] = []
    overrides = list(noted.overrides) if noted is not None else _overrides(path, notes.append)
    metrics = or_note(lambda: read_numbers(path / "metrics.json"), notes.append) if status == FINISHED else {}
    return Record(path, metrics or {}, [], {}, "", overrides, {}, {}, status, reason, tuple(notes))


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


def _overrides(path: Path, note: Callable[[str], object]) -> list[str]:
    found = or_note(lambda: read_yaml(path / ".hydra" / "overrides.yaml", list), note)
    return [str(each) for each in found or ()]


def _choices(hydra: Any) -> dict[str, Any]:
    """Return the name chosen in each config group, of what Hydra noted of itself."""
    for key in ("hydra", "runtime", "choices"):
        hydra = hydra.get(key) if isinstance(hydra, Mapping) else None
    return dict(hydra) if isinstance(hydra, Mapping) else {}


def _number(name: str) -> int:
    return int(name) if name.isdigit() else 0


def hparams_of(overrides: list[str]) -> Iterator[tuple[str, str]]:
    """Yield key and value of each override."""
    for override in overrides:
        key, _, value = override.partition("=")
        yield key.lstrip("+~"), value
