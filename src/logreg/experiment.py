"""One experiment from config to run directory: seed, build, fit, write down. The only file that reads the config's parts."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, Checkpoint, ProgressBar
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from torch import nn

from logreg import checks, drawing, environment, noise, penalties, resume, threads
from logreg.callbacks.checkpoints import monitored_name
from logreg.callbacks.pruning import Pruning
from logreg.checkpoint_io import AtomicCheckpointIO, load
from logreg.choosing import Choices
from logreg.data.datamodule import InMemoryDataModule
from logreg.drawing import DrawingProcess
from logreg.errors import Pruned, RunError, UserError
from logreg.module import LogisticRegression
from logreg.networks import Network
from logreg.penalties import ElasticNet, Firth
from logreg.plots.rows import sample
from logreg.results.result import Fit, Result, Row
from logreg.run_directory import RunDirectory, find_checkpoint
from logreg.summary import count, summary
from logreg.tensorboard import RunLogger, knobs

NOT_IN_SWEEPS = ("dashboard", "certificate")
"""Results that are told whether the run is one of a sweep: they take as long as a short fit."""


def train(cfg: DictConfig) -> float | None:
    """Train the run that `cfg` describes, write its run directory, and print its summary.

    Returns:
        The monitored metric's final value, for sweepers.

    Raises:
        UserError: something that could be known before training is wrong.
        RunError: training failed; what was saved is intact.
        Interrupted: a signal came; the run is saved.
    """
    noise.silence()
    hydra_cfg: Any = HydraConfig.get()
    run = RunDirectory(hydra_cfg.runtime.output_dir)
    with run.locked(), drawing.beside(cfg) as artist, _logger(cfg, run) as logger:
        return _train(cfg, run, hydra_cfg, artist, logger)


@contextmanager
def _logger(cfg: DictConfig, run: RunDirectory) -> Iterator[Logger | bool]:
    """Build the logger; close it once the results are logged, which come after the fit and Lightning's `finalize`."""
    logger = _build(cfg.logger, "logger", save_dir=str(run.path)) if cfg.logger else False
    try:
        yield logger
    finally:
        if isinstance(logger, RunLogger):
            logger.close()


def _train(
    cfg: DictConfig, run: RunDirectory, hydra_cfg: DictConfig, artist: DrawingProcess | None, logger: Logger | bool
) -> float | None:
    checkpoint_path = find_checkpoint(cfg.ckpt_path, run.path)
    if checkpoint_path is None:
        _refuse_to_overwrite(run)
    else:
        checkpoint_path = resume.whole(checkpoint_path)
    pl.seed_everything(cfg.seed, verbose=False)
    datamodule = build_datamodule(cfg)
    choices = build_choices(cfg)
    for line in datamodule.card.lines:
        print(line)
    if artist is not None:
        scaling, is_chosen_later = datamodule.preprocessing.scaling, isinstance(choices.threshold, str)
        artist.lay_out(sample(datamodule.examples, scaling, choices.start_threshold, is_chosen_later))
    module = build_module(cfg, datamodule)
    choices.check(datamodule.rows("val"))
    results = build_results(cfg, artist)
    config = module.hparams["config"]
    if checkpoint_path is not None:
        checkpoint = load(checkpoint_path)
        rerun = resume.latest_overrides(run, checkpoint.get("epoch", 0))
        resume.check_same_run(checkpoint, config, cfg.trainer.max_epochs, rerun)
    trainer = build_trainer(cfg, run, logger, has_val=datamodule.rows("val") is not None, artist=artist)
    if trainer.num_devices * trainer.num_nodes > 1:  # devices=auto or -1: known only now
        raise checks.several_devices(cfg.trainer.devices)
    run.write_config(cfg, OmegaConf.create({"hydra": hydra_cfg}))
    run.write_json("environment.json", environment.snapshot(datamodule.fingerprint))
    for name, text in datamodule.card.files().items():
        run.write_text(name, text)
    for each in trainer.loggers:
        if isinstance(each, RunLogger) and checkpoint_path is not None:
            each.goes_on_from(checkpoint["global_step"])
        each.log_hyperparams(knobs(config, hydra_cfg.runtime.choices))
        if isinstance(each, RunLogger):
            each.log_config(OmegaConf.to_yaml(cfg, resolve=True))
    started = time.monotonic()
    with threads.enough_for(datamodule.values_in_a_batch):
        trainer.fit(module, datamodule, ckpt_path=checkpoint_path, weights_only=True)
    seconds = time.monotonic() - started
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    module.cpu()
    choices.make(trainer, module, datamodule.rows("val"))
    value = _finish(cfg, hydra_cfg.runtime.choices, results, Fit(run, trainer, module, datamodule, metrics), seconds)
    if any(isinstance(callback, Pruning) and callback.trial.pruned for callback in trainer.callbacks):  # type: ignore[attr-defined]
        raise Pruned(value)
    return value


