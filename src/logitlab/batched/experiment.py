"""Runs that go together, from their configs to their run directories: built, fitted as one program, written one by one."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch
from hydra.utils import get_class, instantiate
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.plugins.io import CheckpointIO
from omegaconf import DictConfig, OmegaConf

from logitlab import build, logging_setup
from logitlab.batched import grouping
from logitlab.batched.batches import member_batches, side_by_side
from logitlab.batched.member import Member, Outcome
from logitlab.batched.module import BatchedLogisticRegression, Patience
from logitlab.batched.optimizers import BATCHED
from logitlab.batched.tables import Table
from logitlab.batched.writing import Group, MemberWriter
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.errors import End, Interrupted, UserError
from logitlab.monitor import Monitor
from logitlab.runs import signals
from logitlab.sweeps.run_member import reason
from logitlab.threads import enough_for
from logitlab.training.profiler import NoProfiler


def train_together(members: Sequence[Member]) -> Iterator[Outcome]:
    """Train runs that share a `group_key`; write and yield them one after another.

    Raises:
        Interrupted: a signal came; the members that were not yielded are not done.
    """
    logging_setup.quiet_libraries()
    started = time.monotonic()
    with signals.held() as pending:
        tables = _tables([member.config for member in members])
        mistakes = [_mistake(member.config, table) for member, table in zip(members, tables, strict=True)]
        places = _places(members, tables, mistakes, pending)
        share = (time.monotonic() - started) / len(members)
        for index, (member, mistake) in enumerate(zip(members, mistakes, strict=True)):
            if pending.number is not None:
                raise Interrupted(pending.number)
            if mistake is not None:
                yield Outcome(None, mistake, 0.0, mistake=True)
                continue
            begun = time.monotonic()
            writer, number = places[index]
            value, why = _written(writer, number, member)
            yield Outcome(value, why or writer.failure(number), share + time.monotonic() - begun)


def _tables(configs: Sequence[Mapping[str, Any]]) -> list[Table | UserError]:
    """Return the table of each member, or what the user has to mend before there is one."""
    built: dict[str, Table | UserError] = {}
    pl.seed_everything(configs[0]["seed"], verbose=False)
    for config in configs:
        key = json.dumps(config["data"], sort_keys=True, default=str)
        if key not in built:
            try:
                built[key] = Table(config)
            except UserError as error:
                built[key] = error
    return [built[json.dumps(config["data"], sort_keys=True, default=str)] for config in configs]


def _places(
    members: Sequence[Member],
    tables: Sequence[Table | UserError],
    mistakes: Sequence[str | None],
    pending: signals.PendingSignal,
) -> dict[int, tuple[MemberWriter, int]]:
    """Train the members; return which writer has each of them, and under what number.

    Folds whose tables have other columns, or more batches in an epoch, are programs of their own.
    """
    programs: dict[Any, list[int]] = {}
    for index, (table, mistake) in enumerate(zip(tables, mistakes, strict=True)):
        if mistake is None and isinstance(table, Table):
            programs.setdefault(table.form, []).append(index)
    places = {}
    for indices in programs.values():
        indices.sort(key=lambda index: tables.index(tables[index]))  # the members of a table stand side by side
        configs = [members[index].config for index in indices]
        writer = MemberWriter(_fitted(configs, [tables[index] for index in indices], pending))  # type: ignore[misc]
        places.update({index: (writer, number) for number, index in enumerate(indices)})
    return places


def _written(writer: MemberWriter, number: int, member: Member) -> tuple[float | None, str | None]:
    """Write a member; return its monitored metric, and why it could not be written: it fails alone, as its run alone would."""
    try:
        return writer.write(number, member), None
    except End:
        raise
    except (Exception, SystemExit) as error:
        signals.reraise()
        return None, reason(error)


def _mistake(config: Mapping[str, Any], table: Table | UserError) -> str | None:
    """Return what the run alone would be told: by torch's own optimiser of its arguments, of its table, loss or penalty."""
    node = config["optimizer"]
    try:
        get_class(node["_target_"])([torch.nn.Parameter(torch.zeros(1))], **grouping.numbers(node))
    except (TypeError, ValueError) as error:
        return f"optimizer ({node['_target_']}) cannot be built: {error}."
    if isinstance(table, UserError):
        return str(table)
    try:
        table.loss_and_penalty(config)
    except UserError as error:
        return str(error)
    return None


