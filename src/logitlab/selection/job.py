"""The job of select_penalty.py; torch is imported once the config is checked."""

import copy
import csv
import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from logitlab.cli import broken_pipe
from logitlab.errors import UserError
from logitlab.log.summary import decimal, in_columns
from logitlab.rules import Number, check_value
from logitlab.runs.run_directory import RunDirectory
from logitlab.runs.small_files import or_note, read_json
from logitlab.selection.rule import Line, choices, line
from logitlab.sweeps import member
from logitlab.sweeps.run_member import prepare_resume

if TYPE_CHECKING:
    from logitlab.selection.path import Point

SOLVERS = {"l1": ("logitlab.solvers.solver.Newton",), "l2": ("logitlab.solvers.solver.Newton", "logitlab.solvers.solver.LBFGS")}
NOTES = "selection.json"
SHOWN = 12
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
        values, folds = _folds(cfg, run)
        lines = [
            line(value, [points[place].loss for points in folds], [points[place].coefficients for points in folds])
            for place, value in enumerate(values)
        ]
        found = choices(lines)
        run.write_text("selection.csv", _csv(f"penalty.{cfg.selection.penalty}", lines, found))
    print(_table(cfg, lines, found))
    _warn(cfg, folds, found, len(values))
    cfg.penalty[cfg.selection.penalty] = values[found[cfg.selection.choose]]
    prepare_resume(cfg, run)
    return train(cfg)


def _check(cfg: DictConfig) -> None:
    kind, data = cfg.selection.penalty, cfg.data
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


def _folds(cfg: DictConfig, run: RunDirectory) -> tuple[list[float], list[list["Point"]]]:
    """Return the penalties, the strongest first, and the path of each fold; a fold that was done before is read."""
    from logitlab import build
    from logitlab.data.description import check_same_data
    from logitlab.selection.path import Point, strengths

    config: Any = OmegaConf.to_container(cfg, resolve=True)
    digest = member.digest(config)
    notes = _notes(run.path / NOTES, digest, cfg.data.folds)
    datamodule = build.build_datamodule(cfg)
    if notes is not None:
        advice = "Give the table that it began with, or another hydra.run.dir to begin anew."
        check_same_data(notes.get("data"), datamodule.description, "this selection", advice)
    else:
        values = sorted(set(cfg.selection["values"] or ()), reverse=True)
        pos_weight = _pos_weight(cfg, datamodule)
        values = values or strengths(datamodule.examples, cfg.selection.penalty, cfg.selection.count, pos_weight)
        notes = {"digest": digest, "data": dict(datamodule.description), "values": values, "folds": []}
    folds = [[Point(*each) for each in points] for points in notes["folds"]]
    for fold in range(len(folds), cfg.data.folds):
        started = time.monotonic()
        folds.append(_path(cfg, fold, notes["values"]))
        seconds = f"{time.monotonic() - started:.1f} s"
        print(
            f"fold {fold + 1} of {cfg.data.folds}: {len(notes['values'])} penalties in {seconds}", file=sys.stderr, flush=True
        )
        notes["folds"].append([[each.loss, each.coefficients, each.converged] for each in folds[-1]])
        run.write_json(NOTES, notes)
    return notes["values"], folds


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

    values, paths = notes.get("values"), notes.get("folds")
    return (
        isinstance(notes.get("digest"), str)
        and isinstance(values, list)
        and len(values) > 1
        and all(is_number(value) and value > 0 for value in values)
        and isinstance(paths, list)
        and len(paths) <= folds
        and all(isinstance(path, list) and len(path) == len(values) for path in paths)
        and all(isinstance(point, list) and [*map(type, point)] == [float, int, bool] for path in paths for point in path)
    )


def _print_anew(words: str) -> None:
    print(f"Note: {words} Its folds are worked out anew.", file=sys.stderr)


def _path(cfg: DictConfig, fold: int, values: Sequence[float]) -> list["Point"]:
    import torch
    from hydra.utils import instantiate

    from logitlab import build
    from logitlab.penalties import ElasticNet
    from logitlab.selection.path import follow
    from logitlab.solvers.steps import Steps

    own = copy.deepcopy(cfg)
    own.data.fold = fold
    datamodule = build.build_datamodule(own)
    train, val = datamodule.rows("train"), datamodule.rows("val")
    assert train is not None and val is not None
    solver = instantiate(cfg.optimizer)([torch.nn.Parameter(torch.zeros(datamodule.in_features + 1))])

    def make_steps(penalty: ElasticNet) -> Steps:
        solver.penalty = penalty
        return solver.make_steps(datamodule.in_features)

    fixed = {name: 0.0 if name == cfg.selection.penalty else cfg.penalty[name] for name in ("l1", "l2")}
    fixed["l2"] = build.automatic_l2(datamodule) if fixed["l2"] == "auto" else fixed["l2"]
    pos_weight = _pos_weight(own, datamodule)
    limit = cfg.trainer.max_epochs
    return follow(train, val, ElasticNet(**fixed), cfg.selection.penalty, values, make_steps, solver.dtype, pos_weight, limit)


def _pos_weight(cfg: DictConfig, datamodule: Any) -> float:
    """Return how many rows of class 0 a row of class 1 counts as in training."""
    given = cfg.loss.get("pos_weight")
    negative, positive = datamodule.examples.class_weights
    return negative / positive if given == "balanced" else given or 1.0


def _csv(name: str, lines: Sequence[Line], found: dict[str, int]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name, "loss", "standard_error", "coefficients", "choice"])
    for place, each in enumerate(lines):
        names = " ".join(name for name, at in found.items() if at == place)
        writer.writerow([each.value, each.loss, each.error, each.coefficients, names])
    return text.getvalue()


def _table(cfg: DictConfig, lines: Sequence[Line], found: dict[str, int]) -> str:
    """Return the table for the console: the choices, and lines from the whole path."""
    name, chosen = f"penalty.{cfg.selection.penalty}", cfg.selection.choose
    step = max(len(lines) // (SHOWN - 2), 1)
    places = sorted({*range(0, len(lines), step), len(lines) - 1, *found.values()})
    rows = [[name, "log loss", "standard error", "coefficients", ""]]
    for place in places:
        each = lines[place]
        marks = [CHOICES[choice] for choice, at in found.items() if at == place]
        numbers = [f"{each.value:.4g}", decimal(each.loss, ".6f"), decimal(each.error, ".6f"), f"{each.coefficients:.1f}"]
        rows.append([*numbers, ", ".join(marks)])
    value = lines[found[chosen]].value
    return "\n".join(
        [
            f"{name} by {cfg.data.folds}-fold cross-validated log loss, {len(lines)} values in selection.csv",
            in_columns(rows),
            f"Training on all folds with {name}={value:.4g} (selection.choose={chosen})",
        ]
    )


def _warn(cfg: DictConfig, folds: Sequence[Sequence["Point"]], found: dict[str, int], values: int) -> None:
    """Print what makes the choice doubtful."""
    if failed := sum(not point.converged for points in folds for point in points):
        total = len(folds) * values
        print(f"Note: {failed} of {total} fits are not at their optimum: raise trainer.max_epochs.", file=sys.stderr)
    if found["min"] in (0, values - 1):
        end, way = ("strongest", "stronger") if found["min"] == 0 else ("weakest", "weaker")
        note = f"the smallest loss is at the {end} penalty of all; {way} ones may do better: type selection.values=[...]."
        print(f"Note: {note}", file=sys.stderr)
