"""Which runs can be trained as one program: the same data, shape, epochs and Trainer; other folds, seeds, starts, numbers.

What is not known to come out alike is trained alone: every key of the config either stands here or sets a run apart.
"""

import json
from collections.abc import Mapping
from typing import Any

LINEAR = {f"logitlab.networks.{name}" for name in ("Sequential", "BinaryClassifier", "Tensors", "Logits")}
"""Networks whose members may begin at weights and biases of their own."""

DATA = ("logitlab.data.datamodule.InMemoryDataModule", "logitlab.data.table.table")

OPTIMIZER_NUMBERS = {
    "torch.optim.SGD": {"lr", "momentum", "dampening", "weight_decay", "nesterov"},
    "torch.optim.Adam": {"lr", "betas", "eps", "weight_decay"},
    "torch.optim.AdamW": {"lr", "betas", "eps", "weight_decay"},
}
"""What members may differ in. Other arguments of an optimiser, unless off, keep a run out of a batch."""

PARTS = {"data", "model", "loss", "penalty", "optimizer", "trainer", "callbacks", "logger", "results"}
NUMBERS = {
    "seed", "monitor", "monitor_mode", "threshold", "cost", "experiment", "ckpt_path", "sweep", "lr_scheduler", "calibration",
    "metrics", "debug",
}  # fmt: skip
"""The top-level keys that are known here."""

TRAINER = {
    "_target_", "max_epochs", "accelerator", "devices", "precision", "enable_progress_bar", "enable_model_summary",
    "num_sanity_val_steps", "log_every_n_steps", "profiler", "compile",
}  # fmt: skip

_CALLBACKS = "logitlab.training.callbacks"
WITH_MEMBERS = {f"{_CALLBACKS}.{name}.{name}" for name in ("early_stopping", "convergence", "pruning")}
"""Callbacks that watch many members as they watch one run."""

# nobody watches a member as it trains
LEFT_OUT = {f"{_CALLBACKS}.{name}.{name}" for name in ("progress_bar", "print_epochs", "weights", "doctor")}
CHECKPOINTS = f"{_CALLBACKS}.checkpoints.Checkpoints"


def why_alone(config: Mapping[str, Any]) -> str | None:
    """Return the part of a run's config that keeps it from being trained with others; None where nothing does.

    Args:
        config: the job's part of the config, resolved, as plain values.
    """
    strangers = (config.keys() - PARTS - NUMBERS) | (PARTS - {"logger", "results"} - config.keys())
    if strangers:
        return ", ".join(sorted(strangers))
    if config.get("ckpt_path") is not None:
        return "ckpt_path"
    if config["data"].get("_target_") not in DATA:
        return "data"
    penalty = config["penalty"]
    if penalty and penalty.get("_target_") != "logitlab.penalties.ElasticNet":
        return "penalty"
    for part, reason in (("optimizer", _optimizer), ("trainer", _trainer), ("callbacks", _callbacks)):
        if (key := reason(config[part])) is not None:
            return f"{part}.{key}"
    logger = config.get("logger") or {}
    loggers = [logger] if "_target_" in logger else [each for each in logger.values() if each is not None]
    if any(each.get("_target_") != "logitlab.log.tensorboard.RunLogger" for each in loggers):
        return "logger"
    return None


def group_key(config: Mapping[str, Any]) -> str:
    """Return what the runs of one group have in common, as text.

    Args:
        config: of a run that `why_alone` has nothing to say about.
    """
    common = {key: value for key, value in config.items() if key not in ("seed", "sweep", "ckpt_path")}
    if isinstance(config["data"].get("fold"), int):  # each has rows of its own
        common["data"] = {**config["data"], "fold": "any"}
    if config["model"].get("_target_") in LINEAR:
        common["model"] = config["model"]["_target_"]
    if config["loss"].get("_target_") == "logitlab.losses.binary_cross_entropy":
        common["loss"] = {key: value for key, value in config["loss"].items() if key != "pos_weight"}
    common["penalty"] = [bool((config["penalty"] or {}).get(name)) for name in ("l1", "l2")]
    common["optimizer"] = config["optimizer"]["_target_"]
    return json.dumps(common, sort_keys=True, default=str)


def numbers(optimizer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an optimiser's config that members may differ in."""
    return {name: optimizer[name] for name in OPTIMIZER_NUMBERS[optimizer["_target_"]] if name in optimizer}


def _optimizer(node: Mapping[str, Any]) -> str | None:
    known = OPTIMIZER_NUMBERS.get(str(node.get("_target_")))
    if known is None:
        return "_target_"
    return next((key for key in node if key not in known and not key.startswith("_") and node[key]), None)


def _trainer(node: Mapping[str, Any]) -> str | None:
    if node["devices"] != 1:
        return "devices"
    if str(node["precision"]) not in ("32-true", "64-true", "32", "64"):
        return "precision"
    if node.get("compile"):
        return "compile"
    profiler = node.get("profiler")
    if profiler is not None and profiler.get("_target_") != "logitlab.training.profiler.NoProfiler":
        return "profiler"
    return next((key for key in node if key not in TRAINER and node[key] is not None), None)


def _callbacks(node: Mapping[str, Any]) -> str | None:
    targets = {name: callback.get("_target_") for name, callback in node.items() if callback is not None}
    for name, target in targets.items():
        speaks = node[name].get("every_n_epochs") or node[name].get("in_sweeps")
        if target not in WITH_MEMBERS | LEFT_OUT | {CHECKPOINTS} or (target in LEFT_OUT and speaks):
            return name
    return None if CHECKPOINTS in targets.values() else "checkpoints"
