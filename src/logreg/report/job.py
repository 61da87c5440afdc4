"""What `python report.py run=<run directory>` does."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from logreg import checks
from logreg.cli import CONF
from logreg.errors import RunError, UserError
from logreg.report import page
from logreg.report.record import Record, members, read

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST_WITHOUT_CURVES = 200
"""Runs of a sweep from which only the table is made: reading a run's curves takes a tenth of a second."""


def report(cfg: DictConfig) -> None:
    """Write the report of the run, or the sweep, that `cfg.run` names, and say where it is.

    Raises:
        UserError: `run` is neither.
        RunError: the report cannot be written.
    """
    path = Path(cfg.run)
    if not path.is_dir():
        raise UserError(f"run={cfg.run}: there is no such folder. Give a run directory, as in run=outputs/<run>, or a sweep's.")
    runs = members(path)
    text = sweep_report(path, runs) if runs else run_report(path)
    output = Path(cfg.output) if cfg.output else path / "report.html"
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"The report {output} cannot be written: {error.strerror}. Give another file with output=.") from error
    print(f"{output} ({len(text.encode()) / 1e6:.2f} MB): open it in a browser; it needs no network.")


def run_report(path: Path) -> str:
    """Return the page of a run."""
    record = read(path)
    notes: list[str] = []
    moving: dict[str, Any] = {"frames": None, "thresholds": None}
    try:
        pictures = _with_rows(record, moving, notes)
    except UserError as error:  # the table has moved, say: what the run wrote down is shown all the same
        notes.append(f"What needs the rows is missing: {error}")
        pictures = page.pictures_of(lambda: _of_coefficients(record), notes)
    return page.run_page(record, moving, pictures, notes)


def sweep_report(path: Path, runs: list[Path]) -> str:
    """Return the page that compares the runs of a sweep."""
    return page.sweep_page(path, [read(each, with_curves=len(runs) <= SMALLEST_WITHOUT_CURVES) for each in runs])


def _with_rows(record: Record, moving: dict[str, Any], notes: list[str]) -> dict[str, "Figure"]:
    cfg = record.cfg()
    known = {str(key) for key in OmegaConf.load(CONF / "config.yaml")} | {str(key) for key in cfg}
    checks.check(cfg, known)  # a config from elsewhere may name any callable
    from logreg.report import replay

    trained = replay.Trained(record)
    split, rows = trained.judged()
    probability, target = trained.scores(rows)
    moving["frames"] = replay.frames(record, trained)
    moving["thresholds"] = replay.thresholds(probability, target, trained.threshold)
    moving["split"] = split

    def draw() -> dict[str, "Figure"]:
        from logreg import gallery

        drawn = gallery.of_scores(probability, target, trained.threshold, rows.target_name)
        shown = {name: drawn[name] for name in ("precision_recall", "reliability", "score_distribution") if name in drawn}
        return shown | _of_coefficients(record)

    return page.pictures_of(draw, notes)


def _of_coefficients(record: Record) -> dict[str, "Figure"]:
    from logreg import gallery

    return gallery.of_coefficients(record.path / "coefficients.csv")
