"""One experiment from config to run directory: seed, build, fit, write down. With `build.py` the reader of the config."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from logitlab import build, logging_setup, masking, threads
from logitlab.cli import checks
from logitlab.console import one_line
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.description import check_same_data
from logitlab.data.table_files import table_files
from logitlab.errors import Pruned, UserError
from logitlab.log.summary import count, summary
from logitlab.log.tensorboard import RunLogger, hparams_of
from logitlab.networks import LinearNetwork
from logitlab.overrides import suggestion
from logitlab.penalty_path import with_chosen_penalty
from logitlab.results.result import Fit, Result, Row
from logitlab.runs import checkpoint_state, environment, resume
from logitlab.runs.checkpoint_io import load
from logitlab.runs.run_directory import RunDirectory, find_checkpoint, previous
from logitlab.training.callbacks.checkpoints import Checkpoints
from logitlab.training.module import LogisticRegression
from logitlab.training.record import record_of


def train(cfg: DictConfig) -> float | None:
    """Train the run that `cfg` describes, write its run directory, and print its summary.

    Returns:
        The monitored metric's final value, for sweepers.

    Raises:
        UserError: something that could be known before training is wrong.
        RunError: training failed; what was saved is intact.
        Interrupted: a signal came; the run is saved.
    """
    logging_setup.quiet_libraries()
    hydra_cfg: Any = HydraConfig.get()
    run = RunDirectory(hydra_cfg.runtime.output_dir)
    with run.locked(), _loggers(cfg, run) as loggers:
        return _train(cfg, run, hydra_cfg, loggers)


@contextmanager
def _loggers(cfg: DictConfig, run: RunDirectory) -> Iterator[list[Logger]]:
    """Build the loggers; close ours once the results are logged, which come after the fit and Lightning's `finalize`."""
    loggers = build.build_loggers(cfg, run)
    try:
        yield loggers
    finally:
        for logger in loggers:
            if isinstance(logger, RunLogger):
                logger.close()


def _train(cfg: DictConfig, run: RunDirectory, hydra_cfg: DictConfig, loggers: list[Logger]) -> float | None:
    checkpoint_path = _starting_point(cfg, run)
    pl.seed_everything(cfg.seed, verbose=False)
    datamodule = build.build_datamodule(cfg)
    choices = build.build_selection(cfg)
    for line in datamodule.data_summary.lines:
        print(one_line(line))
    cfg = with_chosen_penalty(cfg, datamodule)
    module = build.build_module(cfg, datamodule)
    choices.check(datamodule.rows("val"))
    monitor = build.build_monitor(cfg, datamodule, module)
    results = build.build_results(cfg)
    steps = None if checkpoint_path is None else _steps_behind(cfg, run, checkpoint_path, module)
    trainer = build.build_trainer(cfg, run, loggers, monitor, datamodule)
    if trainer.num_devices * trainer.num_nodes > 1:  # devices=auto or -1: known only now
        raise checks.several_devices(cfg.trainer.devices)
    if checkpoint_path is None:
        shutil.rmtree(run.path / ".hydra", ignore_errors=True)  # of a run that was killed before its first checkpoint
    _write_beginning(cfg, run, hydra_cfg, datamodule)
    _open_logs(cfg, hydra_cfg, trainer, module, steps)
    started = time.monotonic()
    with threads.enough_for(datamodule.values_in_a_batch):
        _fit(trainer, module, datamodule, checkpoint_path, steps or 0)
    training = record_of(trainer, time.monotonic() - started)
    module.cpu()
    checkpoints = trainer.checkpoint_callback
    if choices.select(training, module, datamodule.rows("val")) and isinstance(checkpoints, Checkpoints):
        checkpoints.write_kept(trainer)
    fit = Fit(run, training, module, datamodule, dict(training.metrics), monitor)
    value = _finish(hydra_cfg.runtime.choices, results, fit)
    if training.why_ended == "pruned":
        raise Pruned(value)
    return value


def _starting_point(cfg: DictConfig, run: RunDirectory) -> Path | None:
    """Return the checkpoint to resume from; None for a run that starts anew, for which the directory must be free."""
    path = find_checkpoint(cfg.ckpt_path, run.path)
    if path is not None:
        return resume.whole(path)
    begun = any(each.exists() for each in (run.checkpoints / "last.ckpt", previous(run.checkpoints / "last.ckpt")))
    if (taken := run.path / "metrics.json").exists() and not begun:
        raise UserError(f"{taken} is there already and would be written over: give another hydra.run.dir.")
    if begun:
        raise UserError(
            f"{run.path} already holds a run. To resume it type"
            f" {suggestion('ckpt_path', str(run.path))}; to start anew give another"
            " hydra.run.dir."
        )
    return None


