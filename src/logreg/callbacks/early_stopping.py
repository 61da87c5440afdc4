"""An end to training where the val rows gain nothing from it any more."""

from lightning.pytorch.callbacks import EarlyStopping


def early_stopping(
    monitor: str | None = None, mode: str = "min", patience: int | None = None, min_delta: float = 0.0
) -> EarlyStopping | None:
    """Return Lightning's callback; None where there are no val rows, or where `patience` is None.

    A loss that is no number is not its business: the run fails then, it does not end early.

    Args:
        monitor: the metric of the val rows that has to improve; None: there are none.
        mode: "min" or "max".
        patience: epochs in a row without improvement after which training ends.
        min_delta: what counts as an improvement.
    """
    if monitor is None or patience is None:
        return None
    return EarlyStopping(monitor=monitor, mode=mode, patience=patience, min_delta=min_delta, check_finite=False)
