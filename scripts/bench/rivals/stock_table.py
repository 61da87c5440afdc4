"""A large table as most Lightning scripts train on it: a DataLoader that shuffles, self.log, default checkpoints."""

import logging
import time
import warnings

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class LogisticRegression(pl.LightningModule):
    """Linear + Sigmoid with BCELoss and Adam."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(features, 1), nn.Sigmoid())
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
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=0.03)


def fit(x: Tensor, y: Tensor, batch_size: int, folder: str) -> float:
    """Train one epoch; return the seconds of Trainer.fit."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    pl.seed_everything(1, verbose=False)
    loader = DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=TensorBoardLogger(folder),
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    started = time.perf_counter()
    trainer.fit(LogisticRegression(x.shape[1]), loader)
    return time.perf_counter() - started
