"""The LightningModule of many logistic regressions of one shape: one Trainer, one program, a member in every row."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from logitlab.batched.loss import mean_loss
from logitlab.batched.optimizers import MemberOptimizer
from logitlab.monitor import Monitor
from logitlab.penalties import soft_threshold

DEFAULT = Monitor("train/loss")


class BatchedLogisticRegression(pl.LightningModule):
    """`members` logistic regressions, trained side by side; each ends where it would have ended alone.

    The loss that is handed to the optimiser is the sum of the members' losses: its gradient by one member's parameters is
    the gradient of that member's own loss. What a member does never reaches another, not even a NaN.

    Attributes:
        weight: (members, features).
        bias: (members,).
        curves: name -> (epochs so far, members), what `train/...` and `val/...` were.
        best_score, best_epoch, best_weight, best_bias: of each member's best epoch.
        failures: member -> why it is out.
        last_epoch: member -> the epoch that was its last, for those that stopped before the others.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        optimizer: Callable[[Iterable[nn.Parameter]], MemberOptimizer],
        returns_logits: bool = False,
        threshold: float = 0.5,
        monitor: Monitor = DEFAULT,
        pos_weight: Tensor | None = None,
        patience: "Patience | None" = None,
        l2: Tensor | None = None,
        l1: Tensor | None = None,
        sizes: Sequence[int] | None = None,
    ) -> None:
        """Take the members' starts.

        Args:
            weight: (members, features).
            bias: (members,).
            optimizer: makes the optimiser from the parameters.
            returns_logits: the loss is worked out from the logit, as model=logits does, not from the probability.
            threshold: a row is of class 1 where probability >= threshold.
            monitor: the metric that names the best epoch.
            pos_weight: how many rows of class 0 a row of class 1 counts as, (members,); None: as one.
            patience: when members stop early; None: never.
            l2: of the penalty l1 * sum |w| + l2 / 2 * sum w^2 that is added to the mean loss, (members,); None: no penalty.
            l1: the same; None: no such part.
            sizes: how many members, side by side, share each table; a batch then is a batch of each. None: there is one table.
        """
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias)
        self.make_optimizer = optimizer
        self.returns_logits = returns_logits
        self.threshold = threshold
        self.monitor = monitor
        self.pos_weight = pos_weight
        self.patience = patience
        self.l2 = l2
        self.l1 = l1
        self.sizes = list(sizes or [len(bias)])
        self._penalty_value = torch.zeros(())
        self.best_score = torch.full_like(bias, torch.inf)
        self.best_epoch = torch.zeros(len(bias), dtype=torch.int64)
        self.best_weight, self.best_bias = weight.clone(), bias.clone()
        self.failures: dict[int, str] = {}
        self.last_epoch: dict[int, int] = {}
        self.times: list[float] = []
        self.curves: dict[str, list[Tensor]] = {}
        self._means = _Means()
        self._val = _Means()

    @property
    def members(self) -> int:
        """How many there are."""
        return len(self.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return what every member's network returns, (members, batch).

        Args:
            features: (batch, features), or (members, batch, features) where each member has rows of its own.
        """
        return self._output(features, self.weight, self.bias)

    def _output(self, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if features.ndim == 2:
            logits = torch.addmm(bias[:, None], weight, features.T)
        else:
            logits = torch.baddbmm(bias[:, None, None], features, weight[:, :, None])[:, :, 0]
        return logits if self.returns_logits else torch.sigmoid(logits)

    def configure_optimizers(self) -> MemberOptimizer:
        """Make the optimiser; with an l1 penalty each of its steps ends with the weights' proximal step."""
        optimizer = self.make_optimizer([self.weight, self.bias])
        if self.l1 is not None:
            optimizer.register_step_post_hook(self._shrink)
        return optimizer

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        """Return the sum of the members' losses."""
        losses, accuracies, rows = self._update_metrics(batch)
        self._means.add(losses.detach(), accuracies, rows)
        if self.l2 is None:
            return losses.sum()
        price = self.l2.to(losses) / 2 * self.weight.square().sum(1)
        self._penalty_value = price.detach()
        if self.l1 is not None:
            self._penalty_value = self._penalty_value + self.l1.to(losses) * self.weight.detach().abs().sum(1)
        return (losses + price).sum()

    def validation_step(self, batch: Sequence[Tensor], batch_idx: int) -> None:
        """Add a batch of val rows to the epoch's means."""
        self._val.add(*self._update_metrics(batch))

    def on_validation_epoch_end(self) -> None:
        """Note `val/loss` and `val/accuracy`; they come before the train values of the same epoch."""
        self._note("val", self._val)
        self._val = _Means()

    def on_train_epoch_end(self) -> None:
        """Note the curves, keep the best weights, and take out the members that have left the numbers."""
        self.times.append(time.time())
        self._note("train", self._means)
        if self.l2 is not None:
            self.curves.setdefault("train/objective", []).append((self._means.loss + self._penalty_value).cpu())
        self._means = _Means()
        self._keep_best()
        self._fail_broken()
        if self.patience is not None:
            self._stop(self.patience.ended(self.curves[self.monitor.name][-1]))

    @torch.no_grad()
    def _shrink(self, optimizer: Any, *args: Any) -> None:
        assert self.l1 is not None
        new = soft_threshold(self.weight, optimizer.reach(self.weight) * self.l1.to(self.weight)[:, None])
        self.weight.copy_(new if optimizer.all_active else optimizer.only_active(new, self.weight))

    def _update_metrics(self, batch: Sequence[Any]) -> tuple[Tensor, Tensor, "int | Tensor"]:
        """Return every member's loss and accuracy of a batch, (members,) each, and the rows of it: a number, or (members,)."""
        if len(self.sizes) == 1:
            return *self._judge_rows(batch, self.weight, self.bias, self.pos_weight), batch[0].shape[-2]
        factors = [None] * len(batch) if self.pos_weight is None else self.pos_weight.split(self.sizes)
        parts = zip(batch, self.weight.split(self.sizes), self.bias.split(self.sizes), factors, strict=True)
        losses, accuracies = zip(*(self._judge_rows(*part) for part in parts), strict=True)
        rows = [part[0].shape[-2] for part, size in zip(batch, self.sizes, strict=True) for _ in range(size)]
        return torch.cat(losses), torch.cat(accuracies), torch.tensor(rows, device=losses[0].device)

    def _judge_rows(
        self, batch: Sequence[Tensor], weight: Tensor, bias: Tensor, pos_weight: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the loss and accuracy of members that share a table, (members,) each."""
        features, target = batch[0], batch[1][..., 0]
        row_weight = batch[2][..., 0] if len(batch) > 2 else None
        factor = row_weight
        if pos_weight is not None:
            factor = 1 + (pos_weight.to(target)[:, None] - 1) * target
            factor = factor if row_weight is None else factor * row_weight
        output = self._output(features, weight, bias)
        losses = mean_loss(output, target, self.returns_logits, factor)
        with torch.no_grad():
            probability = torch.sigmoid(output) if self.returns_logits else output
            right = ((probability >= self.threshold) == target).float()
            return losses, (right if row_weight is None else right * row_weight).mean(1)

    def _note(self, split: str, means: "_Means") -> None:
        for name, value in (("loss", means.loss), ("accuracy", means.accuracy)):
            self.curves.setdefault(f"{split}/{name}", []).append(value.cpu())

    def _keep_best(self) -> None:
        """Copy the weights of the members whose epoch was their best so far."""
        score = self.monitor.sign * self.curves[self.monitor.name][-1]
        better = (score < self.best_score) & self._active()
        if not better.any():
            return
        self.best_score = torch.where(better, score, self.best_score)
        self.best_epoch = torch.where(better, self.trainer.current_epoch, self.best_epoch)
        on_device = better.to(self.bias.device)
        self.best_weight = torch.where(on_device[:, None], self.weight.detach(), self.best_weight.to(self.weight))
        self.best_bias = torch.where(on_device, self.bias.detach(), self.best_bias.to(self.bias))

    def _fail_broken(self) -> None:
        """Note the members whose loss or weights are no numbers any more; they train on, to no effect on the others."""
        loss = self.curves["train/loss"][-1]
        sound = torch.isfinite(loss) & torch.isfinite(self.weight.detach().sum(1) + self.bias.detach()).cpu()
        if sound.all():
            return
        epoch = self.trainer.current_epoch
        for member in (~sound & self._active()).nonzero()[:, 0].tolist():
            self.failures[member] = (
                f"A weight or the loss is no finite number any more in epoch {epoch}. Most often optimizer.lr is too large:"
                " type a tenth of it."
            )
        self._stop(~sound)

    def _active(self) -> Tensor:
        """Return which members still train, (members,) of bool on the CPU."""
        optimizer: Any = self.trainer.optimizers[0]
        return optimizer.active.cpu()

    def _stop(self, members: Tensor) -> None:
        """Let members be as they are; when none is left, the training ends."""
        members = members & self._active()
        if not members.any():
            return
        for member in members.nonzero()[:, 0].tolist():
            self.last_epoch[member] = self.trainer.current_epoch
        optimizer: Any = self.trainer.optimizers[0]
        optimizer.stop(members.to(self.bias.device))
        if not optimizer.active.any():
            self.trainer.should_stop = True


class Patience:
    """Early stopping as Lightning's EarlyStopping does it, for each member.

    Attributes:
        sign: of the monitored metric: sign * value has to become less.
        best: the best value so far, (members,).
        waited: epochs since then, (members,).
    """

    def __init__(self, members: int, sign: float, patience: int, min_delta: float) -> None:
        """Take the arguments of Lightning's callback and the number of members."""
        self.patience = patience
        self.sign = sign
        self.min_delta = abs(min_delta)
        self.best = torch.full((members,), torch.inf, dtype=torch.float64)
        self.waited = torch.zeros(members, dtype=torch.int64)
        self._frozen = torch.zeros(members, dtype=torch.bool)

    def ended(self, value: Tensor) -> Tensor:
        """Take the metric's values after an epoch, (members,); return which members' patience is at its end."""
        value = self.sign * value.double()
        better = (value + self.min_delta < self.best) & ~self._frozen
        self.best = torch.where(better, value, self.best)
        self.waited = torch.where(better, 0, self.waited + (~self._frozen).long())
        ended = (self.waited >= self.patience) & ~self._frozen
        self._frozen = self._frozen | ended
        return ended


class _Means:
    """Running means over the rows of an epoch, as `EpochMeans` takes them, a number for each member."""

    def __init__(self) -> None:
        self.loss = torch.zeros(())
        self.accuracy = torch.zeros(())
        self.rows: int | Tensor | None = None

    def add(self, loss: Tensor, accuracy: Tensor, rows: int | Tensor) -> None:
        """Add a batch by its own means and its rows, of all members or of each."""
        if self.rows is None:
            self.loss, self.accuracy, self.rows = loss, accuracy, rows
            return
        self.rows = self.rows + rows
        share: Any = rows / self.rows
        self.loss = torch.lerp(self.loss, loss, share.to(loss) if isinstance(share, Tensor) else share)
        self.accuracy = torch.lerp(self.accuracy, accuracy, share.to(accuracy) if isinstance(share, Tensor) else share)