def _fitted(configs: Sequence[Mapping[str, Any]], tables: Sequence[Table], pending: signals.PendingSignal) -> Group:
    """Fit members; those of one table stand side by side."""
    cfg = OmegaConf.create(dict(configs[0]))
    trainer = _trainer(configs[0]["trainer"], pending)
    monitor = tables[0].monitor
    stopping = early_stopping(cfg, tables[0].datamodule, monitor)
    seeds: dict[Table, list[int]] = {}
    for config, table in zip(configs, tables, strict=True):
        seeds.setdefault(table, []).append(config["seed"])
        table.datamodule.trainer = trainer
    module = _module(configs, tables, [len(those) for those in seeds.values()], _dtype(trainer), stopping, monitor)
    batches = side_by_side([member_batches(table.datamodule.train_dataloader(), those) for table, those in seeds.items()])
    has_val = tables[0].datamodule.rows("val") is not None
    val = side_by_side([table.datamodule.val_dataloader() for table in seeds]) if has_val else None
    with enough_for(len(configs) * batches.batch_size):
        trainer.fit(module, batches, val)
    trainer.save_checkpoint("")  # to InMemory: the state of Lightning's loops, which is the same for every member
    return Group(configs, module, tables, trainer, build.build_results(cfg, is_alone=False), stopping, monitor)


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
        plugins=[InMemory()],
        profiler=NoProfiler(),
    )


def _module(
    configs: Sequence[Mapping[str, Any]],
    tables: Sequence[Table],
    sizes: Sequence[int],
    dtype: torch.dtype,
    stopping: EarlyStopping | None,
    monitor: Monitor,
) -> BatchedLogisticRegression:
    template = tables[0].template
    starts = [_start(config, tables[0].datamodule.in_features) for config in configs]
    target = configs[0]["optimizer"]["_target_"]
    losses, penalties = zip(
        *(table.loss_and_penalty(config) for config, table in zip(configs, tables, strict=True)), strict=True
    )
    l1, l2 = ([getattr(penalty, name) for penalty in penalties] for name in ("l1", "l2"))
    pos_weight = [getattr(loss, "pos_weight", None) or 1.0 for loss in losses]
    return BatchedLogisticRegression(
        weight=torch.stack([weight for weight, _ in starts]).to(dtype),
        bias=torch.stack([bias for _, bias in starts]).to(dtype),
        optimizer=partial(BATCHED[target], numbers=[grouping.numbers(config["optimizer"]) for config in configs]),
        sizes=sizes,
        returns_logits=template.network.returns_logits,
        threshold=template.threshold,
        monitor=monitor,
        l2=torch.tensor(l2, dtype=dtype) if any(penalties) else None,
        l1=torch.tensor(l1, dtype=dtype) if any(l1) else None,
        pos_weight=torch.tensor(pos_weight, dtype=dtype) if any(each != 1 for each in pos_weight) else None,
        patience=None if stopping is None else Patience(len(configs), monitor.sign, stopping.patience, stopping.min_delta),
    )


def early_stopping(cfg: DictConfig, datamodule: InMemoryDataModule, monitor: Monitor) -> EarlyStopping | None:
    """Return Lightning's callback as one run would have it."""
    node = cfg.callbacks.get("early_stopping")
    if node is None or datamodule.rows("val") is None:
        return None
    return instantiate(node, monitor=monitor, batches=datamodule.batches)


def _start(config: Mapping[str, Any], in_features: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weight and the bias with which the run alone would begin."""
    torch.default_generator.manual_seed(config["seed"])  # torch.manual_seed would see to every device as well, in 0.3 ms
    arguments = {key: value for key, value in config["model"].items() if key != "_target_"}
    network = get_class(config["model"]["_target_"])(in_features=in_features, **arguments)
    return network.weight.detach(), network.bias.detach()


def _dtype(trainer: pl.Trainer) -> torch.dtype:
    return torch.float64 if trainer.precision == "64-true" else torch.float32


class InMemory(CheckpointIO):
    """Keeps the latest checkpoint as it is.

    Attributes:
        checkpoint: what Lightning would write.
    """

    checkpoint: dict[str, Any]

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Keep it."""
        self.checkpoint = checkpoint

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Return it."""
        return self.checkpoint

    def remove_checkpoint(self, path: Any) -> None:
        """Forget it."""
        self.checkpoint = {}


class StopAtSignal(Callback):
    """Ends the fit when a signal has come."""

    def __init__(self, pending: signals.PendingSignal) -> None:
        self._pending = pending

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """Look between two batches."""
        if self._pending.number is not None:
            raise Interrupted(self._pending.number)
