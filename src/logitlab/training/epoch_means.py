"""Loss and accuracy of an epoch, from those of its batches."""

from typing import Any

import torch
from torch import Tensor


class EpochMeans:
    """Running means of loss and accuracy over the rows of an epoch, on the device: nothing waits for it until the end."""

    _nothing = torch.zeros(())

    def __init__(self, loss: Any = _nothing, accuracy: Any = _nothing, rows: int = 0) -> None:
        self.loss = torch.as_tensor(loss)
        self.accuracy = torch.as_tensor(accuracy)
        self.rows = rows

    def add(self, loss: Tensor, accuracy: Tensor, rows: int) -> None:
        """Add a batch by its own means, () each."""
        self.rows += rows
        if self.rows == rows:  # the first batch, and in full-batch training the only one
            self.loss, self.accuracy = loss, accuracy
        else:
            self.loss = torch.lerp(self.loss.to(loss), loss, rows / self.rows)
            self.accuracy = torch.lerp(self.accuracy.to(accuracy), accuracy, rows / self.rows)

    def named(self, split: str) -> dict[str, Tensor]:
        """Return the means under the names by which they are logged."""
        return {f"{split}/loss": self.loss, f"{split}/accuracy": self.accuracy}

    def plain(self) -> dict[str, Any]:
        """Return the means as plain numbers, for a checkpoint."""
        return {"loss": float(self.loss), "accuracy": float(self.accuracy), "rows": self.rows}
