"""Many runs of one shape as one tensor program: their parts stacked, fitted by the module and the callbacks of a single run."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from hydra.utils import get_class
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from logitlab import build, penalties
from logitlab.batched import grouping
from logitlab.batched.batches import member_batches, side_by_side
from logitlab.batched.optimizers import BATCHED, MemberOptimizer, MemberSchedules
from logitlab.batched.stacked import CannotStackError, StackedElasticNet, StackedLoss, StackedNetwork
from logitlab.batched.tables import Table
from logitlab.errors import Interrupted
from logitlab.monitor import Monitor
from logitlab.networks import Network
from logitlab.runs.checkpoint_io import AtomicCheckpointIO
from logitlab.runs.signals import PendingSignal
from logitlab.sparse import SparseFeatures
from logitlab.threads import enough_for
from logitlab.training.best import Best
from logitlab.training.callbacks.pruning import Pruning
from logitlab.training.module import LogisticRegression
from logitlab.training.profiler import NoProfiler

Configs = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Ending:
    """What there is of a member when it ends, but for its weights and what its optimiser remembers, which stay as they are.

    Attributes:
        epochs: that it trained for; `steps`, likewise.
        batches: in an epoch.
        metrics: of every member after its last epoch.
        checkpoint: Lightning's own, of the whole program at this moment.
        optimizer: the member's own, as it stands in `state_dict()["param_groups"]`.
        schedules: the states of its schedules.
    """

    epochs: int
    steps: int
    batches: float
    metrics: Mapping[str, Tensor]
    checkpoint: Mapping[str, Any]
    optimizer: list[dict[str, Any]]
    schedules: list[dict[str, Any]]


class Endings(Checkpoint):
    """Keeps the weights of each member's best epoch, and what there is of a member when it ends; ends all at a signal.

    Attributes:
        best: of the members.
        of: member -> its ending.
    """

    def __init__(self, monitor: Monitor, pending: PendingSignal) -> None:
        """Take the metric that names the best epoch, and the signal that may come."""
        self._monitor = monitor
        self._pending = pending
        self.best = Best(monitor.sign)
        self.of: dict[int, Ending] = {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Begin with no best epoch."""
        self.best = Best(self._monitor.sign, pl_module.active.shape)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Let the members be that ended with the epoch before."""
        if (pl_module.stopping & pl_module.active).any():
            pl_module.active = pl_module.active & ~pl_module.stopping
            optimizer: Any = trainer.optimizers[0]
            optimizer.train_only(pl_module.active)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        """Look between two batches whether a signal has come."""
        if self._pending.number is not None:
            raise Interrupted(self._pending.number)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Keep the best weights, and what there is of the members that end before the others."""
        weights = dict(zip(pl_module.network.names, pl_module.network.stacks, strict=True))
        self.best.update(trainer.callback_metrics[self._monitor.name], trainer.current_epoch, weights, pl_module.active)
        ended = pl_module.stopping & pl_module.active
        if ended.any() and not trainer.should_stop:
            self._keep(trainer, pl_module, ended, trainer.current_epoch + 1)

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Keep what there is of the other members."""
        self._keep(trainer, pl_module, pl_module.active, trainer.current_epoch)

    def _keep(self, trainer: pl.Trainer, module: Any, ended: Tensor, epochs: int) -> None:
        sound = torch.stack([stack.detach().flatten(1).isfinite().all(1) for stack in module.network.stacks]).all(0).cpu()
        module.fail(ended & ~sound, "A weight is no finite number any more")
        trainer.save_checkpoint("")  # into InMemory
        checkpoint = trainer.strategy.checkpoint_io.checkpoint  # type: ignore[attr-defined]
        optimizer: Any = trainer.optimizers[0]
        metrics = {name: value.cpu() for name, value in trainer.callback_metrics.items()}
        for member in ended.nonzero()[:, 0].tolist():
            self.of[member] = Ending(
                epochs=epochs,
                steps=trainer.global_step,
                batches=trainer.num_training_batches,
                metrics=metrics,
                checkpoint=checkpoint,
                optimizer=optimizer.owns[member].state_dict()["param_groups"],
                schedules=[each.scheduler.member_state(member) for each in trainer.lr_scheduler_configs],  # type: ignore[union-attr]
            )


class InMemory(AtomicCheckpointIO):
    """Keeps the latest checkpoint as it is, but for what is a member's own, and writes none.

    Attributes:
        checkpoint: what Lightning would write.
    """

    checkpoint: dict[str, Any]

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Keep it."""
        own = ("state_dict", "optimizer_states", "lr_schedulers", "callbacks", "hparams_name", "hyper_parameters")
        self.checkpoint = {key: value for key, value in checkpoint.items() if key not in own}


class CurveLogger(Logger):
    """Keeps what is logged, of all members at once.

    Attributes:
        times: when each step was logged first; `steps`: their numbers.
        curves: name -> a value of each step, (members,).
    """

    name = version = None

    def __init__(self) -> None:
        """Begin with nothing."""
        self.times: list[float] = []
        self.steps: list[int] = []
        self.curves: dict[str, list[Tensor]] = {}

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Keep the values of a step."""
        if not self.steps or self.steps[-1] != step:
            self.times.append(time.time())
            self.steps.append(step or 0)
        for name, value in metrics.items():
            self.curves.setdefault(name, []).append(value.cpu())

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Keep none: each member has its own."""


