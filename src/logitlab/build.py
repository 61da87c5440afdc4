"""The parts of a run, built from its config: the data, the module, the Trainer and what is made of the fit."""

import json
import sys
from collections.abc import Callable, Collection, Mapping
from inspect import signature
from typing import Any

import lightning.pytorch as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from hydra.utils import get_object, instantiate
from lightning.pytorch.callbacks import Callback, Checkpoint, ProgressBar
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torchmetrics import Metric

from logitlab import masking, monitor, penalties
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.loaders import as_ours
from logitlab.data.table_files import table_files
from logitlab.errors import RunError, UserError
from logitlab.metrics import is_more_better
from logitlab.monitor import Monitor
from logitlab.networks import LinearNetwork, Network, PlainModule, check_output, compile_network
from logitlab.penalties import ElasticNet, Firth
from logitlab.recorded import accepted
from logitlab.results.result import Result
from logitlab.runs import resume
from logitlab.runs.checkpoint_io import AtomicCheckpointIO
from logitlab.runs.run_directory import RunDirectory
from logitlab.solvers.solver import Solver
from logitlab.training.module import LogisticRegression
from logitlab.validation_selection import ValidationSelection

MANY_COLUMNS = 1_000
"""From so many on L-BFGS is faster than Newton's method."""


def build_datamodule(cfg: DictConfig) -> InMemoryDataModule:
    """Return the data module that `cfg.data` describes; its shuffles are drawn from `cfg.seed`."""
    return as_ours(_build(cfg.data, "data", seed=cfg.seed), cfg.data._target_)


