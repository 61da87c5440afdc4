"""Which metric a run is ranked by, and which way it is better: decided once, before the fit.

Checkpoints, early stopping, pruning, the best epoch, sweeps, searches and reports all ask the object that is made here. It
needs no torch, so a name that no run has is answered before torch is imported.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from logitlab.errors import UserError, did_you_mean

LARGER_IS_BETTER = (
    *("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auroc", "average_precision"),
    *("true_positives", "true_negatives"),
)
SMALLER_IS_BETTER = ("loss", "log_loss", "brier", "calibration_error", "false_positives", "false_negatives", "objective")
OF_TRAIN = ("loss", "accuracy", "objective")
"""What is known of the training rows after every epoch; `objective` where there is a penalty."""

TAKEN = (*LARGER_IS_BETTER, *SMALLER_IS_BETTER, "base_log_loss", "base_accuracy", "base_rate", "threshold", "rows")
"""Names that a metric of the config cannot have."""

NEEDS_BOTH_CLASSES = ("auroc", "average_precision", "balanced_accuracy", "precision", "recall", "f1")

NAMES = (
    *(f"train/{name}" for name in OF_TRAIN),
    *(f"val/{name}" for name in (*LARGER_IS_BETTER, *SMALLER_IS_BETTER) if name != "objective"),
)
"""Every metric that some run has after each of its epochs, or, of val rows, after each validation."""

DECLARABLE = "torchmetrics.classification"
"""Where a metric is looked for that the config declares by the name of its class alone."""


def declared(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what a config describes of metrics besides the usual ones: name -> a mapping with a `_target_`."""
    nodes = {str(name): node for name, node in (config.get("metrics") or {}).items() if node is not None}
    return {
        name: {"_target_": node if "." in node else f"{DECLARABLE}.{node}"} if isinstance(node, str) else node
        for name, node in nodes.items()
    }


class Monitor:
    """The metric by which epochs, and the runs of a sweep, are compared.

    No dataclass: Hydra's instantiate would hand a callback a config in its place.

    Attributes:
        name: as it is logged: "val/loss".
        mode: "min" or "max".
    """

    def __init__(self, name: str, mode: str = "min") -> None:
        """Take the name and "min" or "max"."""
        self.name = name
        self.mode = mode

    @property
    def is_val(self) -> bool:
        """Whether it is a metric of the val rows: known after a validation, which not every epoch has."""
        return self.name.startswith("val/")

    @property
    def sign(self) -> float:
        """1 where less is better, -1 where more is: sign * value is what is made small."""
        return 1.0 if self.mode == "min" else -1.0

    def value(self, metrics: Mapping[str, Any]) -> float | None:
        """Return the metric among others; None where it is not there, or no finite number."""
        found = metrics.get(self.name)
        value = math.nan if found is None else float(found)
        return value if math.isfinite(value) else None

    def is_better(self, value: float, best: float | None) -> bool:
        """Return whether a finite value is better than the best so far; None: there is none yet."""
        return best is None or self.sign * value < self.sign * best

    def rank(self, value: float | None) -> tuple[bool, float]:
        """Return a key that sorts the best value first, and what is missing or no finite number last."""
        return (True, 0.0) if value is None or not math.isfinite(value) else (False, self.sign * value)


def check(
    name: str | None,
    mode: str = "min",
    key: str = "monitor",
    mode_key: str = "monitor_mode",
    declared: Mapping[str, bool | None] | None = None,
) -> None:
    """Raise UserError for a metric that no run has after its epochs, and for one that is better the other way.

    Args:
        name: of the metric; None: val/loss, or train/loss.
        mode: "min" or "max".
        key: under which `name` was typed; `mode_key`: under which `mode` was.
        declared: metrics of the config, by name: whether more is better, None where that is not known.
    """
    own = {f"val/{each}": is_more for each, is_more in (declared or {}).items()}
    names = (*NAMES, *own)
    if name is not None and name not in names:
        raise UserError(
            f"{key}={name} is no metric that is known after an epoch.{did_you_mean(str(name), names)} There are:"
            f" {', '.join(names)}. train/objective needs a penalty, val/... needs val rows."
        )
    if own.get(name or "", True) is None:
        return
    is_more = own[name] if name in own else (name or "loss").partition("/")[2] in LARGER_IS_BETTER
    best = "max" if is_more else "min"
    if mode != best:
        what = f"{key}={name}" if name else "The loss, which is what is monitored,"
        raise UserError(
            f"{what} is better the {'larger' if best == 'max' else 'smaller'} it is, and {mode_key}={mode} would keep the worst"
            f" epoch: type {mode_key}={best}."
        )


