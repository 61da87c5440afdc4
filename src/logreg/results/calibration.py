"""Whether the probabilities of val and test rows mean what they say."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torch import Tensor

from logreg.data.examples import Examples
from logreg.module import LogisticRegression
from logreg.results.result import Fit, Result, Row

if TYPE_CHECKING:
    from logreg.statistics.calibration import CalibrationError

SPLITS = ("val", "test")
HEAD = ("split", "probabilities", "bins", "low", "high", "count", "probability", "observed", "observed_low", "observed_high")


class CalibrationTable(Result):
    """Writes calibration.csv (a reliability table a split) and calibration.json (calibration error and Brier decomposition).

    After a recalibration both are there twice: for the probabilities as fitted ("raw") and as they are given now
    ("recalibrated"). On the val rows, on which it was fitted, the second are flattered; the test rows tell.
    """

    def __init__(self, bins: int = 10) -> None:
        """Take the number of bins; fewer are made where probabilities coincide."""
        self.bins = bins

    def __call__(self, fit: Fit) -> list[Row]:
        """Write both files; return a line for each split. Training rows are not judged: a fit is calibrated on them."""
        splits = {name: rows for name in SPLITS if (rows := fit.datamodule.rows(name)) is not None}
        if not splits:
            return []
        from logreg.statistics import calibration  # here, for the fits that have no such rows

        table: list[tuple[Any, ...]] = []
        figures: dict[str, Any] = {}
        said = []
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
                error = calibration.calibration_error(probability, target, edges, weight)
                figures[split][name] = {
                    "expected_calibration_error": asdict(error),
                    "brier": asdict(calibration.brier(probability, target, edges, weight)),
                }
            said.append((f"calibration, {split}", _said(error)))
        self._write(fit, table, figures)
        if fit.module.network.recalibration:
            slope, intercept = fit.module.network.recalibration
            said.append(("recalibration", f"logit -> {slope:.4g} * logit {'-' if intercept < 0 else '+'} {abs(intercept):.4g}"))
        return said

    def _write(self, fit: Fit, table: list[tuple[Any, ...]], figures: dict[str, Any]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([HEAD, *table])
        fit.run.write_text("calibration.csv", text.getvalue())
        fit.run.write_json("calibration.json", {"bins": self.bins, "interval": 0.95, **figures})


def _probabilities(module: LogisticRegression, rows: Examples) -> Iterator[tuple[str, Tensor]]:
    """Yield the name and the values, (rows,), of the probabilities as fitted, and as they are given after a recalibration."""
    network = module.network
    logit = rows.exact.double() @ network.weight.detach().double() + network.bias.detach().double()
    yield "raw", logit.sigmoid()
    if network.recalibration:
        slope, intercept = network.recalibration
        yield "recalibrated", (slope * logit + intercept).sigmoid()


def _said(error: "CalibrationError") -> str:
    interval = f"{error.value:.3f} off on average (95 % interval {error.low:.3f} to {error.high:.3f})"
    return f"{interval}; right probabilities would show {error.by_chance:.3f} by chance"
