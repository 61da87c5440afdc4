"""What the values of the config may be: one rule for each key, for the command line and for the constructors. Without torch."""

import math
import numbers
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from logitlab.errors import UserError, did_you_mean
from logitlab.overrides import typed
from logitlab.table_formats import FORMATS


@dataclass(frozen=True)
class Number:
    """The values that a numeric key may take: an integer or any finite number, from `low` (or above it) up to `high`.

    Words in `names` are allowed besides; `reason` says why the bounds are where they are.
    """

    integer: bool = False
    low: float = -math.inf
    above: float = -math.inf
    high: float = math.inf
    optional: bool = False
    names: tuple[str, ...] = ()
    reason: str = ""

    def accepts(self, value: Any) -> bool:
        """Return whether `value` is allowed; a bool never is, a string only as one of the names."""
        if value is None:
            return self.optional
        if value in self.names:
            return True
        if isinstance(value, bool) or not isinstance(value, numbers.Integral if self.integer else numbers.Real):
            return False
        value = float(value)
        return math.isfinite(value) and self.low <= value <= self.high and value > self.above

    def __str__(self) -> str:
        words = "a whole number" if self.integer else "a number"
        if self.low > -math.inf:
            words += f" from {self.low:g} up" if self.high == math.inf else f" from {self.low:g} to {self.high:.12g}"
        if self.above > -math.inf:
            words += f" above {self.above:g}"
            words += "" if self.high == math.inf else f" and up to {self.high:.12g}"
        words += f" ({self.reason})" if self.reason else ""
        return ", ".join([*self.names, words]) + (" or null" if self.optional else "")


@dataclass(frozen=True)
class OneOf:
    """The names that a key may take."""

    names: tuple[str, ...]

    def accepts(self, value: Any) -> bool:
        """Return whether `value` is one of the names."""
        return value in self.names

    def __str__(self) -> str:
        return " | ".join(self.names)


@dataclass(frozen=True)
class Texts:
    """A list of texts, or null; only one text where `single` is set, or that too where `either` is."""

    single: bool = False
    either: bool = False
    names: tuple[str, ...] = ()

    def accepts(self, value: Any) -> bool:
        """Return whether `value` is of that form; a number that stands for a name is none."""
        if isinstance(value, list) and not self.single:
            return all(isinstance(each, str) for each in value)
        return isinstance(value, str) and (self.single or self.either)

    def __str__(self) -> str:
        words = "a text" if self.single else "a list of texts in brackets, as in [a,b]"
        return f"{words} (a number in quotes, as in '2021', is one)"


COUNT = Number(integer=True, low=1)
FRACTION = Number(low=0, high=1)
NOT_NEGATIVE = Number(low=0)
LARGEST_FLOAT32 = 3.4e38

FLAG = OneOf(("true", "false"))

