"""What `python report.py run=<run directory>` does."""

import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from logitlab import recorded
from logitlab.cli import checks
from logitlab.errors import DataChangedError, RunError, UserError
from logitlab.reporting.page import run_page
from logitlab.reporting.record import Record, read, read_members
from logitlab.reporting.sweep_page import sweep_page
from logitlab.runs import files
from logitlab.sweeps.member import FAILED, FINISHED


def report(cfg: DictConfig) -> None:
    """Write the report of the run, or the sweep, that `cfg.run` names, and say where it is.

    Raises:
        UserError: `run` is neither.
        RunError: the report cannot be written.
    """
    path = Path(cfg.run)
    if not path.is_dir():
        raise UserError(f"run={cfg.run}: there is no such folder. Give a run directory, as in run=outputs/<run>, or a sweep's.")
    text = run_report(path) if (path / ".hydra").is_dir() else sweep_report(path)
    output = Path(cfg.output) if cfg.output else path / "report.html"
    try:
        with files.as_output(output) if cfg.output else files.in_place(output) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"The report {output} cannot be written: {error.strerror}. Give another file with output=.") from error
    stream = sys.stderr if files.is_stream(output) else sys.stdout
    print(f"{output} ({len(text.encode()) / 1e6:.2f} MB): open it in a browser; it needs no network.", file=stream)


def run_report(path: Path) -> str:
    """Return the page of a run.

    Raises:
        DataChangedError: its table holds other rows now.
    """
    record = read(path)
    notes = [*record.notes, *([] if record.status == FINISHED else [_unfinished(record)])]
    data: dict[str, Any] = {}
    try:
        data = _of_rows(record, notes)
    except DataChangedError:
        raise
    except UserError as error:  # the table has moved, say: what the run wrote down is shown all the same
        notes.append(f"What needs the rows is missing: {error}")
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        notes.append(
            f"What needs the rows is missing: .hydra/config.yaml is no config of this project ({type(error).__name__})."
        )
    return run_page(record, data, notes)


def _unfinished(record: Record) -> str:
    if record.status == FAILED:
        return f"This run has failed: {record.reason}"
    return "This run has not finished: it was stopped, or is still training. Shown is what it has logged so far."


def sweep_report(path: Path) -> str:
    """Return the page that compares the runs of a sweep.

    Raises:
        UserError: there are none.
    """
    records = read_members(path)
    if not records:
        raise UserError(
            f"run={path}: there is no run, nor are there any below it. Give a run directory, as in run=outputs/<run>, or a"
            " sweep's directory."
        )
    return sweep_page(path, records)


def _of_rows(record: Record, notes: list[str]) -> dict[str, Any]:
    config = record.settings()
    data = recorded.choice("data", config.get("data"), f"{record.path / '.hydra' / 'config.yaml'}")
    checks.check_values({"seed": config.get("seed"), **{f"data.{key}": value for key, value in data.items()}})
    from logitlab.reporting import replay, run_data

    return run_data.run_data(record, replay.Trained(record, data, config["seed"]), notes)
