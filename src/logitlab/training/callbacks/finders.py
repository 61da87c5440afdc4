"""Lightning's finders of a learning rate and a batch size, for fresh runs: what they found is part of a run that is resumed."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch import callbacks

from logitlab.errors import UserError
from logitlab.solvers.solver import Solver


class LearningRateFinder(callbacks.LearningRateFinder):
    """Tries learning rates before the first step of a fresh run, and gives the optimiser the one it suggests."""

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Search.

        Raises:
            UserError: the optimiser has no learning rate.
        """
        if isinstance(trainer.optimizers[0], Solver):
            raise UserError("callbacks=lr_finder does not go with a solver, which has no learning rate: type optimizer=adam.")
        if trainer.ckpt_path is None:
            pl_module.lr = trainer.optimizers[0].param_groups[0]["lr"]
            super().on_fit_start(trainer, pl_module)
            found: Any = self.optimal_lr
            if found is not None and found.suggestion() is not None:
                print(f"Learning rate found: {found.suggestion():.4g} (optimizer.lr={pl_module.lr:.4g} from here on)")


class BatchSizeFinder(callbacks.BatchSizeFinder):
    """Doubles the batch size before the first step of a fresh run, while memory holds it and there are rows."""

    _found: int | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Search.

        Raises:
            UserError: a batch holds all rows already.
        """
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if data.batch_size is None:
            raise UserError(
                "callbacks=batch_size_finder has nothing to find: data.batch_size=null takes all rows in one batch. Type a"
                " number to start from, as in data.batch_size=8."
            )
        if trainer.ckpt_path is None:
            super().on_fit_start(trainer, pl_module)
            self._found = min(data.batch_size, len(data.examples))
            print(f"Batch size found: {self._found} (data.batch_size from here on)")
        data.batch_size = self._found or data.batch_size

    def state_dict(self) -> dict[str, Any]:
        """Return what was found."""
        return {"batch_size": self._found}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep what was found."""
        self._found = state_dict["batch_size"]
