"""What the libraries say that a user can do nothing about, kept from the console."""

import logging
import warnings

USELESS_WARNINGS = (
    ".*treespec, LeafSpec.* is deprecated",  # Lightning 2.6 with torch 2.13
    "You defined a `validation_step` but have no `val_dataloader`",  # a table may be all training rows
    "GPU available but not used",  # accelerator=cpu is a choice
    "The number of training batches .* is smaller than the logging interval",  # ours logs every epoch
)


def quiet_libraries() -> None:
    """Hide Lightning's INFO lines ("GPU available: False", tips) and the warnings above; everything else is shown.

    Profilers and callbacks are there because somebody asked for them: what they say is shown.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("lightning.pytorch.profilers", "lightning.pytorch.callbacks"):
        logging.getLogger(name).setLevel(logging.INFO)
    if logging.getLogger().hasHandlers():  # Hydra's: with Lightning's own beside it every line comes twice
        logging.getLogger("lightning").handlers.clear()
    for message in USELESS_WARNINGS:
        warnings.filterwarnings("ignore", message)