def describe_data(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the description of the rows of a run's config, given as plain values; of files that stay, it is kept."""
    known = json.dumps([config["data"], table_files(config["data"])], sort_keys=True, default=str)
    if known not in _described:
        _described[known] = build_datamodule(OmegaConf.create(dict(config))).description
    return _described[known]


_described: dict[str, Mapping[str, Any]] = {}


def build_module(cfg: DictConfig, datamodule: InMemoryDataModule) -> LogisticRegression:
    """Return the module that `cfg.model`, `cfg.loss`, `cfg.penalty`, `cfg.optimizer` and `cfg.lr_scheduler` describe.

    The network takes the features that the data has; its weights are drawn from torch's generator as it stands: seed before.
    """
    network = build_network(cfg, datamodule.in_features)
    penalty, optimizer = build_penalty(cfg, datamodule), _build(cfg.optimizer, "optimizer")
    tried = _tried_optimizer(optimizer, network, cfg.optimizer)
    is_solver = isinstance(tried, Solver)
    if not isinstance(network, LinearNetwork):
        _refuse_without_coefficients(cfg, is_solver, penalty)
        check_output(network, datamodule.examples.exact[:2].float())
    elif is_solver:
        _prepare_for_solver(network, cfg.model)
    elif isinstance(penalty, Firth) and datamodule.preprocessing.coded:
        raise UserError(
            f"penalty=firth on {datamodule.in_features:,} features, most of them categories, goes with optimizer=newton or"
            " lbfgs."
        )
    if isinstance(tried, Solver) and tried.takes_hessian and isinstance(penalty, ElasticNet):
        print_note_on_columns(len(datamodule.examples), datamodule.in_features, penalty)
    if cfg.trainer.get("compile"):
        compile_network(network, datamodule.examples.exact[:2].float())
    declared = build_metrics(cfg)
    negative, positive = datamodule.examples.class_weights
    record = masking.as_recorded(cfg)
    hparams = {
        "config": {part: record[part] for part in (*resume.SAME_RUN, "trainer")},
        "network": {**record["model"], **accepted(cfg.model._target_, in_features=datamodule.in_features)},
        "returns_logits": network.returns_logits,
        "features": [] if datamodule.preprocessing.coded else list(datamodule.feature_names),  # they follow from the columns
        "target": datamodule.target_name,
        "preprocessing": datamodule.preprocessing.plain(),
        "labels": datamodule.labels,
        "data": datamodule.description,
        "base_rate": positive / (negative + positive),
        "keeps": "last" if datamodule.rows("val") is None else "best",
    }
    return LogisticRegression(
        network=network,
        loss=build_loss(cfg, network, datamodule),
        optimizer=optimizer,
        threshold=build_selection(cfg).start_threshold,
        penalty=penalty,
        lr_scheduler=build_schedule(cfg),
        hparams=hparams,
        watched=[*([cfg.monitor.removeprefix("val/")] if (cfg.monitor or "").startswith("val/") else []), *declared],
        declared=declared,
    )


def print_note_on_columns(rows: int, columns: int, penalty: ElasticNet) -> None:
    """Say on stderr where L-BFGS is the faster way to the optimum: a Hessian of many columns costs rows * columns**2 a step.

    An l1 penalty needs Newton's steps; with more columns than rows the work is that of as many columns as there are rows.
    """
    if columns >= MANY_COLUMNS and rows > columns and not penalty.l1:
        print(
            f"Note: optimizer=newton forms a matrix of {columns:,} x {columns:,} from {rows:,} rows at every step;"
            " optimizer=lbfgs reaches the same optimum without, in a fraction of the time.",
            file=sys.stderr,
        )


def build_network(cfg: DictConfig, in_features: int) -> Network:
    """Return the network that `cfg.model` describes, for so many features; `cfg.loss` may say what it returns."""
    return as_network(_build(cfg.model, "model", in_features=in_features), cfg)


def build_schedule(cfg: DictConfig) -> Callable[[torch.optim.Optimizer], dict[str, Any]] | None:
    """Return what makes the schedule that `cfg.lr_scheduler` describes of an optimiser; None for no schedule."""
    return _build(cfg.lr_scheduler, "lr_scheduler") if cfg.lr_scheduler else None


def as_network(module: Any, cfg: DictConfig) -> Network:
    """Return a module as a `Network`: one that is none by itself says what it returns, or `cfg.loss` says what it takes.

    Raises:
        UserError: it is no module, or nobody says.
    """
    if isinstance(module, Network):
        return module
    if not isinstance(module, nn.Module):
        raise UserError(f"model ({cfg.model._target_}) is a {type(module).__name__}, and a torch.nn.Module belongs there.")
    returns_logits = getattr(module, "returns_logits", cfg.loss.get("takes_logits"))
    if returns_logits is None:
        loss = get_object(cfg.loss._target_)
        known = {nn.BCEWithLogitsLoss: True, nn.BCELoss: False}
        returns_logits = getattr(loss, "takes_logits", known.get(loss))
    if returns_logits is None:
        raise UserError(
            f"model ({cfg.model._target_}) does not say what it returns: type loss.takes_logits=true for a logit (nothing"
            " behind its last nn.Linear) or loss.takes_logits=false for a probability (a sigmoid at its end), or give its"
            " class returns_logits = True or False."
        )
    return PlainModule(module, bool(returns_logits))


def _refuse_without_coefficients(cfg: DictConfig, is_solver: bool, penalty: ElasticNet | Firth) -> None:
    """Refuse what is worked out from the coefficients of a linear network, for another one."""
    what = None
    if is_solver:
        what = f"optimizer={str(cfg.optimizer._target_).rpartition('.')[2].lower()}", "Type optimizer=adam"
    elif isinstance(penalty, Firth):
        what = "penalty=firth", "Type penalty=elastic_net penalty.l2=0.01"
    elif penalty.l1:
        what = f"penalty.l1={penalty.l1:g}", "Type penalty.l1=0; penalty.l2 goes with every network"
    if what is not None:
        raise UserError(
            f"{what[0]} asks for a linear network, and {cfg.model._target_} is none. {what[1]}, or take one: model=sequential,"
            " class, tensors or logits."
        )


def build_monitor(cfg: DictConfig, datamodule: InMemoryDataModule, module: LogisticRegression) -> Monitor:
    """Return the metric by which the run that `cfg` describes is ranked, given its data and its module.

    Raises:
        UserError: it is none of this run.
    """
    val = datamodule.rows("val")
    both = val is None or all(val.class_weights)
    has_penalty = module.penalty is not penalties.NONE
    declared = {name: is_more_better(metric) for name, metric in module.declared.items()}
    return monitor.resolve(_plain(cfg), val is not None, both, has_penalty, declared)


def build_metrics(cfg: DictConfig) -> dict[str, Metric]:
    """Return the metrics that `cfg.metrics` declares, by name.

    Raises:
        UserError: one has the name of a usual one, is none of torchmetrics, or gives no single number.
    """
    built = {}
    for name, node in monitor.declared(_plain(cfg)).items():
        metric: Metric = _built(OmegaConf.create(dict(node)), f"metrics.{name}", Metric, {})
        try:
            is_more_better(metric)
        except (RuntimeError, ValueError, TypeError) as error:
            raise UserError(
                f"metrics.{name} ({node['_target_']}) makes no single number of probabilities and classes, each (rows,):"
                f" {(str(error).splitlines() or [type(error).__name__])[0]}. Most classes Binary... of {monitor.DECLARABLE} do."
            ) from error
        built[name] = metric
    return built


def build_selection(cfg: DictConfig) -> ValidationSelection:
    """Return what `cfg.threshold`, `cfg.calibration` and `cfg.cost` have chosen on the val rows."""
    return ValidationSelection(cfg.threshold, cfg.calibration, cfg.cost.false_positive, cfg.cost.false_negative)


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
    penalty: ElasticNet | Firth = _build(node, "penalty", **late) or penalties.NONE
    if isinstance(penalty, Firth):
        return Firth(sum(datamodule.examples.class_weights) / len(datamodule.examples))
    return penalty


def automatic_l2(datamodule: InMemoryDataModule) -> float:
    """Return what penalty.l2=auto is: scikit-learn's C = 1, which is a penalty on the sum of the losses, not on their mean."""
    return 1 / sum(datamodule.examples.class_weights)


def build_loggers(cfg: DictConfig, run: RunDirectory) -> list[Logger]:
    """Return the loggers that `cfg.logger` describes, one or several by name, writing into `run`."""
    node: Any = cfg.logger or {}
    nodes = {"logger": node} if "_target_" in node else {f"logger.{name}": each for name, each in node.items()}
    built = [_built(each, key, Logger, {"save_dir": str(run.path)}) for key, each in nodes.items() if each is not None]
    return [logger for logger in built if logger is not None]


def build_trainer(
    cfg: DictConfig, run: RunDirectory, loggers: list[Logger], monitor: Monitor, datamodule: InMemoryDataModule
) -> pl.Trainer:
    """Return the Trainer that `cfg.trainer` describes, with the callbacks of `cfg.callbacks`, writing into `run`."""
    callbacks = build_callbacks(cfg, str(run.checkpoints), monitor, datamodule)
    return _build(
        OmegaConf.masked_copy(cfg.trainer, [key for key in cfg.trainer if key != "compile"]),
        "trainer",
        logger=loggers,
        callbacks=callbacks,
        enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),  # or Lightning adds its own
        plugins=[AtomicCheckpointIO()],
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        default_root_dir=str(run.path),
    )


