"""A schedule of the learning rate, in Lightning's words."""

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer


def lr_scheduler_config(
    optimizer: Optimizer,
    scheduler: Callable[[Optimizer], Any],
    interval: str = "epoch",
    frequency: int = 1,
    monitor: str = "train/loss",
) -> dict[str, Any]:
    """Return what `configure_optimizers` hands to Lightning as "lr_scheduler".

    Args:
        optimizer: whose learning rate is scheduled.
        scheduler: makes one of torch.optim.lr_scheduler.
        interval: "epoch" or "step".
        frequency: of the scheduler's steps, in intervals.
        monitor: the metric that ReduceLROnPlateau looks at.
    """
    return {"scheduler": scheduler(optimizer), "interval": interval, "frequency": frequency, "monitor": monitor}