@dataclass(frozen=True)
class Program:
    """Members that were trained together.

    Attributes:
        configs: of each member, as plain values.
        tables: of each member.
        module: trained, on the CPU.
        optimizer: of all of them.
        endings: of each member, with its best epoch.
        logger: with their curves.
        callbacks: that watched them, and have a state to resume from.
    """

    configs: Configs
    tables: Sequence[Table]
    module: LogisticRegression
    optimizer: MemberOptimizer
    endings: Endings
    logger: CurveLogger
    callbacks: Sequence[Any]

    def is_pruned(self, member: int) -> bool:
        """Return whether a search has ended a member."""
        return any(isinstance(each, Pruning) and each.trials[member].pruned for each in self.callbacks)


def fit(configs: Configs, tables: Sequence[Table], pending: PendingSignal) -> Program:
    """Fit members; those of one table stand side by side.

    Raises:
        CannotStackError: their networks cannot be one program.
        Interrupted: a signal came.
    """
    cfg = OmegaConf.create(dict(configs[0]))
    monitor, first = tables[0].monitor, tables[0].datamodule
    seeds: dict[Table, list[int]] = {}
    for config, table in zip(configs, tables, strict=True):
        seeds.setdefault(table, []).append(config["seed"])
    module = _module(cfg, configs, tables, [len(those) for those in seeds.values()])
    endings, logger = Endings(monitor, pending), CurveLogger()
    callbacks = _callbacks(cfg, configs, first, monitor)
    trainer = _trainer(configs[0]["trainer"], [*callbacks, endings], logger)
    for table in seeds:
        table.datamodule.trainer = trainer
    batches = side_by_side([member_batches(table.datamodule.train_dataloader(), those) for table, those in seeds.items()])
    has_val = first.rows("val") is not None
    val = side_by_side([table.datamodule.val_dataloader() for table in seeds]) if has_val else None
    with enough_for(len(configs) * batches.batch_size):
        trainer.fit(module, batches, val)
    optimizer: Any = trainer.optimizers[0]
    return Program(configs, tables, module.cpu(), optimizer, endings, logger, callbacks)


def _trainer(node: Mapping[str, Any], callbacks: list[Callback], logger: Logger) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=node["max_epochs"],
        accelerator=node["accelerator"],
        devices=1,
        precision=node["precision"],
        logger=logger,
        enable_checkpointing=True,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        callbacks=callbacks,
        plugins=[InMemory()],
        profiler=NoProfiler(),
    )


def _callbacks(cfg: DictConfig, configs: Configs, datamodule: Any, monitor: Monitor) -> list[Any]:
    """Return the callbacks of a run that members have too: those that can return the state of one of many."""
    found: list[Any] = build.build_callbacks(cfg, "", monitor, datamodule, targets=grouping.WITH_MEMBERS)
    for each in found:
        if isinstance(each, Pruning):
            each.trials = [build.build_trial(OmegaConf.create(dict(config))) for config in configs]
    return found


def _module(cfg: DictConfig, configs: Configs, tables: Sequence[Table], sizes: Sequence[int]) -> LogisticRegression:
    if any(isinstance(table.datamodule.examples.exact, SparseFeatures) for table in tables):
        raise CannotStackError("the categories of the table are kept as codes")
    networks = [start(config, table.datamodule.in_features) for config, table in zip(configs, tables, strict=True)]
    parts = [table.loss_and_penalty(config) for config, table in zip(configs, tables, strict=True)]
    network: Any = StackedNetwork(networks, sizes)
    penalty: Any = StackedElasticNet([each for _, each in parts]) if any(each for _, each in parts) else penalties.NONE
    schedule = build.build_schedule(cfg)
    looks_at_metric = schedule is not None and issubclass(get_class(cfg.lr_scheduler.scheduler._target_), ReduceLROnPlateau)
    owns = own_optimizers(configs, len(network.stacks), are_shared=not looks_at_metric)

    def schedules(optimizer: Any) -> dict[str, Any]:
        config: dict[str, Any] = {}

        def of(own: torch.optim.Optimizer) -> Any:
            assert schedule is not None
            config.update(schedule(own))
            return config["scheduler"]

        together = MemberSchedules(optimizer, of)
        return config | {"scheduler": together, "reduce_on_plateau": looks_at_metric}

    template = tables[0].template
    return LogisticRegression(
        network=network,
        loss=StackedLoss([loss for loss, _ in parts]),
        optimizer=lambda parameters: BATCHED[type(owns[0])](parameters, owns),
        threshold=template.threshold,
        penalty=penalty,
        lr_scheduler=None if schedule is None else schedules,
        watched=template.watched,
        declared=template.declared,
        members=len(configs),
    )


def start(config: Mapping[str, Any], in_features: int) -> Network:
    """Return the network with which the run alone would begin."""
    torch.default_generator.manual_seed(config["seed"])  # torch.manual_seed would see to every device as well, in 0.3 ms
    node = config["model"]
    if node["_target_"] not in grouping.LINEAR:
        return build.build_network(OmegaConf.create({"model": node, "loss": config["loss"]}), in_features)
    arguments = {key: value for key, value in node.items() if key != "_target_"}  # Hydra's instantiate takes 1 ms
    return get_class(node["_target_"])(in_features=in_features, **arguments)


def own_optimizers(configs: Configs, parameters: int, are_shared: bool) -> list[torch.optim.Optimizer]:
    """Return torch's own optimiser of each member, of so many parameters; members of the same numbers may share one.

    Raises:
        TypeError, ValueError: torch refuses the arguments of one.
    """
    made: dict[Any, torch.optim.Optimizer] = {}
    found = []
    for place, config in enumerate(configs):
        node = config["optimizer"]
        numbers = grouping.numbers(node)
        key = repr(sorted(numbers.items())) if are_shared else place
        if key not in made:
            nothing = [torch.nn.Parameter(torch.zeros(1)) for _ in range(parameters)]
            made[key] = get_class(node["_target_"])(nothing, **numbers)
        found.append(made[key])
    return found