def build_datamodule(cfg: DictConfig) -> InMemoryDataModule:
    """Return the data module that `cfg.data` describes; its shuffles are drawn from `cfg.seed`."""
    return _build(cfg.data, "data", seed=cfg.seed)


def build_module(cfg: DictConfig, datamodule: InMemoryDataModule) -> LogisticRegression:
    """Return the module that `cfg.model`, `cfg.loss`, `cfg.penalty`, `cfg.optimizer` and `cfg.lr_scheduler` describe.

    The network takes the features that the data has; its weights are drawn from torch's generator as it stands: seed before.
    """
    network = _build(cfg.model, "model", in_features=datamodule.in_features)
    optimizer = _build(cfg.optimizer, "optimizer")
    _try_optimizer(optimizer, network, cfg.optimizer)
    negative, positive = datamodule.examples.class_weights
    hparams = {
        "config": {part: _plain(cfg[part]) for part in resume.SAME_RUN} | {"trainer": _plain(cfg.trainer)},
        "network": {**_plain(cfg.model), "in_features": datamodule.in_features},
        "features": list(datamodule.feature_names),
        "target": datamodule.target_name,
        "preprocessing": datamodule.preprocessing.plain(),
        "labels": datamodule.labels,
        "base_rate": positive / (negative + positive),
        "keeps": "last" if datamodule.rows("val") is None else "best",
    }
    return LogisticRegression(
        network=network,
        loss=build_loss(cfg, network, datamodule),
        optimizer=optimizer,
        threshold=build_choices(cfg).start_threshold,
        penalty=build_penalty(cfg, datamodule),
        lr_scheduler=_build(cfg.lr_scheduler, "lr_scheduler") if cfg.lr_scheduler else None,
        hparams=hparams,
        watched=[cfg.monitor.removeprefix("val/")] if cfg.monitor and cfg.monitor.startswith("val/") else [],
    )


def build_choices(cfg: DictConfig) -> Choices:
    """Return what `cfg.threshold`, `cfg.calibration` and `cfg.cost` have chosen on the val rows."""
    return Choices(cfg.threshold, cfg.calibration, cfg.cost.false_positive, cfg.cost.false_negative)


def build_loss(cfg: DictConfig, network: Network, datamodule: InMemoryDataModule) -> nn.Module:
    """Return the loss that `cfg.loss` describes, for a network and the training rows."""
    examples = datamodule.examples
    row_weights = examples.weight is not None
    return _build(cfg.loss, "loss", network=network, class_weights=examples.class_weights, row_weights=row_weights)


def build_penalty(cfg: DictConfig, datamodule: InMemoryDataModule) -> ElasticNet | Firth:
    """Return the penalty that `cfg.penalty` describes; `penalties.NONE` where its strengths are 0."""
    node = cfg.penalty
    if node is None:
        return penalties.NONE
    late = {"l2": automatic_l2(datamodule)} if node.get("l2") == "auto" else {}
    return _build(node, "penalty", **late) or penalties.NONE


def automatic_l2(datamodule: InMemoryDataModule) -> float:
    """Return what penalty.l2=auto is: scikit-learn's C = 1, which is a penalty on the sum of the losses, not on their mean."""
    return 1 / sum(datamodule.examples.class_weights)


def build_trainer(
    cfg: DictConfig, run: RunDirectory, logger: Logger | bool, has_val: bool = False, artist: DrawingProcess | None = None
) -> pl.Trainer:
    """Return the Trainer that `cfg.trainer` describes, with the callbacks of `cfg.callbacks`, writing into `run`."""
    callbacks = _build_callbacks(cfg, run, has_val, artist)
    return _build(
        cfg.trainer,
        "trainer",
        logger=logger,
        callbacks=callbacks,
        enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),  # or Lightning adds its own
        plugins=[AtomicCheckpointIO()],
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        default_root_dir=str(run.path),
    )


