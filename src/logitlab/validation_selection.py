"""What is chosen on the val rows once a fit is done: the weights of the best epoch, a recalibration, a threshold."""

import sys
from dataclasses import dataclass

from logitlab import rules
from logitlab.data.examples import Examples
from logitlab.errors import UserError
from logitlab.results.metrics import probabilities
from logitlab.thresholds import best_threshold
from logitlab.training.module import LogisticRegression
from logitlab.training.record import TrainingRecord

START_THRESHOLD = 0.5
"""Until a rule has chosen one on the val rows."""


@dataclass(frozen=True)
class ValidationSelection:
    """How to choose.

    Attributes:
        threshold: a number, or the rule of `best_threshold`.
        calibration: "temperature", "platt" or "none".
        false_positive: what it costs to call a row of class 0 a 1, for threshold=cost.
        false_negative: what it costs to call a row of class 1 a 0.
    """

    threshold: float | str
    calibration: str
    false_positive: float = 1.0
    false_negative: float = 1.0

    def __post_init__(self) -> None:
        """Raise UserError for a value that is not allowed."""
        rules.check("", threshold=self.threshold, calibration=self.calibration)
        rules.check("cost", false_positive=self.false_positive, false_negative=self.false_negative)

    @property
    def start_threshold(self) -> float:
        """The threshold of the fit itself."""
        return START_THRESHOLD if isinstance(self.threshold, str) else self.threshold

    def check(self, val: Examples | None) -> None:
        """Refuse what cannot be chosen.

        Raises:
            UserError: there are no val rows, or of one class only.
        """
        if val is not None and all(val.class_weights):
            return
        what = "there are none" if val is None else "they are all of one class"
        give = "Give the data val rows of both classes (data.val_fraction=0.2)"
        if isinstance(self.threshold, str):
            raise UserError(
                f"threshold={self.threshold} is chosen on the val rows, and {what}. {give}, or give a number, as in"
                " threshold=0.5."
            )
        if self.calibration != "none":
            raise UserError(
                f"calibration={self.calibration} is fitted on the val rows, and {what}. {give}, or type calibration=none."
            )

    def select(self, training: TrainingRecord, module: LogisticRegression, val: Examples | None) -> bool:
        """Choose, and leave the choice in the module; return whether it differs from what best.ckpt holds.

        An optimiser that has converged was asked for the optimum: its last weights stay, however the val rows liked the way
        there.
        """
        if val is None:
            return False
        if not training.converged:
            module.load_state_dict(dict(training.best), strict=False)
        if self.calibration != "none":
            _recalibrate(self.calibration, module, val)
        if isinstance(self.threshold, str):
            costs = self.false_positive, self.false_negative
            module.threshold = best_threshold(self.threshold, *probabilities(module, val), *costs)
        return bool(training.converged) or isinstance(self.threshold, str) or self.calibration != "none"


def _recalibrate(method: str, module: LogisticRegression, val: Examples) -> None:
    """Put the network's probabilities right on the val rows; where nothing finite is best, say why and leave them."""
    from logitlab.statistics.recalibration import recalibration

    network = module.network
    try:
        found = recalibration(method, network.exact_logit(val.exact), val.target, val.weight)
    except ValueError as error:
        print(f"Note: calibration={method} leaves the probabilities as they are: {error}.", file=sys.stderr)
    else:
        network.recalibration = (found.slope, found.intercept)
