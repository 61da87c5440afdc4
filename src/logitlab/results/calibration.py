"""Whether the probabilities of val and test rows mean what they say."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from logitlab import rules
from logitlab.data.examples import Examples
from logitlab.log.summary import calibration_line
from logitlab.metrics import calibration_error
from logitlab.results.result import Fit, Result, Row
from logitlab.spreadsheet import as_csv
from logitlab.training.module import LogisticRegression

SPLITS = ("val", "test")
HEAD = ("split", "probabilities", "bins", "low", "high", "count", "probability", "observed", "observed_low", "observed_high")


class CalibrationTable(Result):
    """Writes calibration.csv (a reliability table a split) and calibration.json (calibration error, what chance would make it,
    Brier decomposition).

    After a recalibration both are there twice: for the probabilities as fitted ("raw") and as they are given now
    ("recalibrated"). On the val rows, on which it was fitted, the second are flattered; the test rows decide.
    """

    def __init__(self, bins: int = 10) -> None:
        """Take the number of bins; fewer are made where probabilities coincide."""
        rules.check("results.calibration", bins=bins)
        self.bins = bins

    def __call__(self, fit: Fit) -> list[Row]:
        """Write both files; return a line for each split. Training rows are left out: a fit is calibrated on them."""
        splits = {name: rows for name in SPLITS if (rows := fit.datamodule.rows(name)) is not None}
        if not splits:
            return []
        from logitlab.statistics import calibration  # here, for the fits that have no such rows

        table: list[tuple[Any, ...]] = []
        figures: dict[str, Any] = {}
        lines = []
        for split, rows in splits.items():
            target, weight = rows.target[:, 0], None if rows.weight is None else rows.weight[:, 0]
            figures[split] = {}
            for name, probability in _probabilities(fit.module, rows):
                for equal in ("mass", "width"):
                    edges = calibration.bin_edges(probability, self.bins, equal)
                    found = calibration.reliability(probability, target, edges, weight)
                    columns = (getattr(found, column).tolist() for column in HEAD[3:])
                    table += [(split, name, equal, *row) for row in zip(*columns, strict=True)]
                edges = calibration.bin_edges(probability, self.bins)
                weights = torch.ones_like(target) if weight is None else weight
                error = calibration_error(probability.double(), target.double(), weights.double())
                low, high = calibration.by_chance(probability, weight, rows.sampling)
                figures[split][name] = {
                    "calibration_error": error,
                    "if_right": {"low": low, "high": high},
                    "brier": asdict(calibration.brier(probability, target, edges, weight)),
                }
            fit.metrics.update({f"{split}/calibration_by_chance_low": low, f"{split}/calibration_by_chance_high": high})
            lines.append((f"calibration, {split}", calibration_line(error, low, high)))
        fit.run.write_text("calibration.csv", as_csv([HEAD, *table]))
        fit.run.write_json("calibration.json", {"bins": self.bins, "interval": 0.95, **figures})
        if fit.module.network.recalibration:
            slope, intercept = fit.module.network.recalibration
            lines.append(
                ("recalibration", f"logit -> {slope:.4g} * logit {'-' if intercept < 0 else '+'} {abs(intercept):.4g}")
            )
        return lines


def _probabilities(module: LogisticRegression, rows: Examples) -> Iterator[tuple[str, Tensor]]:
    """Yield the name and the values, (rows,), of the probabilities as fitted, and as they are given after a recalibration."""
    network = module.network
    yield "raw", network.exact_logit(rows.exact).sigmoid().float()
    if network.recalibration:
        yield "recalibrated", network.scores(rows.exact)[0]