def build_results(cfg: DictConfig, is_alone: bool = True) -> list[Result]:
    """Return what `cfg.results` makes of a finished fit; one of many fits prints no table."""
    late = {"sweep": HydraConfig.get().mode is RunMode.MULTIRUN, "is_printed": is_alone}
    nodes = {str(name): node for name, node in (cfg.get("results") or {}).items() if node is not None}
    built = [_built(node, f"results.{name}", Result, late) for name, node in nodes.items()]
    return [result for result in built if result is not None]


def build_callbacks(
    cfg: DictConfig,
    dirpath: str,
    monitor: Monitor,
    datamodule: InMemoryDataModule,
    targets: Collection[str] | None = None,
) -> list[Callback]:
    """Return the callbacks of `cfg.callbacks`.

    Args:
        cfg: of the run.
        dirpath: the folder of the checkpoints.
        monitor: the metric that the run is ranked by.
        datamodule: its data.
        targets: whose callbacks are wanted; None: all.
    """
    late = {
        "dirpath": dirpath,
        "monitor": monitor,
        "batches": datamodule.batches,
        "stops_early": datamodule.rows("val") is not None and not _is_solver(cfg.optimizer),
        "trial": build_trial(cfg),
        "sweep": HydraConfig.get().mode is RunMode.MULTIRUN,
    }
    nodes = {f"callbacks.{name}": node for name, node in (cfg.callbacks or {}).items() if node is not None}
    wanted = {key: node for key, node in nodes.items() if targets is None or node.get("_target_") in targets}
    callbacks = [_built(node, key, Callback, late) for key, node in wanted.items()]
    unwanted = type(None) if cfg.trainer.enable_progress_bar else (type(None), ProgressBar)
    return [callback for callback in callbacks if not isinstance(callback, unwanted)]


