"""The job of select_penalty.py; torch is imported once the config is checked."""

import copy
import csv
import io
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from logitlab.cli import broken_pipe
from logitlab.errors import UserError
from logitlab.log.summary import decimal, in_columns
from logitlab.paths.written import PATH, SELECTION
from logitlab.rules import Number, check_value
from logitlab.runs.run_directory import RunDirectory
from logitlab.runs.small_files import or_note, read_json
from logitlab.selection.rule import Line, choices, line
from logitlab.sweeps import member
from logitlab.sweeps.run_member import prepare_resume

if TYPE_CHECKING:
    from logitlab.paths.cross_validation import Point


@dataclass(frozen=True)
class Candidate:
    """A penalty to choose from.

    Attributes:
        ratio: l1 is this share of it, l2 the rest; None: it is the strength of one of them, and the other stays.
        value: its strength.
    """

    ratio: float | None
    value: float

    def terms(self, kind: str) -> dict[str, float]:
        """Return the strengths that are chosen, by their names in the penalty, `kind` being the one that is."""
        if self.ratio is None:
            return {kind: self.value}
        return {"l1": self.ratio * self.value, "l2": (1 - self.ratio) * self.value}

    def strengths(self, cfg: DictConfig, class_weights: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
        """Return l1 and l2 for the training rows of each problem, whose classes have these weights."""
        chosen = self.terms(_kind(cfg))
        automatic = [1 / sum(each) for each in class_weights]
        both = (
            {"l1": cfg.penalty.l1, "l2": auto if cfg.penalty.l2 == "auto" else cfg.penalty.l2} | chosen for auto in automatic
        )
        l1, l2 = zip(*((each["l1"], each["l2"]) for each in both), strict=True)
        return list(l1), list(l2)


SOLVERS = {"l1": ("logitlab.solvers.solver.Newton",), "l2": ("logitlab.solvers.solver.Newton", "logitlab.solvers.solver.LBFGS")}
NOTES = "selection.json"
SHOWN = 12
L1_RATIO = Number(above=0, high=1, optional=True)
CHOICES = {"min": "smallest", "1se": "within one standard error of it"}


def select(cfg: DictConfig) -> float | None:
    """Choose the penalty that `cfg` asks for by cross-validation, print why, and train on all folds with it.

    Raises:
        UserError: what can be known before training is wrong.
    """
    broken_pipe.ignore_broken_pipe()
    _check(cfg)
    from logitlab import logging_setup
    from logitlab.experiment import train

    logging_setup.quiet_libraries()
    run = RunDirectory(HydraConfig.get().runtime.output_dir)
    with run.locked():
        candidates, folds = _folds(cfg, run)
        lines = [
            line(each.value, [points[at].loss for points in folds], [points[at].coefficients for points in folds], each.ratio)
            for at, each in enumerate(candidates)
        ]
        found = choices(lines)
        run.write_text(SELECTION, _csv(cfg, candidates, lines, found))
    print(_table(cfg, lines, found))
    _warn(cfg, folds, found, lines)
    cfg.penalty.update(candidates[found[cfg.selection.choose]].terms(_kind(cfg)))
    prepare_resume(cfg, run)
    return train(cfg)


def _check(cfg: DictConfig) -> None:
    kind, data = _kind(cfg), cfg.data
    if cfg.selection.l1_ratio is not None and cfg.selection.penalty is not None:
        raise UserError(
            f"selection.penalty={cfg.selection.penalty} chooses one strength, and selection.l1_ratio both by their shares:"
            " leave one of them out."
        )
    for ratio in _ratios(cfg):
        check_value("selection.l1_ratio", ratio, L1_RATIO)
    if data.get("folds") is None or data.get("fold") != "all":
        raise UserError("A penalty is chosen by all folds: type data.folds=5, or another number, and leave data.fold as it is.")
    if (cfg.penalty or {}).get("_target_") != "logitlab.penalties.ElasticNet":
        raise UserError(f"penalty.{kind} is what is chosen: type penalty=elastic_net, or leave penalty out.")
    if cfg.optimizer._target_ not in SOLVERS[kind]:
        names = " or ".join(f"optimizer={name.rpartition('.')[2].lower()}" for name in SOLVERS[kind])
        raise UserError(f"penalty.{kind} is chosen by the optimum under each of its values, which needs {names}.")
    values = cfg.selection["values"]
    if values is not None and len(values) < 2:
        raise UserError("selection.values takes two values and more to choose from, as in selection.values=[0.1,0.01,0.001].")
    for value in values or ():
        check_value("selection.values", value, Number(above=0))


def _folds(cfg: DictConfig, run: RunDirectory) -> tuple[list[Candidate], list[list["Point"]]]:
    """Return the penalties, of each l1_ratio the strongest first, and the points of each fold; what was done before is read."""
    from logitlab import build
    from logitlab.data.description import check_same_data
    from logitlab.paths.cross_validation import Point, strengths, units_of_folds

    config: Any = OmegaConf.to_container(cfg, resolve=True)
    digest = member.digest(config)
    notes = _notes(run.path / NOTES, digest, cfg.data.folds)
    datamodule = build.build_datamodule(cfg)
    if notes is not None:
        advice = "Give the table that it began with, or another hydra.run.dir to begin anew."
        check_same_data(notes.get("data"), datamodule.description, "this selection", advice)
    else:
        given = sorted(set(cfg.selection["values"] or ()), reverse=True)
        pos_weight = _pos_weight(cfg, datamodule.examples.class_weights)
        values = [
            (ratio, value)
            for ratio in _ratios(cfg)
            for value in given
            or strengths(datamodule.examples, _kind(cfg), cfg.selection.count, pos_weight, 1.0 if ratio is None else ratio)
        ]
        notes = {"digest": digest, "data": dict(datamodule.description), "values": values, "folds": []}
    candidates = [Candidate(*each) for each in notes["values"]]
    folds = [[Point(*each) for each in points] for points in notes["folds"]]
    if len(folds) == cfg.data.folds and (run.path / PATH).exists():
        return candidates, folds
    units = units_of_folds(datamodule, cfg.data.get("scale", "none"), cfg.data.get("min_count", 1))
    if units is None:
        folds, coefficients = _one_by_one(cfg, run, notes, candidates, folds, datamodule)
    else:
        folds, coefficients = _together(cfg, candidates, datamodule, units)
    run.write_text(PATH, _path_csv(candidates, datamodule.feature_names, coefficients.tolist()))
    run.write_json(NOTES, {**notes, "folds": [_plain(points) for points in folds]})
    return candidates, folds


def _together(cfg: DictConfig, candidates: Sequence[Candidate], datamodule: Any, units: Any) -> tuple[list[list["Point"]], Any]:
    """Return the points of all folds, worked out on one table, and the coefficients of all rows, (penalties, features + 1)."""
    import torch

    from logitlab.paths.cross_validation import class_weights, of_folds

    started = time.monotonic()
    weights = class_weights(datamodule)
    pos_weight = [_pos_weight(cfg, each) for each in weights]
    parts = []
    for ratio in _ratios(cfg):
        l1, l2 = _strengths(cfg, candidates, ratio, weights)
        parts.append(of_folds(datamodule, units, l1, l2, cfg.optimizer.tolerance, pos_weight, cfg.trainer.max_epochs))
    seconds = f"{time.monotonic() - started:.1f} s"
    print(f"{cfg.data.folds} folds and all rows: {len(candidates)} penalties in {seconds}", file=sys.stderr, flush=True)
    points = [[point for part in parts for point in part.points[fold]] for fold in range(cfg.data.folds)]
    return points, torch.cat([part.coefficients[-1] for part in parts])


def _one_by_one(
    cfg: DictConfig, run: RunDirectory, notes: dict[str, Any], candidates: Sequence[Candidate], folds: Any, datamodule: Any
) -> tuple[list[list["Point"]], Any]:
    """Return the same where every fold needs a preparation of its own; each is noted as it is done."""
    from logitlab import build

    for fold in range(len(folds), cfg.data.folds):
        started = time.monotonic()
        own = copy.deepcopy(cfg)
        own.data.fold = fold
        folds.append(_path(cfg, build.build_datamodule(own), candidates)[0])
        seconds = f"{time.monotonic() - started:.1f} s"
        print(f"fold {fold + 1} of {cfg.data.folds}: {len(candidates)} penalties in {seconds}", file=sys.stderr, flush=True)
        notes["folds"].append(_plain(folds[-1]))
        run.write_json(NOTES, notes)
    return folds, _path(cfg, datamodule, candidates)[1]


def _path(cfg: DictConfig, datamodule: Any, candidates: Sequence[Candidate]) -> tuple[list["Point"], Any]:
    """Return the points of the training rows' path, evaluated on the val rows, and its coefficients."""
    import torch

    from logitlab.paths.cross_validation import of_split

    train, weights = datamodule.rows("train"), [datamodule.examples.class_weights]
    points: list[Point] = []
    coefficients = []
    for ratio in _ratios(cfg):
        l1, l2 = _strengths(cfg, candidates, ratio, weights)
        pos_weight = _pos_weight(cfg, weights[0])
        found = of_split(train, datamodule.rows("val"), l1, l2, cfg.optimizer.tolerance, pos_weight, cfg.trainer.max_epochs)
        points += found.points[0]
        coefficients.append(found.coefficients[0])
    return points, torch.cat(coefficients)


def _strengths(cfg: DictConfig, candidates: Sequence[Candidate], ratio: float | None, weights: Any) -> tuple[Any, Any]:
    """Return l1 and l2 of the candidates of one ratio, (penalties, problems) each, given the class weights of each problem."""
    import torch

    own = [each.strengths(cfg, weights) for each in candidates if each.ratio == ratio]
    l1, l2 = (torch.tensor([each[place] for each in own], dtype=torch.float64) for place in (0, 1))
    return l1, l2


def _plain(points: Sequence["Point"]) -> list[list[Any]]:
    return [[each.loss, each.coefficients, each.converged] for each in points]


def _notes(path: Path, digest: str, folds: int) -> dict[str, Any] | None:
    """Return what an earlier process has noted of this selection; None where there is nothing, or nothing whole."""
    notes = or_note(lambda: read_json(path, dict), _print_anew)
    if notes is None:
        return None
    if not _are_notes(notes, folds):
        _print_anew(f"{path} is damaged (it does not hold the paths of folds).")
        return None
    if notes["digest"] != digest:
        raise UserError(f"{path.parent} holds another selection than this one: give another hydra.run.dir, or leave it out.")
    return notes


def _are_notes(notes: dict[str, Any], folds: int) -> bool:
    """Whether every part is there and of its type, a path as long as the list of penalties."""

    def is_number(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)

    def is_candidate(value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) == 2
            and is_number(value[1])
            and value[1] > 0
            and (value[0] is None or is_number(value[0]))
        )

    values, paths = notes.get("values"), notes.get("folds")
    return (
        isinstance(notes.get("digest"), str)
        and isinstance(values, list)
        and len(values) > 1
        and all(is_candidate(value) for value in values)
        and isinstance(paths, list)
        and len(paths) <= folds
        and all(isinstance(path, list) and len(path) == len(values) for path in paths)
        and all(isinstance(point, list) and [*map(type, point)] == [float, int, bool] for path in paths for point in path)
    )