def build_results(cfg: DictConfig, artist: DrawingProcess | None = None, is_alone: bool = True) -> list[Result]:
    """Return what `cfg.results` makes of a finished fit; `artist` draws the training; one of many fits prints no table."""
    late: dict[str, dict[str, Any]] = {name: {"sweep": HydraConfig.get().mode is RunMode.MULTIRUN} for name in NOT_IN_SWEEPS}
    late["pictures"] = {"artist": artist}
    late["coefficients"] = {"is_printed": is_alone}
    nodes = {str(name): node for name, node in (cfg.results or {}).items() if node is not None}
    built = [_build(node, f"results.{name}", **late.get(name, {})) for name, node in nodes.items()]
    return [result for result in built if result is not None]


def _build_callbacks(cfg: DictConfig, run: RunDirectory, has_val: bool, artist: DrawingProcess | None) -> list[Callback]:
    late_arguments = {
        "checkpoints": {"dirpath": str(run.checkpoints), "monitor": cfg.monitor, "mode": cfg.monitor_mode},
        "early_stopping": {"monitor": (cfg.monitor or "val/loss") if has_val else None, "mode": cfg.monitor_mode},
        "pruning": {"trial": _trial(cfg), "monitor": cfg.monitor},
        "weights": {"sweep": HydraConfig.get().mode is RunMode.MULTIRUN, "artist": artist},
    }
    callbacks = []
    for name, node in (cfg.callbacks or {}).items():
        if node is None:
            continue
        callbacks.append(_build(node, f"callbacks.{name}", **late_arguments.get(str(name), {})))
    unwanted = type(None) if cfg.trainer.enable_progress_bar else (type(None), ProgressBar)
    return [callback for callback in callbacks if not isinstance(callback, unwanted)]


def _trial(cfg: DictConfig) -> Any:
    """Return the trial of a search that the run is, to report to; None where it is none, or cannot be pruned."""
    if cfg.sweep is None or cfg.sweep.trial is None:
        return None
    sweeper = HydraConfig.get().sweeper
    if "study_name" not in sweeper:
        raise UserError("sweep.trial is not for typing: hydra/sweeper=optuna tells each run of a search which trial it is.")
    from logreg.sweeps.study import Judged

    return Judged(sweeper, cfg.sweep.trial)


def _build(node: DictConfig, key: str, **late: Any) -> Any:
    """Instantiate a part of the config; `late` are the arguments that the config cannot know."""
    try:
        return instantiate(node, **late, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError | RunError):
            raise cause from None
        raise UserError(f"{key} ({node._target_}) cannot be built: {cause or error}") from error


def _try_optimizer(make: Any, network: Any, node: DictConfig) -> None:
    """Make the optimiser once before training: torch checks its arguments only when it is made."""
    try:
        make(network.parameters())
    except (InstantiationException, TypeError, ValueError) as error:
        raise UserError(f"optimizer ({node._target_}) cannot be built: {error}.") from error


def _refuse_to_overwrite(run: RunDirectory) -> None:
    if (run.checkpoints / "last.ckpt").exists():
        raise UserError(
            f"{run.path} already holds a run. To go on with it type ckpt_path={run.path}; to start anew give another"
            " hydra.run.dir."
        )


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def apply_results(results: Sequence[Result], fit: Fit) -> list[Row]:
    """Make the results of a fit, write metrics.json, and close what was logged; return the rows of the summary."""
    rows = [row for result in results for row in result(fit)]
    if fit.metrics:
        fit.run.write_json("metrics.json", fit.metrics)
    for logger in fit.trainer.loggers:
        logger.save()
    return rows


def _finish(cfg: DictConfig, choices: Mapping[str, Any], results: Sequence[Result], fit: Fit, seconds: float) -> float | None:
    """Make the results, write the metrics, print the summary; return the monitored metric."""
    rows = apply_results(results, fit)
    if not any(isinstance(callback, Checkpoint) for callback in fit.trainer.callbacks):  # type: ignore[attr-defined]
        rows.append(("checkpoint", "none: nothing to resume or predict from"))
    data = f"{count(len(fit.datamodule.examples), 'row')}, {count(fit.datamodule.in_features, 'feature')}"
    epochs = f"{count(fit.trainer.current_epoch, 'epoch')}, {seconds:.1f} s"
    print(
        summary(
            f"Trained model={choices['model']} on data={choices['data']} ({data}): {epochs}",
            rows,
            fit.run.path,
        )
    )
    name = monitored_name(fit.trainer, cfg.monitor)
    return None if name is None else fit.metrics[name]