def _is_solver(node: DictConfig) -> bool:
    """Return whether an optimiser goes to the optimum of all rows by itself."""
    target = get_object(node._target_)
    return isinstance(target, type) and issubclass(target, Solver)


def build_trial(cfg: DictConfig) -> Any:
    """Return the trial of a search that the run is, to report to; None where it is none, or cannot be pruned."""
    if cfg.sweep is None or cfg.sweep.trial is None:
        return None
    sweeper = HydraConfig.get().sweeper
    if "study_name" not in sweeper:
        raise UserError("sweep.trial is not for typing: hydra/sweeper=optuna gives each run of a search its trial.")
    from logitlab.sweeps.study import OptunaTrial

    return OptunaTrial(sweeper, cfg.sweep.trial)


def _build(node: DictConfig, key: str, **late: Any) -> Any:
    """Instantiate a part of the config; `late` are arguments that the config cannot know, of which it gets those it takes."""
    try:
        return instantiate(node, **accepted(node._target_, **late), _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError | RunError):
            raise cause from None
        raise UserError(f"{key} ({node._target_}) cannot be built: {cause or error}") from error


def _tried_optimizer(make: Any, network: Any, node: DictConfig) -> Any:
    """Make the optimiser once before training, torch checks its arguments only when it is made; return it."""
    try:
        return make(network.parameters())
    except (InstantiationException, TypeError, ValueError) as error:
        raise UserError(f"optimizer ({node._target_}) cannot be built: {error}.") from error


def _prepare_for_solver(network: LinearNetwork, node: DictConfig) -> None:
    """Let the network hold the optimum to all digits, and start at zero where the config names no start.

    A random start costs a solver passes over the rows, and far out it may miss the optimum; at zero nothing is saturated.
    """
    network.double()
    with torch.no_grad():
        for name, parameter in (("weight", network.weight), ("bias", network.bias)):
            if name in signature(type(network)).parameters and node.get(name) is None:
                parameter.zero_()


def _built(node: DictConfig, key: str, kind: type, late: Mapping[str, Any]) -> Any:
    """Instantiate a part of which there may be none; refuse what is of another kind.

    Of the `late` values it is given those that it has a parameter for and the config says nothing of. A parameter `monitor` is
    given the run's `Monitor` where it is annotated so; Lightning's own callbacks take a name there.
    """
    try:
        target = get_object(node._target_) if "_target_" in node else None
    except ImportError as error:
        raise UserError(f"{key} ({node._target_}) cannot be imported: {' '.join(str(error).split())}") from error
    parameters = signature(target).parameters if callable(target) else {}
    wanted = {name: value for name, value in late.items() if name in parameters and name not in node}
    if "monitor" in wanted and "Monitor" not in str(parameters["monitor"].annotation):
        del wanted["monitor"]
    built = _build(node, key, **wanted)
    if built is None or isinstance(built, kind):
        return built
    raise UserError(f"{key} ({node._target_}) is a {type(built).__name__}, and a {kind.__name__} belongs there.")


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