def _print_anew(words: str) -> None:
    print(f"Note: {words} Its folds are worked out anew.", file=sys.stderr)


def _pos_weight(cfg: DictConfig, class_weights: tuple[float, float]) -> float:
    from logitlab.losses import positive_weight

    return positive_weight(cfg.loss.get("pos_weight"), class_weights)


def _kind(cfg: DictConfig) -> str:
    """Return which strength is chosen; with selection.l1_ratio both are, and the path is that of l1."""
    return "l1" if cfg.selection.l1_ratio is not None else cfg.selection.penalty or "l2"


def _ratios(cfg: DictConfig) -> list[float | None]:
    """Return the shares of l1 that are tried; None where one strength alone is chosen."""
    given = cfg.selection.l1_ratio
    return [None] if given is None else list(given) if OmegaConf.is_list(given) else [given]


def _csv(cfg: DictConfig, candidates: Sequence[Candidate], lines: Sequence[Line], found: dict[str, int]) -> str:
    names = [f"penalty.{name}" for name in candidates[0].terms(_kind(cfg))]
    rows = [
        [
            *each.terms(_kind(cfg)).values(),
            of.loss,
            of.error,
            of.coefficients,
            " ".join(_chosen_as(place, found)),
        ]
        for place, (each, of) in enumerate(zip(candidates, lines, strict=True))
    ]
    return _written([[*names, "loss", "standard_error", "coefficients", "choice"], *rows])


