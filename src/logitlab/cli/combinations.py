"""Values that are valid alone and not together, refused before torch is imported."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from logitlab.errors import UserError
from logitlab.overrides import typed
from logitlab.rules import LARGEST_FLOAT32

ENDS_IN_SIGMOID = ("logitlab.networks.Sequential", "logitlab.networks.BinaryClassifier", "logitlab.networks.Tensors")
KNOWS_L1 = ("logitlab.solvers.solver.Newton", "torch.optim.SGD", "torch.optim.Adam", "torch.optim.AdamW")
NEEDS_HESSIANS = "logitlab.penalties.Firth"
HAS_NO_HESSIAN = "logitlab.solvers.solver.LBFGS"
SOLVERS = ("logitlab.solvers.solver.Newton", HAS_NO_HESSIAN)
NOT_FOR_SOLVERS = {
    "trainer.gradient_clip_val": (None, 0),
    "trainer.gradient_clip_algorithm": (None,),
    "trainer.accumulate_grad_batches": (None, 1),
    "trainer.precision": (None, "32-true", "64-true", "32", "64", 32, 64),
    "trainer.overfit_batches": (None, 0),
    "trainer.limit_train_batches": (None, 1.0),
    "trainer.min_steps": (None,),
    "trainer.compile": (None, False),
    "callbacks.convergence.tolerance": (None,),
}
"""Keys that mean nothing to a method that moves once an epoch, by sums over all rows -> the values that ask for nothing."""


def check(cfg: DictConfig) -> None:
    """Raise UserError for the first pair in `cfg`, a composed config whose values are allowed, that does not go together."""
    _check_precision(cfg)
    _check_l1(cfg)
    _check_firth(cfg)
    _check_cluster(cfg)
    _check_patience(cfg)
    _check_validation(cfg)
    _check_errors(cfg)
    _check_weight_kind(cfg)
    _check_solver(cfg)
    _check_first_step(cfg)
    check_folds(cfg.get("data") or {})


def check_folds(data: Mapping[Any, Any]) -> None:
    """Raise UserError for folds of the rows that cannot be, `data` being that part of a config."""
    folds, fold = data.get("folds"), data.get("fold")
    if folds is None and fold is None:
        return
    if folds is None:
        raise UserError(f"data.fold={fold} needs the number of folds: type data.folds=5 data.fold={fold}, or leave both out.")
    if fold is None:
        raise UserError(
            f"data.folds={folds} needs to know which of them validates: type data.fold=0 for one run, or"
            f' -m "data.fold=range({folds})" for a run for each; data.fold=all trains on all of them.'
        )
    if fold != "all" and fold >= folds:
        raise UserError(f"data.fold={fold} is not one of data.folds={folds}: they are 0 to {folds - 1}.")
    if data.get("split") == "time":
        raise UserError(
            f"data.folds={folds} does not go with data.split=time: all folds but one, also those of the future, would train."
            " Type data.split=group data.split_by=<column> or data.split=fractions, or leave data.folds out."
        )
    if data.get("val_path") is not None:
        raise UserError(
            f"data.folds={folds} takes its val rows from data.path, and data.val_path={data['val_path']} names others: leave"
            " one of them out. data.test_path goes with folds."
        )


def _check_precision(cfg: DictConfig) -> None:
    precision = str(OmegaConf.select(cfg, "trainer.precision"))
    if "16" in precision and OmegaConf.select(cfg, "model._target_") in ENDS_IN_SIGMOID:
        raise UserError(
            f"trainer.precision={precision} does not go with a model that ends in a sigmoid and is trained with BCELoss: in 16"
            " bits a sigmoid is exactly 1 from a logit of 6 or so, and the gradient is gone. Type model=logits"
            f" trainer.precision={precision} (BCEWithLogitsLoss is safe there), or trainer.precision=32-true."
        )


def _check_l1(cfg: DictConfig) -> None:
    optimizer = str(OmegaConf.select(cfg, "optimizer._target_"))
    if OmegaConf.select(cfg, "penalty.l1") and optimizer not in KNOWS_L1:
        name = optimizer.rpartition(".")[2]
        raise UserError(
            f"penalty.l1={cfg.penalty.l1:g} does not go with {name}: it takes optimizer=newton, sgd, adam or adamw. An l2"
            " penalty (penalty.l2) goes with every optimiser."
        )


def _check_firth(cfg: DictConfig) -> None:
    if OmegaConf.select(cfg, "penalty._target_") != NEEDS_HESSIANS:
        return
    if OmegaConf.select(cfg, "optimizer._target_") == HAS_NO_HESSIAN:
        raise UserError(
            "penalty=firth is made of the Hessian, which L-BFGS does without: type optimizer=newton, or sgd or adam."
        )
    if (rows := OmegaConf.select(cfg, "data.batch_size")) is not None:
        raise UserError(
            f"penalty=firth looks at all rows at once, and data.batch_size={rows} shows it some: type data.batch_size=null, or"
            " penalty=elastic_net penalty.l2=0.01."
        )


def _check_cluster(cfg: DictConfig) -> None:
    if OmegaConf.select(cfg, "results.coefficients.errors") != "cluster" or OmegaConf.select(cfg, "data.cluster"):
        return
    raise UserError(
        "results.coefficients.errors=cluster needs the groups of dependent rows: type data=table data.cluster=COLUMN, the"
        " column whose values are the groups, or results.coefficients.errors=hc1 for independent rows."
    )


def _check_patience(cfg: DictConfig) -> None:
    patience = OmegaConf.select(cfg, "callbacks.early_stopping.patience")
    if patience in (None, "auto") or OmegaConf.select(cfg, "optimizer._target_") not in SOLVERS:
        return
    raise UserError(
        f"callbacks.early_stopping.patience={patience} does not go with optimizer=newton or lbfgs, which go to the optimum by"
        " themselves and are not stopped on the way: leave it out, or type optimizer=adam."
    )


def _check_validation(cfg: DictConfig) -> None:
    """Refuse a Trainer that never looks at the val rows, or not at the end of an epoch, where the best one is chosen."""
    trainer: Any = cfg.get("trainer") or {}
    every, epochs = trainer.get("check_val_every_n_epoch"), trainer.get("max_epochs")
    if isinstance(every, int) and isinstance(epochs, int) and every > epochs and not trainer.get("fast_dev_run"):
        raise UserError(
            f"trainer.check_val_every_n_epoch={every} looks at no val rows in trainer.max_epochs={epochs}, and the best epoch"
            " is chosen on them: type a smaller number, or data.val_fraction=0 to train without val rows."
        )
    if trainer.get("limit_val_batches") == 0:
        raise UserError(
            "trainer.limit_val_batches=0 looks at no val rows, and the best epoch is chosen on them: leave it out, or type"
            " data.val_fraction=0 to train without val rows."
        )
    within = trainer.get("val_check_interval")
    if within is not None and not (isinstance(within, float) and within == 1):
        raise UserError(
            f"trainer.val_check_interval={within} looks at the val rows inside an epoch, and weights are kept at its end:"
            " leave it out, or type +trainer.check_val_every_n_epoch=N to look less often."
        )


def _check_errors(cfg: DictConfig) -> None:
    errors, interval = (OmegaConf.select(cfg, f"results.coefficients.{key}") for key in ("errors", "interval"))
    is_robust = errors in ("hc0", "hc1", "cluster")
    if is_robust and OmegaConf.select(cfg, "penalty._target_") == NEEDS_HESSIANS:
        raise UserError(
            f"results.coefficients.errors={errors} does not go with penalty=firth: where the classes are nearly"
            " separable robust errors are far too small. Type results.coefficients.errors=classical."
        )
    if interval != "profile":
        return
    if is_robust:
        raise UserError(
            f"results.coefficients.interval=profile does not go with results.coefficients.errors={errors}: the profile is of"
            " the likelihood, which robust errors do not trust. Type results.coefficients.interval=wald with them."
        )
    if OmegaConf.select(cfg, "data.weight_kind") == "sampling":
        raise UserError(
            "results.coefficients.interval=profile does not go with data.weight_kind=sampling: sampling weights have no"
            " likelihood. Type results.coefficients.interval=wald."
        )


def _check_weight_kind(cfg: DictConfig) -> None:
    if (kind := OmegaConf.select(cfg, "data.weight_kind")) is not None and OmegaConf.select(cfg, "data.weight") is None:
        raise UserError(
            f"data.weight_kind={kind} describes row weights, and there are none: type data.weight=COLUMN with it, or"
            " leave it out."
        )


def _check_solver(cfg: DictConfig) -> None:
    """Refuse, beside newton and lbfgs, what they would silently ignore."""
    target = str(OmegaConf.select(cfg, "optimizer._target_"))
    if target not in SOLVERS:
        return
    name = target.rpartition(".")[2].lower()
    if OmegaConf.select(cfg, "lr_scheduler._target_"):
        raise UserError(
            f"lr_scheduler does not go with optimizer={name}, which has no learning rate: it finds the length of each step"
            " itself. Type lr_scheduler=none, or optimizer=sgd or adam."
        )
    for key, nothing in NOT_FOR_SOLVERS.items():
        value = OmegaConf.select(cfg, key)
        if value in nothing and not (isinstance(value, int) and nothing == (None, 1.0)):
            continue
        why = "optimizer.tolerance sets where it stops" if key.endswith("tolerance") else "it steps once an epoch, on all rows"
        raise UserError(
            f"{key}={typed(value)} does not go with optimizer={name}: {why}. Leave {key} out, or type optimizer=sgd or adam."
        )


def _check_first_step(cfg: DictConfig) -> None:
    """Refuse a learning rate whose first step float32 cannot hold: torch would end with an overflow."""
    optimizer: Any = cfg.get("optimizer") or {}
    lr, betas, decay = optimizer.get("lr"), optimizer.get("betas"), optimizer.get("weight_decay") or 0
    if not isinstance(lr, int | float) or str(optimizer.get("_target_")).endswith(".SGD"):
        return
    first = float(betas[0]) if betas and isinstance(betas[0], int | float) else 0.9
    share = 1 - first if 0 <= first < 1 else 1.0
    if lr * max(1 / share, float(decay)) > LARGEST_FLOAT32:
        raise UserError(
            f"optimizer.lr={lr:g} is too large for {str(optimizer._target_).rpartition('.')[2]}: its first step is"
            f" lr / (1 - beta1) = {lr / share:g}, and float32 holds no more than {LARGEST_FLOAT32:g}. Type a smaller one, as in"
            " optimizer.lr=0.01."
        )
