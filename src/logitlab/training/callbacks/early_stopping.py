"""An end to training where the val rows gain nothing from it any more."""

import math
from typing import Any, Literal

import lightning.pytorch as pl
from lightning.pytorch.callbacks import EarlyStopping

from logitlab import rules
from logitlab.monitor import Monitor

PATIENCE_STEPS = 100
LEAST_PATIENCE = 25


def early_stopping(
    monitor: Monitor | None = None,
    patience: int | Literal["auto"] | None = None,
    min_delta: float = 0.0,
    batches: int = 1,
) -> EarlyStopping | None:
    """Return the callback; None where there are no val rows, or where `patience` is None.

    A loss that is no number is not its business: the run fails then, it does not end early.

    Args:
        monitor: the metric that has to improve; None: there are no val rows, or a solver goes to the optimum.
        patience: epochs in a row without improvement after which training ends. "auto": as many as take 100 steps, and 25 at
            least: an optimiser with momentum overshoots first, and of one step an epoch 25 may all lie in that transient.
        min_delta: what counts as an improvement.
        batches: steps in an epoch.
    """
    rules.check("callbacks.early_stopping", patience=patience)
    if monitor is None or patience is None:
        return None
    if patience == "auto":
        patience = max(LEAST_PATIENCE, math.ceil(PATIENCE_STEPS / batches))
    return StaysEnded(monitor=monitor.name, mode=monitor.mode, patience=patience, min_delta=min_delta, check_finite=False)


class StaysEnded(EarlyStopping):
    """Lightning's callback, which would train a run that it has ended for another epoch whenever that is resumed.

    The patience is the one that was given now: a run goes on that is resumed with more of it.
    """

    @property
    def state_key(self) -> str:
        """The key of its state in a checkpoint: Lightning's own."""
        arguments = {"monitor": self.monitor, "mode": self.mode}
        return f"{EarlyStopping.__qualname__}{arguments!r}"

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with what was waited."""
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train no further where the patience is at its end."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience
