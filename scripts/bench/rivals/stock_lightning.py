"""The same training as most Lightning scripts write it: TensorBoardLogger, the default ModelCheckpoint, a DataLoader, self.log.

python scripts/bench/rivals/stock_lightning.py FOLDER
"""

import logging
import sys
import time
import warnings

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class LogisticRegression(pl.LightningModule):
    """Linear + Sigmoid with BCELoss and SGD."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
        self.loss = nn.BCELoss()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Log loss and accuracy of the batch."""
        x, y = batch
        probability = self.network(x)
        loss = self.loss(probability, y)
        self.log("train/loss", loss)
        self.log("train/accuracy", ((probability >= 0.5) == y).float().mean())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=1.0)


def fit(folder: str) -> float:
    """Train 1,001 epochs of one batch of six rows; return the seconds of Trainer.fit."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    pl.seed_everything(1, verbose=False)
    x = torch.tensor([[1.0, 2.0], [2.0, 3.0], [3.0, 1.0], [4.0, 3.0], [5.0, 3.0], [6.0, 2.0]])
    y = torch.tensor([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]])
    loader = DataLoader(TensorDataset(x, y), batch_size=6)
    trainer = pl.Trainer(
        max_epochs=1001,
        accelerator="cpu",
        logger=TensorBoardLogger(folder),
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    started = time.perf_counter()
    trainer.fit(LogisticRegression(), loader)
    return time.perf_counter() - started


if __name__ == "__main__":
    print(f"fit {fit(sys.argv[1]):.3f} s")
