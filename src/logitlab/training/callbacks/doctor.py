"""Looks for what ruins a logistic regression without a word, and says in one paragraph why and what to type."""

import sys
import textwrap
from collections.abc import Iterator

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.examples import Examples
from logitlab.data.scaling import is_indicator
from logitlab.metrics import log_loss
from logitlab.solvers.solver import Solver
from logitlab.sparse import SparseFeatures
from logitlab.training.module import LogisticRegression

FIRST_LOOK = 8
MOST_ROWS = 4_096
FAR_FROM_ZERO = 5.0
"""A column whose mean is so many deviations from 0 pulls against the bias: the descent crawls along a narrow valley."""
MOST_RATIO = 30.0
"""Between the sizes of two columns: the step that suits the large one is that much too small for the small one, squared."""
GROWN = 2.0
LEARNT = 0.01
"""Part of the base rate's loss by which a model must be better to have learnt anything from its features."""


def doctor(wanted: bool = True) -> "Doctor | None":
    """Return the callback, or None where it is not wanted."""
    return Doctor() if wanted else None


class Doctor(Callback):
    """Looks at the model and some training rows after the epochs 8, 16, 32, ... and at the end: eight looks at 1,001 epochs.

    Each finding is printed once, on standard error, and training continues. A loss or a weight that is no number is not its
    business: for that the run stops.
    """

    def __init__(self) -> None:
        self._next = FIRST_LOOK
        self._told: set[str] = set()
        self._sample: Sample | None = None
        self._lowest = float("inf")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Choose the rows to look at, and see what the loss is before a first step."""
        datamodule = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(datamodule, InMemoryDataModule):
            assert isinstance(pl_module, LogisticRegression)
            self._sample = Sample(datamodule.examples, getattr(pl_module.loss, "pos_weight", None) or 1.0)
            self._lowest = self._sample.loss(self._sample.probability(pl_module))
        while self._next <= trainer.current_epoch:  # a resumed run
            self._next *= 2

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look, if it is time."""
        if trainer.current_epoch + 1 >= self._next:
            self._next *= 2
            self._look(trainer, pl_module, at_end=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look once more, and ask whether anything was learnt."""
        self._look(trainer, pl_module, at_end=True)

    def _look(self, trainer: pl.Trainer, pl_module: pl.LightningModule, at_end: bool) -> None:
        if self._sample is None or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, LogisticRegression)
        probability = self._sample.probability(pl_module)
        loss = self._sample.loss(probability)
        optimizer = trainer.optimizers[0]
        lr = None if isinstance(optimizer, Solver) else optimizer.param_groups[0].get("lr")
        dies = not pl_module.network.returns_logits
        for name, words in findings(self._sample, probability, self._lowest, lr, dies, at_end):
            if name not in self._told:
                self._told.add(name)
                if self._sample.unscaled:  # each finding names it as its cause
                    self._told.add("unscaled")
                print(textwrap.fill(f"Doctor: {words}", 110, break_long_words=False, break_on_hyphens=False), file=sys.stderr)
        self._lowest = min(self._lowest, loss)


class Sample:
    """At most MOST_ROWS training rows, evenly over all of them, as the network sees them.

    Attributes:
        weight: how much each row counts in training: its own weight, times the loss's `pos_weight` in class 1.
        base_loss: the log loss of giving every row the share of class 1, counted so.
        unscaled: why the columns are hard on a descent, or None.
    """

    def __init__(self, examples: Examples, pos_weight: float = 1.0) -> None:
        """Take the rows, and how many rows of class 0 a row of class 1 counts as."""
        step = -(-len(examples) // MOST_ROWS)
        rows, names = examples.exact[::step], examples.feature_names
        self.features, self.target = rows.to(torch.float64), examples.target[::step, 0].double()
        self.weight = torch.ones_like(self.target) if examples.weight is None else examples.weight[::step, 0].double()
        self.weight = self.weight * (1 + (pos_weight - 1) * self.target)
        share = (self.weight * self.target).sum() / self.weight.sum()
        self.base_loss = self.loss(share.expand_as(self.target))
        if isinstance(rows, SparseFeatures):  # the others are never scaled
            names = tuple(names[place] for place in rows.places.tolist())
            rows = rows.numbers
        self.unscaled = _unscaled(rows.double(), names)

    @torch.no_grad()
    def probability(self, module: pl.LightningModule) -> Tensor:
        """Return the probabilities as the network works them out in its own precision, (rows,)."""
        assert isinstance(module, LogisticRegression)
        return module(module.network.as_input(self.features))[:, 0].cpu()

    def loss(self, probability: Tensor) -> float:
        """Return the log loss, of rows that count as in training."""
        return log_loss(probability.double(), self.target, self.weight)

    @property
    def base(self) -> str:
        """What the base loss is the loss of, in words."""
        weighted = " (rows counted as in training)" if len(self.weight.unique()) > 1 else ""
        return f"the {self.base_loss:.4f} of giving every row the share of class 1{weighted}"


def findings(
    sample: Sample, probability: Tensor, lowest: float, lr: float | None, dies: bool, at_end: bool
) -> Iterator[tuple[str, str]]:
    """Yield the name of each finding and what to say of it.

    Args:
        sample: the rows.
        probability: what the model makes of them.
        lowest: the lowest loss at an earlier look, or before the first step.
        lr: the learning rate of a step-by-step descent; None for a solver that chooses its own steps.
        dies: the model ends in a sigmoid, whose gradient is 0 where it is exactly 0 or 1.
        at_end: training has ended.
    """
    loss = sample.loss(probability)
    advice = _advice(sample, lr)
    stuck = ((probability == 0) & (sample.target == 1)) | ((probability == 1) & (sample.target == 0))
    if dies and stuck.any():
        yield (
            "saturated",
            f"for {int(stuck.sum()):,} of {len(probability):,} rows the sigmoid is exactly 0 or 1 and wrong. There its"
            " gradient is exactly 0, each such row adds 100 to the loss, and no further step will change that."
            f"{advice} With model=logits the gradient never dies.",
        )
    elif loss > GROWN * lowest and loss > sample.base_loss:
        yield "growing", f"the loss has grown from {lowest:.4g} to {loss:.4g}: the steps are too large.{advice}"
    elif at_end and loss > (1 - LEARNT) * sample.base_loss:
        yield (
            "nothing learnt",
            f"the loss of {loss:.4f} is no better than {sample.base}: nothing was learnt from the features."
            f" {_why_not(sample, lr)}",
        )
    elif sample.unscaled and lr is not None:
        yield "unscaled", f"{sample.unscaled}. Gradient descent needs many more epochs for that.{_scale()}"


def _advice(sample: Sample, lr: float | None) -> str:
    if sample.unscaled:
        return f" The cause is most likely that {sample.unscaled}.{_scale()}"
    return "" if lr is None else f" Type optimizer.lr={lr / 10:g}."


def _why_not(sample: Sample, lr: float | None) -> str:
    if sample.unscaled:
        return f"The cause may be that {sample.unscaled}.{_scale()}"
    if lr is None:
        return "They say nothing about the target, at least not each by itself in a straight line."
    return (
        "Either they say nothing about the target, or the descent has not got anywhere yet: type trainer.max_epochs with ten"
        f" times as many epochs, or optimizer.lr={lr * 10:g}."
    )


def _scale() -> str:
    return " Type data.scale=standard."


def _unscaled(x: Tensor, names: tuple[str, ...]) -> str | None:
    """Return what is hard on a descent about the columns of `x` (rows, features), or None; constant columns do not count.

    Indicators are never scaled: however few their ones are, they count as a column of deviation 1/2 around 0.
    """
    if not x.shape[1]:
        return None
    deviation, mean = x.std(dim=0, correction=0), x.mean(dim=0)
    varies = (deviation > 0).nonzero()[:, 0]
    if not len(varies):
        return None
    deviation, mean, indicator = deviation[varies], mean[varies], is_indicator(x)[varies]
    off = torch.where(indicator, 0.0, mean.abs() / deviation).argmax()
    size = torch.where(indicator, 0.5, deviation)
    largest, smallest = size.argmax(), size.argmin()
    if size[largest] > MOST_RATIO * size[smallest]:
        ratio = float(deviation[largest] / deviation[smallest])
        return f"'{names[varies[largest]]}' varies {ratio:,.0f} times as much as '{names[varies[smallest]]}'"
    if not indicator[off] and mean[off].abs() > FAR_FROM_ZERO * deviation[off]:
        around, by = float(mean[off]), float(deviation[off])
        return f"'{names[varies[off]]}' lies around {around:,.4g}, far from 0, and varies by {by:,.3g} only"
    return None