def _steps_behind(cfg: DictConfig, run: RunDirectory, path: Path, module: LogisticRegression) -> int:
    """Return how many steps a checkpoint has behind it, once it is known to be of the run that `cfg` describes."""
    checkpoint = load(path)
    checkpoint_state.check_parts(checkpoint, path)
    rerun = resume.latest_overrides(run, checkpoint.get("epoch", 0))
    resume.check_same_run(checkpoint, module.hparams["config"], cfg.trainer.max_epochs, rerun)
    cure = "Give it the table that it was trained on (data.path=<where that is>), or leave ckpt_path out to start anew."
    check_same_data(resume.rows_of(checkpoint, run.path), module.hparams["data"], "this run", cure)
    checkpoint_state.check_weights(checkpoint, path, module.state_dict())
    return checkpoint["global_step"]


def _fit(
    trainer: pl.Trainer, module: LogisticRegression, datamodule: InMemoryDataModule, checkpoint: Path | None, began_at: int
) -> None:
    """Train, from a step on; of a checkpoint that Lightning or torch cannot take, in a part not checked before, say so."""
    try:
        trainer.fit(module, datamodule, ckpt_path=checkpoint, weights_only=True)
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError, RuntimeError) as error:
        if checkpoint is None or trainer.global_step > began_at or isinstance(error, torch.OutOfMemoryError):
            raise
        words = (str(error).splitlines() or ["no more is known"])[0]
        raise checkpoint_state.refused(checkpoint, f"{type(error).__name__}: {words}") from error


def _write_beginning(cfg: DictConfig, run: RunDirectory, hydra_cfg: DictConfig, datamodule: InMemoryDataModule) -> None:
    """Write what is known of a run before it trains: config, environment, what became of the table."""
    run.write_config(cfg, OmegaConf.create({"hydra": hydra_cfg}))
    run.write_json("environment.json", environment.snapshot(datamodule.description["fingerprint"], table_files(cfg.data)))
    for name, text in datamodule.data_summary.files().items():
        run.write_text(name, text)


def _open_logs(
    cfg: DictConfig, hydra_cfg: DictConfig, trainer: pl.Trainer, module: LogisticRegression, steps: int | None
) -> None:
    """Log the hyper-parameters and the config; what a run that was killed has logged beyond its `steps` is logged again."""
    for logger in trainer.loggers:
        if isinstance(logger, RunLogger):
            logger.resume_from(steps or 0)
        logger.log_hyperparams(hparams_of(module.hparams["config"], hydra_cfg.runtime.choices))
        if isinstance(logger, RunLogger):
            logger.log_config(OmegaConf.to_yaml(OmegaConf.create(masking.as_recorded(cfg))))


def apply_results(results: Sequence[Result], fit: Fit) -> list[Row]:
    """Make the results of a fit, write metrics.json and summary.json, close what was logged; return the rows of the summary.

    metrics.json is there before anything is drawn, and also where a result fails: what was worked out is never lost.
    """
    rows: list[Row] = []
    written: dict[str, float] = {}
    try:
        is_linear = isinstance(fit.module.network, LinearNetwork)
        if left_out := [result for result in results if result.needs_linear_network and not is_linear]:
            names = ", ".join(type(result).__name__.lower() for result in left_out)
            rows.append(("left out", f"{names}: only a linear network has them"))
        for result in (each for each in results if each not in left_out):
            if result.draws and fit.metrics and fit.metrics != written:
                written = dict(fit.metrics)
                fit.run.write_json("metrics.json", written)
            rows += result(fit)
    finally:
        if fit.metrics and fit.metrics != written:
            fit.run.write_json("metrics.json", fit.metrics)
    if not fit.training.is_saved:
        rows.append(("checkpoint", "none: nothing to resume or predict from"))
    fit.run.write_json("summary.json", {"lines": rows})
    for logger in fit.training.loggers:
        logger.save()
    return rows


def _finish(choices: Mapping[str, Any], results: Sequence[Result], fit: Fit) -> float | None:
    """Make the results, write the metrics, print the summary; return the monitored metric."""
    rows = apply_results(results, fit)
    data = f"{count(len(fit.datamodule.examples), 'row')}, {count(fit.datamodule.in_features, 'feature')}"
    epochs = f"{count(fit.training.epochs, 'epoch')}, {fit.training.seconds:.1f} s"
    print(
        summary(
            f"Trained model={choices['model']} on data={choices['data']} ({data}): {epochs}",
            rows,
            fit.run.path,
        )
    )
    return fit.monitor.value(fit.metrics)
