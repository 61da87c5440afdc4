"""Runs that go together, from their configs to their run directories: built, fitted as one program, written one by one."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch
from hydra.utils import get_class, instantiate
from lightning.pytorch.callbacks import Callback, EarlyStopping
from omegaconf import DictConfig, OmegaConf

from logreg import experiment, noise, signals
from logreg.batched import grouping
from logreg.batched.batches import member_batches
from logreg.batched.member import Member, Outcome
from logreg.batched.module import BatchedLogisticRegression, Patience
from logreg.batched.optimizers import BATCHED
from logreg.batched.writing import Group, MemberWriter
from logreg.data.datamodule import InMemoryDataModule
from logreg.errors import Interrupted, RunError, UserError
from logreg.profiler import NoProfiler
from logreg.sweeps.run_member import reason
from logreg.threads import one_thread

UNDIVIDED = 32_768
"""Members x rows of a batch below which torch gives a thread the whole of an operation on every element (its grain size);
the matrix product, which it would divide, takes as long in two threads as in one, or ten times as long on a busy machine."""


def train_together(members: Sequence[Member]) -> Iterator[Outcome]:
    """Train runs that share a `group_key`; write and yield them one after another.

    Raises:
        Interrupted: a signal came; the members that were not yielded are not done.
    """
    noise.silence()
    started = time.monotonic()
    mistakes = [_mistake(member.config) for member in members]
    sound = [member for member, mistake in zip(members, mistakes, strict=True) if mistake is None]
    with signals.held() as pending:
        group = _fitted([member.config for member in sound], pending) if sound else None
        share = (time.monotonic() - started) / len(members)
        writer = MemberWriter(group) if group else None
        number = 0
        for member, mistake in zip(members, mistakes, strict=True):
            if pending.number is not None:
                raise Interrupted(pending.number)
            if mistake is not None or group is None or writer is None:
                yield Outcome(None, mistake, 0.0, mistake=True)
                continue
            begun = time.monotonic()
            value, why = _written(writer, number, member)
            yield Outcome(value, why or group.module.failures.get(number), share + time.monotonic() - begun)
            number += 1


def _written(writer: MemberWriter, number: int, member: Member) -> tuple[float | None, str | None]:
    """Write a member; return its monitored metric, and why it could not be written: it fails alone, as its run alone would."""
    try:
        return writer.write(number, member), None
    except (Interrupted, UserError, RunError):
        raise
    except (Exception, SystemExit) as error:
        signals.reraise()
        return None, reason(error)


def _mistake(config: Mapping[str, Any]) -> str | None:
    """Return what torch's own optimiser says against its arguments; it would say it of the run alone."""
    node = config["optimizer"]
    try:
        get_class(node["_target_"])([torch.nn.Parameter(torch.zeros(1))], **grouping.numbers(node))
    except (TypeError, ValueError) as error:
        return f"optimizer ({node['_target_']}) cannot be built: {error}."
    return None


def _fitted(configs: Sequence[Mapping[str, Any]], pending: signals.PendingSignal) -> Group:
    cfg = OmegaConf.create(dict(configs[0]))
    pl.seed_everything(cfg.seed, verbose=False)
    datamodule = experiment.build_datamodule(cfg)
    template = experiment.build_module(cfg, datamodule)
    trainer = _trainer(configs[0]["trainer"], pending)
    stopping = early_stopping(cfg, datamodule)
    automatic_l2 = experiment.automatic_l2(datamodule)
    module = _module(configs, template, datamodule.in_features, _dtype(trainer), stopping, automatic_l2)
    datamodule.trainer = trainer
    batches = member_batches(datamodule.train_dataloader(), [config["seed"] for config in configs])
    val = datamodule.val_dataloader() if datamodule.rows("val") is not None else None
    is_small = len(configs) * batches.batch_size < UNDIVIDED
    with one_thread() if is_small else nullcontext():
        trainer.fit(module, batches, val)
    results = experiment.build_results(cfg)
    return Group(configs, module, template, datamodule, trainer, results, stopping)


def _trainer(node: Mapping[str, Any], pending: signals.PendingSignal) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=node["max_epochs"],
        accelerator=node["accelerator"],
        devices=1,
        precision=node["precision"],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[StopAtSignal(pending)],
        profiler=NoProfiler(),
    )


def _module(
    configs: Sequence[Mapping[str, Any]],
    template: Any,
    in_features: int,
    dtype: torch.dtype,
    stopping: EarlyStopping | None,
    automatic_l2: float,
) -> BatchedLogisticRegression:
    starts = [_start(config, in_features) for config in configs]
    target = configs[0]["optimizer"]["_target_"]
    strengths = [(config["penalty"] or {"l2": 0.0})["l2"] for config in configs]
    penalties = [automatic_l2 if strength == "auto" else strength for strength in strengths]
    l1 = [(config["penalty"] or {}).get("l1", 0.0) for config in configs]
    weights = [config["loss"].get("pos_weight") for config in configs]
    weighted = any(weight is not None for weight in weights)
    return BatchedLogisticRegression(
        weight=torch.stack([weight for weight, _ in starts]).to(dtype),
        bias=torch.stack([bias for _, bias in starts]).to(dtype),
        optimizer=partial(BATCHED[target], numbers=[grouping.numbers(config["optimizer"]) for config in configs]),
        returns_logits=template.network.returns_logits,
        threshold=template.threshold,
        monitor=configs[0]["monitor"],
        monitor_mode=configs[0]["monitor_mode"],
        l2=torch.tensor(penalties, dtype=dtype) if template.penalty else None,
        l1=torch.tensor(l1, dtype=dtype) if any(l1) else None,
        pos_weight=torch.tensor([1.0 if weight is None else weight for weight in weights]) if weighted else None,
        patience=None
        if stopping is None
        else Patience(len(configs), stopping.monitor, stopping.mode, stopping.patience, stopping.min_delta),
    )


def early_stopping(cfg: DictConfig, datamodule: InMemoryDataModule) -> EarlyStopping | None:
    """Return Lightning's callback as one run would have it."""
    node = cfg.callbacks.get("early_stopping")
    if node is None or datamodule.rows("val") is None:
        return None
    return instantiate(node, monitor=cfg.monitor or "val/loss", mode=cfg.monitor_mode)


def _start(config: Mapping[str, Any], in_features: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weight and the bias with which the run alone would begin."""
    torch.default_generator.manual_seed(config["seed"])  # torch.manual_seed would see to every device as well, in 0.3 ms
    arguments = {key: value for key, value in config["model"].items() if key != "_target_"}
    network = get_class(config["model"]["_target_"])(in_features=in_features, **arguments)
    return network.weight.detach(), network.bias.detach()


def _dtype(trainer: pl.Trainer) -> torch.dtype:
    return torch.float64 if trainer.precision == "64-true" else torch.float32


class StopAtSignal(Callback):
    """Ends the fit when a signal has come."""

    def __init__(self, pending: signals.PendingSignal) -> None:
        self._pending = pending

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Look between two batches."""
        if self._pending.number is not None:
            raise Interrupted(self._pending.number)
