"""Loss and accuracy of an epoch, from those of its batches."""

from typing import Any

import torch
from torch import Tensor


class EpochMeans:
    """Running means of loss and accuracy over the rows of an epoch, on the device: nothing waits for it until the end.

    Loss and accuracy are () for one training and (members,) for many; rows are a number, or (members,) where they differ.
    """

    _nothing = torch.zeros(())

    def __init__(self, loss: Any = _nothing, accuracy: Any = _nothing, rows: int | Tensor = 0) -> None:
        self.loss = torch.as_tensor(loss)
        self.accuracy = torch.as_tensor(accuracy)
        self.rows = rows

    def add(self, loss: Tensor, accuracy: Tensor, rows: int | Tensor) -> None:
        """Add a batch by its own means."""
        if isinstance(self.rows, int) and self.rows == 0:  # the first batch, and in full-batch training the only one
            self.loss, self.accuracy, self.rows = loss, accuracy, rows
            return
        self.rows = self.rows + rows
        share: Any = rows / self.rows
        shares = (share, share) if isinstance(rows, int) else (share.to(loss), share.to(accuracy))
        self.loss = torch.lerp(self.loss.to(loss), loss, shares[0])
        self.accuracy = torch.lerp(self.accuracy.to(accuracy), accuracy, shares[1])

    def named(self, split: str) -> dict[str, Tensor]:
        """Return the means under the names by which they are logged."""
        return {f"{split}/loss": self.loss, f"{split}/accuracy": self.accuracy}

    def plain(self) -> dict[str, Any]:
        """Return the means of one training as plain numbers, for a checkpoint."""
        return {"loss": float(self.loss), "accuracy": float(self.accuracy), "rows": self.rows}
