"""The run directories of a group: each as if its run had been made alone, at two milliseconds apiece.

Nothing is synced to the disk here: a member costs less to train again than an fsync of its checkpoint. Whoever notes the
members as finished syncs once before.
"""

import functools
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf

from logitlab import build, experiment
from logitlab.batched.member import Member
from logitlab.batched.program import Program
from logitlab.errors import End
from logitlab.log import event_files, thinning
from logitlab.log.tensorboard import RunLogger, hparams_of
from logitlab.results.result import Fit
from logitlab.runs import files, signals
from logitlab.runs.checkpoint_file import sealed
from logitlab.runs.run_directory import RunDirectory
from logitlab.sweeps.member import FAILED, FINISHED, PRUNED, Status
from logitlab.sweeps.run_member import reason
from logitlab.threads import enough_for
from logitlab.training.callbacks.checkpoints import Checkpoints, saved_state
from logitlab.training.callbacks.convergence import Convergence
from logitlab.training.record import TrainingRecord

Weights = Mapping[str, torch.Tensor]


class MemberWriter:
    """Writes the members of a program.

    Attributes:
        program: trained.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        cfg = OmegaConf.create(dict(program.configs[0]))
        self._results = build.build_results(cfg, is_alone=False)
        self._selection = build.build_selection(cfg)
        self._is_logged = any((program.configs[0].get("logger") or {}).values())
        self._curves = {name: torch.stack(values, dim=1).numpy() for name, values in program.logger.curves.items()}
        times, steps = program.logger.times, program.logger.steps
        self._curve = functools.lru_cache(maxsize=16)(
            lambda epochs, tags: event_files.Curve(times[:epochs], steps[:epochs], tags)
        )
        for table in dict.fromkeys(program.tables):
            table.template.to(next(iter(program.module.parameters())).dtype)

    def write(self, number: int, member: Member, seconds: float) -> Status:
        """Write a member's run directory, all but its status, which is returned: it fails alone, as its run alone would.

        Args:
            number: of the member in the program.
            member: what is known of its run.
            seconds: its share of the fit's.

        Raises:
            End: a signal came, or the disk is full.
        """
        begun, value, why = time.monotonic(), None, None
        try:
            value = self._write(number, member, seconds)
        except End:
            raise
        except (Exception, SystemExit) as error:
            signals.reraise()
            why = reason(error)
        why = why or self._failure(number)
        status = FAILED if why else PRUNED if self.program.is_pruned(number) else FINISHED
        return member.status(status, value=value, reason=why, seconds=round(seconds + time.monotonic() - begun, 4))

    def _failure(self, number: int) -> str | None:
        return self.program.module.failures.get(number)

    def _write(self, number: int, member: Member, seconds: float) -> float | None:
        """Write a member; return its monitored metric, None for one that failed."""
        run, table = RunDirectory(member.directory), self.program.tables[number]
        table.template.loss, table.template.penalty = table.loss_and_penalty(self.program.configs[number])
        with run.locked(), enough_for(table.datamodule.examples.exact.numel()):
            member.write_config()
            run.write_text("environment.json", table.environment)
            for name, text in table.files.items():
                run.write_text(name, text)
            loggers = [RunLogger(run.path)] if self._is_logged else []
            for logger in loggers:
                self._log(number, member, logger)
            value = None if self._failure(number) else self._write_outcome(number, run, loggers, seconds)
            for logger in loggers:
                logger.close()
            return value

    def _log(self, number: int, member: Member, logger: RunLogger) -> None:
        """Log what the run alone would have logged by the end of its training."""
        logger.log_hyperparams(hparams_of(self._hparams(number)["config"], member.job.base.choices))
        logger.log_config(member.text())
        logger.log_records(self._records(number))
        logger.finalize("failed" if self._failure(number) else "success")

    def _records(self, number: int) -> bytes:
        """Return the curves as the run's logger would have written them."""
        logger, epochs = self.program.logger, self.program.endings.of[number].epochs
        times, steps = logger.times[:epochs], logger.steps[:epochs]
        values = {name: curve[number, :epochs].astype(np.float32) for name, curve in self._curves.items()}
        if steps[-1] >= thinning.WHOLE:
            times, steps, values = thinning.thinned(times, steps, values)
            return event_files.Curve(times, steps, tuple(values)).records(values)
        return self._curve(epochs, tuple(values)).records(values)

    def _write_outcome(self, number: int, run: RunDirectory, loggers: list[RunLogger], seconds: float) -> float | None:
        """Write checkpoints, results and metrics.json; return the monitored metric."""
        table = self.program.tables[number]
        module, val = table.template, table.datamodule.rows("val")
        last, best = self._weights(number)
        module.threshold, module.network.recalibration = self._selection.start_threshold, None
        module.load_state_dict(dict(last))
        training = self._record(number, best, loggers, seconds)
        self._write_checkpoint(number, run.checkpoints / "last.ckpt", last, self._progress(number, best, training.metrics))
        self._selection.select(training, module, val)
        kept = best if val is None else {name: value.clone() for name, value in module.state_dict().items()}
        self._write_checkpoint(number, run.checkpoints / "best.ckpt", kept, {})
        fit = Fit(run, training, module, table.datamodule, dict(training.metrics), table.monitor)
        experiment.apply_results(self._results, fit)
        return fit.monitor.value(fit.metrics)

    def _record(self, number: int, best: Weights, loggers: list[RunLogger], seconds: float) -> TrainingRecord:
        program, ending = self.program, self.program.endings.of[number]
        rule = next((each for each in program.callbacks if isinstance(each, Convergence)), None)
        converged = None if rule is None else bool(rule.norm[number] <= rule.tolerance)
        is_short = ending.epochs < program.configs[number]["trainer"]["max_epochs"]
        reasons = {"pruned": program.is_pruned(number), "converged": converged, "early_stopping": is_short}
        return TrainingRecord(
            epochs=ending.epochs,
            steps=ending.steps,
            batches=ending.batches,
            optimizer=type(program.optimizer.owns[number]),
            settings={name: value for name, value in ending.optimizer[0].items() if name != "params"},
            seconds=seconds,
            why_ended=next((why for why, holds in reasons.items() if holds), "max_epochs"),
            metrics={name: float(values[number]) for name, values in ending.metrics.items()},
            has_schedule=bool(ending.schedules),
            converged=converged,
            best_epoch=int(program.endings.best.epoch[number]),
            best=best,
            is_saved=True,
            loggers=loggers,
        )

    def _weights(self, number: int) -> tuple[Weights, Weights]:
        """Return a member's last and best weights by the names of an ordinary module; copies."""
        network, best = self.program.module.network, self.program.endings.best.weights
        last: Any = network.state(number)  # type: ignore[operator]
        named = [last, {name: values[number].cpu() for name, values in best.items()}]
        others = self.program.tables[number].template.state_dict()
        first, second = ({**others, **{f"network.{name}": each for name, each in weights.items()}} for weights in named)
        return _copied(first), _copied(second)

    def _progress(self, number: int, best: Weights, metrics: Mapping[str, float]) -> dict[str, Any]:
        """Return what a run is resumed from, besides its weights: the states of its optimiser, schedule and callbacks."""
        program, ending = self.program, self.program.endings.of[number]
        callbacks = {each.state_key: each.member_state(number) for each in program.callbacks}
        callbacks[Checkpoints.__qualname__] = saved_state(program.endings.best, best, metrics, (number,))
        return {
            "callbacks": {key: state for key, state in callbacks.items() if state},
            "optimizer_states": [{"state": program.optimizer.member_state(number), "param_groups": ending.optimizer}],
            "lr_schedulers": ending.schedules,
        }

    def _write_checkpoint(self, number: int, path: Path, weights: Weights, progress: Mapping[str, Any]) -> None:
        """Write weights, and what training is resumed from, if there is anything."""
        checkpoint = {**self.program.endings.of[number].checkpoint, "state_dict": weights, **progress}
        checkpoint |= {"hparams_name": "hparams", "hyper_parameters": self._hparams(number)}
        self.program.tables[number].template.on_save_checkpoint(checkpoint)
        content = io.BytesIO()
        torch.save(checkpoint, content)
        files.write(path, sealed(content.getvalue()))

    def _hparams(self, number: int) -> dict[str, Any]:
        config, table = self.program.configs[number], self.program.tables[number]
        common = dict(table.template.hparams)
        return {
            **common,
            "config": {part: config[part] for part in common["config"]},
            "network": {**common["network"], **config["model"]},
        }


def _copied(weights: Weights) -> Weights:
    return {name: value.detach().clone() for name, value in weights.items()}
