"""What the dashboard shows of a finished fit: histograms, precision-recall curves, the coefficients, calibration."""

import math
from collections.abc import Set
from typing import Any

import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from logitlab.data.examples import Examples
from logitlab.features import Features
from logitlab.results.result import Fit, Result, Row
from logitlab.runs.small_files import read_csv

MOST_ROWS = 100_000
MOST_ROWS_BEFORE = 10_000
CALIBRATION = ("train/brier", "train/calibration_error")  # those of val and test rows are logged with their metrics
COLUMNS = ("name", "estimate", "std_error", "p", "ci_low", "ci_high", "odds_ratio")
MOST_IN_TABLE = 200
LARGEST_IN_HISTOGRAM = 1e19
SPLITS = ("train", "val", "test")
Logged = Set[tuple[str, int]]


def dashboard(in_sweeps: bool = False, sweep: bool = False) -> "Dashboard | None":
    """Return the result; None in a sweep, unless it is wanted there: it takes as long as a short fit.

    Args:
        in_sweeps: write it for the runs of a sweep too.
        sweep: this run is one of a sweep.
    """
    return None if sweep and not in_sweeps else Dashboard()


class Dashboard(Result):
    """Writes to TensorBoard: histograms of weights, of logits and of probabilities for either class, and PR curves.

    Those of the train rows also at the moments of the training that have pictures, so that they can be seen to move. A split of
    more than 100,000 rows is represented by as many, evenly spaced; 10,000 at the moments before the last.
    """

    draws = True

    def __call__(self, fit: Fit) -> list[Row]:
        """Write to every TensorBoard logger of the fit; the summary has nothing to add."""
        writers = [logger.experiment for logger in fit.training.loggers if isinstance(logger, TensorBoardLogger)]
        step, network = fit.training.steps, fit.module.network
        moments = fit.training.moments or []
        before = [each for each in moments if each.is_shown and each.step < step]
        table = coefficient_table(fit)
        for writer in writers:
            if table:
                writer.add_text("coefficients", table, step)
            for split in SPLITS:
                examples = fit.datamodule.rows(split)
                if examples is not None and len(examples):
                    for moment in before if split == "train" else ():
                        weight, (features, target) = torch.from_numpy(moment.weight), _some(examples, MOST_ROWS_BEFORE)
                        _write_histogram(writer, "weights", weight, moment.step, fit.logged)
                        logit = features.to(torch.float64) @ weight.double() + moment.bias
                        _write_scores(writer, split, target, logit, moment.step, fit.logged)
                    features, target = _some(examples, MOST_ROWS)
                    _write_scores(writer, split, target, network.exact_logit(features), step)
            _write_histogram(writer, "weights", torch.cat([each.detach().flatten() for each in network.penalized()]), step)
        calibration = {name: fit.metrics[name] for name in CALIBRATION if math.isfinite(fit.metrics.get(name, math.nan))}
        for logger in fit.training.loggers if calibration else ():
            logger.log_metrics(calibration, step=step)
        return []


def coefficient_table(fit: Fit) -> str:
    """Return coefficients.csv as a Markdown table, the columns that are read first and hold something; "" without the file."""
    rows = read_csv(fit.run.path / "coefficients.csv")
    if not rows:
        return ""
    columns = [name for name in COLUMNS if any(row.get(name) for row in rows)]
    lines = [" | ".join(_cell(row[name]) for name in columns) for row in rows[:MOST_IN_TABLE]]
    if len(rows) > MOST_IN_TABLE:
        lines.append(f"... {len(rows) - MOST_IN_TABLE:,} more in coefficients.csv")
    return "\n".join([" | ".join(columns), " | ".join("---" for _ in columns), *lines])


def _some(examples: Examples, most: int) -> tuple[Tensor | Features, Tensor]:
    """Return features and target, (rows,), of at most so many rows, evenly spaced."""
    every = -(-len(examples) // most)
    return examples.exact[::every], examples.target[::every, 0]


def _write_scores(writer: Any, split: str, target: Tensor, logit: Tensor, step: int, logged: Logged = frozenset()) -> None:
    """Write what there is to see of the logits of some rows, (rows,), but for what is logged."""
    probability = logit.sigmoid()
    for each in (0, 1):
        rows = target == each
        if rows.any():
            _write_histogram(writer, f"{split}/logits/class_{each}", logit[rows], step, logged)
            _write_histogram(writer, f"{split}/probabilities/class_{each}", probability[rows], step, logged)
    if (f"{split}/pr_curve", step) not in logged:
        writer.add_pr_curve(f"{split}/pr_curve", target, probability, step)


def _write_histogram(writer: Any, tag: str, values: Tensor, step: int, logged: Logged = frozenset()) -> None:
    """Write a histogram that is not logged; TensorBoard's bins end at 1e20, beyond which torch would find it empty."""
    if (tag, step) not in logged:
        writer.add_histogram(tag, values.clamp(-LARGEST_IN_HISTOGRAM, LARGEST_IN_HISTOGRAM), step)


def _cell(value: str) -> str:
    """Return a number with four digits, and anything else with the bars that would end its cell escaped."""
    try:
        return f"{float(value):.4g}" if value else ""
    except ValueError:
        return value.replace("|", "\\|")