def _chosen_as(place: int, found: dict[str, int]) -> list[str]:
    return [name for name, at in found.items() if at == place]


def _path_csv(candidates: Sequence[Candidate], names: Sequence[str], coefficients: Sequence[Sequence[float]]) -> str:
    """Return the coefficients of all rows under each penalty, of the features as the network sees them."""
    rows = [[each.ratio, each.value, *own] for each, own in zip(candidates, coefficients, strict=True)]
    return _written([["l1_ratio", "strength", *names, "bias"], *rows])


def _written(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _table(cfg: DictConfig, lines: Sequence[Line], found: dict[str, int]) -> str:
    """Return the table for the console: the choices, and lines from the whole path."""
    is_mixed = lines[0].ratio is not None
    name, chosen = "strength" if is_mixed else f"penalty.{_kind(cfg)}", cfg.selection.choose
    step = max(len(lines) // (SHOWN - 2), 1)
    places = sorted({*range(0, len(lines), step), len(lines) - 1, *found.values()})
    rows = [[*(["l1_ratio"] if is_mixed else []), name, "log loss", "standard error", "coefficients", ""]]
    for place in places:
        each = lines[place]
        marks = [CHOICES[choice] for choice in _chosen_as(place, found)]
        numbers = [f"{each.value:.4g}", decimal(each.loss, ".6f"), decimal(each.error, ".6f"), f"{each.coefficients:.1f}"]
        rows.append([*([f"{each.ratio:g}"] if is_mixed else []), *numbers, ", ".join(marks)])
    own = lines[found[chosen]]
    terms = " ".join(f"penalty.{key}={value:.4g}" for key, value in Candidate(own.ratio, own.value).terms(_kind(cfg)).items())
    head = "penalty.l1 and penalty.l2 (l1_ratio and 1 - l1_ratio of the strength)" if is_mixed else name
    return "\n".join(
        [
            f"{head} by {cfg.data.folds}-fold cross-validated log loss, {len(lines)} values in selection.csv",
            in_columns(rows),
            f"Training on all folds with {terms} (selection.choose={chosen})",
        ]
    )


def _warn(cfg: DictConfig, folds: Sequence[Sequence["Point"]], found: dict[str, int], lines: Sequence[Line]) -> None:
    """Print what makes the choice doubtful."""
    if failed := sum(not point.converged for points in folds for point in points):
        total = len(folds) * len(lines)
        print(f"Note: {failed} of {total} fits are not at their optimum: raise trainer.max_epochs.", file=sys.stderr)
    own = [place for place, each in enumerate(lines) if each.ratio == lines[found["min"]].ratio]
    if found["min"] in (own[0], own[-1]):
        end, way = ("strongest", "stronger") if found["min"] == own[0] else ("weakest", "weaker")
        note = f"the smallest loss is at the {end} penalty of all; {way} ones may do better: type selection.values=[...]."
        print(f"Note: {note}", file=sys.stderr)