RULES: dict[str, Number | OneOf | Texts] = {
    "seed": Number(integer=True, low=0, high=2**32 - 1),
    "monitor_mode": OneOf(("min", "max")),
    "threshold": Number(low=0, high=1, names=("f1", "balanced", "cost")),
    "calibration": OneOf(("none", "temperature", "platt")),
    "cost.false_positive": Number(low=0),
    "cost.false_negative": Number(low=0),
    "trainer.max_epochs": COUNT,
    "trainer.log_every_n_steps": COUNT,
    "trainer.compile": FLAG,
    "trainer.accumulate_grad_batches": COUNT,
    "trainer.accelerator": OneOf(("cpu", "gpu", "auto", "cuda", "mps", "tpu")),
    "trainer.precision": OneOf(
        ("32-true", "64-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "32", "64", "16", "bf16")
    ),
    "optimizer.lr": Number(above=0, high=LARGEST_FLOAT32, reason="a weight in float32 holds no more"),
    "optimizer.momentum": Number(low=0, high=1),
    "optimizer.weight_decay": Number(low=0),
    "optimizer.tolerance": Number(above=0),
    "optimizer.dtype": OneOf(("float32", "float64")),
    "optimizer.history_size": COUNT,
    "penalty.l1": Number(low=0),
    "penalty.l2": Number(low=0, names=("auto",)),
    "penalty.l1_ratio": Number(above=0, high=1),
    "penalty.count": Number(integer=True, low=2),
    "lr_scheduler.interval": OneOf(("epoch", "step")),
    "lr_scheduler.frequency": COUNT,
    "data.scale": OneOf(("none", "standard")),
    "loss.pos_weight": Number(
        above=0, high=1e30, optional=True, names=("balanced",), reason="the loss must stay within float32"
    ),
    **{
        f"data.{key}": Texts(single=True)
        for key in ("target", "weight", "cluster", "split_by", "separator", "encoding", "sheet", "query")
    },
    **{f"data.{key}": Texts() for key in ("features", "drop", "categorical", "null_values")},
    "keep": Texts(either=True),
    "to": OneOf(("onnx", "sql")),
    "dialect": OneOf(("standard", "sqlite")),
    "host": Texts(single=True),
    "port": Number(integer=True, low=1, high=65535),
    "workers": COUNT,
    "batch": COUNT,
    "contributions": FLAG,
    "data.decimal_comma": FLAG,
    "data.shuffle": FLAG,
    "spreadsheet_safe": FLAG,
    "results.coefficients.spreadsheet_safe": FLAG,
    **{
        f"{part}.in_sweeps": FLAG
        for part in ("callbacks.weights", "results.certificate", "results.dashboard", "results.importance")
    },
    "data.batch_size": Number(integer=True, low=1, optional=True),
    "data.weight_kind": OneOf(("counts", "sampling")),
    "data.missing_target": OneOf(("refuse", "drop")),
    "data.missing": OneOf(("refuse", "mean", "drop")),
    "data.split": OneOf(("fractions", "group", "time", "column", "files", "none")),
    "data.val_fraction": Number(low=0, high=0.95),
    "data.test_fraction": Number(low=0, high=0.95),
    "data.split_seed": Number(integer=True, low=0),
    "data.folds": Number(integer=True, low=2, optional=True),
    "data.format": OneOf(tuple(FORMATS)),
    "data.fold": Number(integer=True, low=0, optional=True, names=("all",)),
    "data.max_categories": COUNT,
    "data.min_count": COUNT,
    "data.hash": Number(integer=True, low=2, high=2**31, optional=True),
    "data.max_columns": COUNT,
    "selection.penalty": OneOf(("l1", "l2")),
    "selection.choose": OneOf(("min", "1se")),
    "selection.count": Number(integer=True, low=2),
    "model.bias": Number(optional=True),
    "row": Number(integer=True, low=1, optional=True),
    "against": OneOf(("average", "zero")),
    "results.importance.repeats": COUNT,
    "results.importance.of_linear": FLAG,
    "results.calibration.bins": Number(integer=True, low=2),
    "results.coefficients.errors": OneOf(("classical", "hc0", "hc1", "cluster")),
    "results.coefficients.interval": OneOf(("wald", "profile")),
    "results.coefficients.level": Number(above=0, high=0.999999),
    "callbacks.early_stopping.patience": Number(integer=True, low=1, optional=True, names=("auto",)),
    "callbacks.convergence.tolerance": Number(above=0, optional=True),
    "sweep.trial": Number(integer=True, low=0, optional=True),
    "callbacks.pruning.every": COUNT,
    "callbacks.checkpoints.every_n_seconds": Number(low=0),
    "callbacks.weights.most_features": Number(integer=True, low=0),
    "callbacks.weights.growth": Number(above=1),
    "callbacks.print_epochs.every_n_epochs": Number(integer=True, low=0),
}
"""key -> what it may be. Keys that a config does not have are passed over."""


def check(part: str, **values: Any) -> None:
    """Raise UserError for the first of an object's arguments that the rule of its key does not allow.

    Args:
        part: of the config that describes the object, as in "penalty" or "results.coefficients".
        values: the arguments by name; those without a rule are passed over.
    """
    for name, value in values.items():
        key = f"{part}.{name}" if part else name
        if key in RULES:
            check_value(key, value, RULES[key])


def check_value(key: str, value: Any, rule: Number | OneOf | Texts) -> None:
    """Raise UserError where `value`, of the key `key`, is not what the rule allows."""
    if value is None and not isinstance(rule, Number):
        return
    value = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    if isinstance(rule, OneOf) and not isinstance(value, str):
        value = typed(value)
    if not rule.accepts(value):
        hint = did_you_mean(typed(value), rule.names)
        raise UserError(f"{key}={typed(value)} is not allowed: {key} takes {rule}.{hint}")