def check_config(config: Mapping[str, Any]) -> None:
    """Raise UserError for the first metric in a config that is misspelt, or better the other way.

    Args:
        config: as plain values.
    """
    unknown = dict.fromkeys(declared(config))
    for name, mode, keys in _monitored(config):
        check(name, mode, *keys, unknown)


def resolve(
    config: Mapping[str, Any],
    has_val: bool,
    val_has_both_classes: bool = True,
    has_penalty: bool = False,
    declared: Mapping[str, bool | None] | None = None,
) -> Monitor:
    """Return what a run is ranked by.

    Args:
        config: as plain values.
        has_val: whether there are val rows.
        val_has_both_classes: whether they are of both classes.
        has_penalty: whether there is a penalty, and so `train/objective`.
        declared: metrics of the config, by name: whether more is better, None where that is not known.

    Raises:
        UserError: a metric that the config names is none of this run.
    """
    for name, mode, keys in _monitored(config):
        check(name, mode, *keys, declared)
        if name is None:
            continue
        part, _, metric = name.partition("/")
        why = None
        if part == "val" and not has_val:
            why = "is of the val rows, and there are none. Give the data some (data.folds=3 data.fold=0, or of a table"
            why += " data.val_fraction=0.2)"
        elif part == "val" and metric in NEEDS_BOTH_CLASSES and not val_has_both_classes:
            why = "is undefined on the val rows: they are all of one class. Give them rows of both"
        elif metric == "objective" and not has_penalty:
            why = "is the loss with its penalty, and this run has no penalty. Give it one (penalty.l2=0.01)"
        if why:
            raise UserError(f"{keys[0]}={name} {why}, or type {keys[0]}=train/loss.")
    return _given_or_default(config, has_val)


def monitor_of_sweep(config: Mapping[str, Any], metrics: Collection[str]) -> Monitor:
    """Return what the finished runs of a sweep are compared by.

    Args:
        config: of the sweep, as plain values, from wherever; what it should say may be missing.
        metrics: the names that the runs have.
    """
    own = declared(config) if isinstance(config.get("metrics"), Mapping) else {}
    given = {"monitor": (*NAMES, *(f"val/{name}" for name in own)), "monitor_mode": ("min", "max")}
    known = {key: value for key, names in given.items() if (value := config.get(key)) in names}
    return _given_or_default(known, "val/loss" in metrics)


def _given_or_default(config: Mapping[str, Any], has_val: bool) -> Monitor:
    return Monitor(config.get("monitor") or ("val/loss" if has_val else "train/loss"), config.get("monitor_mode") or "min")


def _monitored(config: Mapping[str, Any]) -> Iterator[tuple[str | None, str, tuple[str, str]]]:
    """Yield each metric that a config names, its mode, and the keys of both: the run's own, a schedule's, a callback's."""
    if "monitor" in config:
        yield config["monitor"], config.get("monitor_mode") or "min", ("monitor", "monitor_mode")
    schedule = config.get("lr_scheduler") or {}
    if schedule.get("monitor"):
        mode = (schedule.get("scheduler") or {}).get("mode", "min")
        yield schedule["monitor"], mode, ("lr_scheduler.monitor", "lr_scheduler.scheduler.mode")
    for name, node in (config.get("callbacks") or {}).items():
        if isinstance(node, Mapping) and node.get("monitor"):
            key = f"callbacks.{name}"
            yield node["monitor"], node.get("mode", "min"), (f"{key}.monitor", f"{key}.mode")
