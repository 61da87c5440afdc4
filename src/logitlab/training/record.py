"""What is known of a finished training: plain facts, for results, writers and reports, which know no Trainer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import Logger
from torch import Tensor

from logitlab.plots.moment import Moment
from logitlab.solvers.solver import Solver
from logitlab.training.callbacks.checkpoints import Checkpoints
from logitlab.training.callbacks.pruning import Pruning
from logitlab.training.callbacks.weights import Weights


@dataclass(frozen=True)
class SolverFacts:
    """How a solver ended: the largest absolute entry of the gradient, and the one that was asked for."""

    gradient_norm: float
    tolerance: float


@dataclass(frozen=True)
class TrainingRecord:
    """One finished training.

    Attributes:
        epochs: that were trained, those before a resume among them; `steps` of the optimiser, likewise.
        batches: in an epoch.
        seconds: that the fit took.
        why_ended: "max_epochs", "converged", "early_stopping" or "pruned".
        metrics: of the last epoch, by name.
        optimizer: its class; `settings`: the arguments of its last step, by name: "lr", "weight_decay", ...
        has_schedule: the learning rate changed by a schedule.
        solver: how a solver ended; None for other optimisers.
        converged: the training ended at an optimum; None where nobody looked.
        best_epoch: by the monitored metric; None where none was kept.
        best: the weights at its end, by name; empty where none were kept.
        is_saved: there are checkpoints.
        loggers: that results write to; they are still open.
        moments: of the weights over time, oldest first; None where none were kept.
        resumed_at: the step at which a resumed run started; 0 for a fresh one.
    """

    epochs: int
    steps: int
    batches: float
    optimizer: type[torch.optim.Optimizer]
    settings: Mapping[str, Any]
    seconds: float = 0.0
    why_ended: str = "max_epochs"
    metrics: Mapping[str, float] = field(default_factory=dict)
    has_schedule: bool = False
    solver: SolverFacts | None = None
    converged: bool | None = None
    best_epoch: int | None = None
    best: Mapping[str, Tensor] = field(default_factory=dict)
    is_saved: bool = False
    loggers: Sequence[Logger] = ()
    moments: Sequence[Moment] | None = None
    resumed_at: int = 0


def record_of(trainer: pl.Trainer, seconds: float = 0.0) -> TrainingRecord:
    """Return the record of what a Trainer has trained in so many seconds."""
    [optimizer], module = trainer.optimizers, trainer.lightning_module
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    checkpoints = next((each for each in callbacks if isinstance(each, Checkpoints)), None)
    weights = next((each for each in callbacks if isinstance(each, Weights)), None)
    is_pruned = any(isinstance(each, Pruning) and each.trials[0].pruned for each in callbacks)
    is_short = trainer.current_epoch < (trainer.max_epochs or 0)
    converged: bool | None = module.converged  # type: ignore[assignment]
    return TrainingRecord(
        epochs=trainer.current_epoch,
        steps=trainer.global_step,
        batches=trainer.num_training_batches,
        optimizer=type(optimizer),
        settings={name: value for name, value in optimizer.param_groups[0].items() if name != "params"},
        seconds=seconds,
        why_ended="pruned" if is_pruned else "converged" if converged else "early_stopping" if is_short else "max_epochs",
        metrics={name: float(value) for name, value in trainer.callback_metrics.items()},
        has_schedule=bool(trainer.lr_scheduler_configs),
        solver=SolverFacts(optimizer.gradient_norm, optimizer.tolerance) if isinstance(optimizer, Solver) else None,
        converged=converged,
        best_epoch=None if checkpoints is None or not checkpoints.best.weights else int(checkpoints.best.epoch),
        best={} if checkpoints is None else {name: each.cpu() for name, each in checkpoints.best.weights.items()},
        is_saved=any(isinstance(each, Checkpoint) for each in callbacks),
        loggers=trainer.loggers,
        moments=None if weights is None else weights.moments,
        resumed_at=0 if weights is None else weights.resumed_at,
    )
