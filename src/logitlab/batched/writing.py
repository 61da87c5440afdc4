"""The run directories of a group: each as if its run had been made alone, at two milliseconds apiece.

Nothing is synced to the disk here: a member costs less to train again than an fsync of its checkpoint. Whoever notes the
members as finished syncs once before.
"""

import functools
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from hydra.utils import get_class
from lightning.pytorch.callbacks.early_stopping import EarlyStopping, EarlyStoppingReason
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from logitlab import experiment
from logitlab.batched import grouping
from logitlab.batched.member import Member
from logitlab.batched.module import BatchedLogisticRegression, Patience
from logitlab.batched.optimizers import MemberOptimizer
from logitlab.batched.tables import Table
from logitlab.log import event_files, tensorboard, thinning
from logitlab.log.event_writer import next_name
from logitlab.monitor import Monitor
from logitlab.results.metrics import probabilities
from logitlab.results.result import Fit, Result
from logitlab.runs import files
from logitlab.runs.checkpoint_file import sealed
from logitlab.runs.run_directory import RunDirectory
from logitlab.threads import enough_for
from logitlab.thresholds import best_threshold
from logitlab.training.callbacks.checkpoints import Checkpoints
from logitlab.training.record import TrainingRecord

TOTALS = ("total", "epoch_progress", "_batches_that_stepped", "epoch", "global_step")
"""Counters in a checkpoint that grow from epoch to epoch by the same amount; the others begin anew in each."""


@dataclass
class Group:
    """A fitted group.

    Attributes:
        configs: of each member.
        module: the members' program, trained.
        tables: the table of each.
        trainer: of the program.
        results: what is made of each member.
        stopping: the callback of early stopping that each would have, or None.
        monitor: the metric that they are judged by.
    """

    configs: Sequence[Mapping[str, Any]]
    module: BatchedLogisticRegression
    tables: Sequence[Table]
    trainer: pl.Trainer
    results: Sequence[Result]
    stopping: EarlyStopping | None
    monitor: Monitor


class MemberWriter:
    """Writes the members of a group."""

    def __init__(self, group: Group) -> None:
        module = group.module.cpu()
        self._group = group
        self._optimizer: MemberOptimizer = group.trainer.optimizers[0]  # type: ignore[assignment]
        self._curves = {name: torch.stack(values, dim=1).numpy() for name, values in module.curves.items()}  # (members, epochs)
        epochs = len(module.times)
        self._steps = [group.trainer.global_step // epochs * (epoch + 1) - 1 for epoch in range(epochs)]
        self._curve = functools.lru_cache(maxsize=16)(
            lambda epochs, tags: event_files.Curve(module.times[:epochs], self._steps[:epochs], tags)
        )
        for table in dict.fromkeys(group.tables):
            table.template.to(module.weight.dtype)
            assert [parameter.numel() for parameter in table.parameters] == [module.weight.shape[1], 1]
        self._threshold = group.tables[0].template.threshold
        self._saved = group.trainer.strategy.checkpoint_io.checkpoint  # type: ignore[attr-defined]
        self._logged = any((group.configs[0].get("logger") or {}).values())

    def write(self, number: int, member: Member) -> float | None:
        """Write a member's run directory, all but its status; return the monitored metric, None for one that failed."""
        run = RunDirectory(member.directory)
        table, config = self._group.tables[number], self._group.configs[number]
        table.use_loss_and_penalty(config)
        with run.locked(), enough_for(table.datamodule.examples.exact.numel()):
            member.write_config()
            run.write_text("environment.json", table.environment)
            for name, text in table.files.items():
                run.write_text(name, text)
            logger = tensorboard.RunLogger(run.path) if self._logged else None
            if logger is not None:
                logger.resume_from(self._steps[self._epochs(number) - 1] + 1)
                self._write_events(number, run, member)
            if self.failure(number) is not None:
                return None
            return self._write_outcome(number, run, logger)

    def failure(self, number: int) -> str | None:
        """Return why a member failed, if it did."""
        return self._group.module.failures.get(number)

    def _epochs(self, number: int) -> int:
        """Return how many epochs a member trained for."""
        module = self._group.module
        return module.last_epoch.get(number, len(module.times) - 1) + 1

    def _write_events(self, number: int, run: RunDirectory, member: Member) -> None:
        """Write the curve, HPARAMS and the config as the run's logger would have."""
        module, epochs = self._group.module, self._epochs(number)
        times, steps = module.times[:epochs], self._steps[:epochs]
        values = {name: curve[number, :epochs] for name, curve in self._curves.items()}
        values["train/learning_rate"] = np.full(epochs, member.config["optimizer"]["lr"], np.float32)
        if steps[-1] >= thinning.WHOLE:
            times, steps, values = _thinned(times, steps, values)
            curve = event_files.curve(times, steps, values)
        else:
            curve = self._curve(epochs, tuple(values)).records(values)
        summaries = tensorboard.opening(tensorboard.hparams_of(self._hparams(number)["config"], member.choices), run.path)
        summaries.append(tensorboard.config_text(member.config_text()))
        opening = [Event(wall_time=times[0], file_version="brain.Event:2")]
        opening += [Event(wall_time=times[0], session_log=SessionLog(status=SessionLog.START))]
        opening += [Event(wall_time=times[0], summary=summary) for summary in summaries]
        closing = [Event(wall_time=times[-1], summary=tensorboard.session_end(number not in module.failures))]
        content = (
            event_files.records([event.SerializeToString() for event in opening]),
            curve,
            event_files.records([event.SerializeToString() for event in closing]),
        )
        files.write(run.path / next_name(run.path, times[0]), b"".join(content))

    def _write_outcome(self, number: int, run: RunDirectory, logger: tensorboard.RunLogger | None) -> float | None:
        """Write checkpoints, results and metrics.json; return the monitored metric."""
        module, config, has_val = self._group.module, self._group.configs[number], "val/loss" in self._curves
        best = self._named(number, module.best_weight[number], module.best_bias[number])
        last = self._named(number, module.weight.detach()[number], module.bias.detach()[number])
        table = self._group.tables[number]
        template = table.template
        template.threshold = self._threshold
        self._write_checkpoint(number, run.checkpoints / "last.ckpt", last, best)
        template.load_state_dict(best if has_val else last)
        if has_val and isinstance(config["threshold"], str):
            template.threshold = self._chosen_threshold(table, config)
        self._write_checkpoint(number, run.checkpoints / "best.ckpt", best)
        metrics = {name: float(curve[number, self._epochs(number) - 1]) for name, curve in self._curves.items()}
        epochs = self._epochs(number)
        own = self._own_optimizer(number)
        training = TrainingRecord(
            epochs=epochs,
            steps=self._steps[epochs - 1] + 1,
            batches=int(self._group.trainer.num_training_batches),
            optimizer=type(own),
            settings={name: value for name, value in own.param_groups[0].items() if name != "params"},
            metrics=metrics,
            best_epoch=int(module.best_epoch[number]),
            best=best,
            is_saved=True,
            loggers=[logger] if logger else [],
        )
        fit = Fit(run, training, template, table.datamodule, dict(metrics), self._group.monitor)
        experiment.apply_results(self._group.results, fit)
        if logger is not None and logger._experiment is not None:
            logger.experiment.close()
        return fit.monitor.value(fit.metrics)

    def _own_optimizer(self, number: int) -> torch.optim.Optimizer:
        node = self._group.configs[number]["optimizer"]
        return get_class(node["_target_"])(self._group.tables[number].parameters, **grouping.numbers(node))

    def _chosen_threshold(self, table: Table, config: Mapping[str, Any]) -> float:
        val, cost = table.datamodule.rows("val"), config["cost"]
        assert val is not None
        found = probabilities(table.template, val)
        return best_threshold(config["threshold"], *found, cost["false_positive"], cost["false_negative"])

    def _write_checkpoint(
        self, number: int, path: Path, weights: Mapping[str, torch.Tensor], best: Mapping[str, torch.Tensor] | None = None
    ) -> None:
        """Write best.ckpt, or, where `best` is given, last.ckpt, from which the run can go on."""
        module = self._group.module
        own = ("state_dict", "optimizer_states", "lr_schedulers", "callbacks", "hparams_name", "hyper_parameters")
        checkpoint = {key: value for key, value in self._saved.items() if key not in own}
        checkpoint = _after_epochs(checkpoint, self._epochs(number), len(module.times))
        checkpoint["state_dict"] = weights
        if best is not None:
            checkpoint["callbacks"] = self._callbacks(number, path.parent, best)
            checkpoint["optimizer_states"] = [self._optimizer_state(number)]
            checkpoint["lr_schedulers"] = []
        checkpoint["hparams_name"] = "hparams"
        checkpoint["hyper_parameters"] = self._hparams(number)
        self._group.tables[number].template.on_save_checkpoint(checkpoint)
        content = io.BytesIO()
        torch.save(checkpoint, content)
        files.write(path, sealed(content.getvalue()))

    def _callbacks(self, number: int, folder: Path, best: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """Return the states that the run's callbacks would have."""
        module, stopping = self._group.module, self._group.stopping
        checkpoints = Checkpoints(folder, self._group.monitor)
        score = float(self._group.monitor.sign * module.best_score[number])
        epoch = int(module.best_epoch[number])
        metrics = {name: float(curve[number, self._epochs(number) - 1]) for name, curve in self._curves.items()}
        checkpoints.load_state_dict({"best_score": score, "best_epoch": epoch, "best_state": dict(best), "metrics": metrics})
        states = {checkpoints.state_key: checkpoints.state_dict()}
        if stopping is not None and module.patience is not None:
            stopping.load_state_dict(self._stopping_state(number, stopping, module.patience))
            states = {stopping.state_key: stopping.state_dict(), **states}
        return states

    def _stopping_state(self, number: int, stopping: EarlyStopping, patience: Patience) -> dict[str, Any]:
        """Return what a member's own EarlyStopping would remember."""
        waited = int(patience.waited[number])
        best = (patience.sign * patience.best[number]).to(self._group.module.weight.dtype)
        ended = waited >= stopping.patience
        message = (
            f"Monitored metric {stopping.monitor} did not improve in the last {waited} records."
            f" Best score: {best:.3f}. Signaling Trainer to stop."
        )
        reason = EarlyStoppingReason.PATIENCE_EXHAUSTED if ended else EarlyStoppingReason.NOT_STOPPED
        return {
            "wait_count": waited,
            "stopped_epoch": self._epochs(number) - 1 if ended else 0,
            "best_score": best,
            "patience": stopping.patience,
            "stopping_reason": reason.value,
            "stopping_reason_message": message if ended else None,
        }

    def _optimizer_state(self, number: int) -> dict[str, Any]:
        stacked = (self._group.module.weight, self._group.module.bias)
        states = [
            self._optimizer.member_state(number, both, parameter.shape)
            for both, parameter in zip(stacked, self._group.tables[number].parameters, strict=True)
        ]
        return {
            "state": {index: state for index, state in enumerate(states) if state},
            "param_groups": self._own_optimizer(number).state_dict()["param_groups"],
        }

    def _named(self, number: int, weight: torch.Tensor, bias: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return a member's parameters under the names of an ordinary module, in its shapes; copies."""
        table = self._group.tables[number]
        names = [name for name, _ in table.template.named_parameters()]
        values = (weight.cpu().clone(), bias.cpu().clone())
        shapes = [parameter.shape for parameter in table.parameters]
        own = {name: value.reshape(shape) for name, value, shape in zip(names, values, shapes, strict=True)}
        return {**{name: value.clone() for name, value in table.template.state_dict().items()}, **own}

    def _hparams(self, number: int) -> dict[str, Any]:
        config, table = self._group.configs[number], self._group.tables[number]
        common = dict(table.template.hparams)
        return {
            **common,
            "config": {part: config[part] for part in common["config"]},
            "network": {**config["model"], "in_features": table.datamodule.in_features},
        }


def _after_epochs(checkpoint: dict[str, Any], epochs: int, of: int) -> dict[str, Any]:
    """Return the state of Lightning's loops as it was after the first `epochs` of `of` epochs: its totals are in proportion."""
    if epochs == of:
        return dict(checkpoint)

    def scaled(node: Any, is_total: bool) -> Any:
        if isinstance(node, dict):
            return {key: scaled(value, is_total or key in TOTALS) for key, value in node.items()}
        return node // of * epochs if is_total and isinstance(node, int) and node % of == 0 else node

    return scaled(checkpoint, False)


def _thinned(times: Sequence[float], steps: Sequence[int], values: Mapping[str, Any]) -> Any:
    """Return of a long curve what a run's logger would have kept."""
    thinner = thinning.Thinning()
    kept: list[thinning.Note] = []
    columns = {name: column.tolist() for name, column in values.items()}
    for place, step in enumerate(steps):
        kept += thinner.add(thinning.Note(times[place], step, {name: column[place] for name, column in columns.items()}))
    kept += thinner.rest()
    table = {name: np.array([note.values[name] for note in kept], np.float32) for name in values}
    return [note.wall_time for note in kept], [note.step for note in kept], table
