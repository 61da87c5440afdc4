"""Values that are valid alone and not together, refused before torch is imported."""

from collections.abc import Iterator, Mapping
from typing import Any

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


def check(config: Mapping[str, Any]) -> None:
    """Raise UserError for the first values in a config, given as plain and allowed ones, that do not go together."""
    for faults in (_of_training, _of_the_penalty, _of_errors, _of_solvers, _of_folds):
        for fault in faults(config):
            raise UserError(fault)


def check_folds(config: Mapping[str, Any]) -> None:
    """Raise UserError for folds of the rows that cannot be."""
    for fault in _of_folds(config):
        raise UserError(fault)


def _at(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key; None where there is none."""
    node: Any = config
    for name in key.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    return node


def _of_folds(config: Mapping[str, Any]) -> Iterator[str]:
    folds, fold = (_at(config, f"data.{key}") for key in ("folds", "fold"))
    if folds is None and fold is None:
        return
    if folds is None:
        yield f"data.fold={fold} needs the number of folds: type data.folds=5 data.fold={fold}, or leave both out."
    elif fold is None:
        yield (
            f"data.folds={folds} needs to know which of them validates: type data.fold=0 for one run, or"
            f' -m "data.fold=range({folds})" for a run for each; data.fold=all trains on all of them.'
        )
    elif fold != "all" and fold >= folds:
        yield f"data.fold={fold} is not one of data.folds={folds}: they are 0 to {folds - 1}."
    if _at(config, "data.split") == "time":
        yield (
            f"data.folds={folds} does not go with data.split=time: all folds but one, also those of the future, would train."
            " Type data.split=group data.split_by=<column> or data.split=fractions, or leave data.folds out."
        )
    if (path := _at(config, "data.val_path")) is not None:
        yield (
            f"data.folds={folds} takes its val rows from data.path, and data.val_path={path} names others: leave"
            " one of them out. data.test_path goes with folds."
        )


def _of_training(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a Trainer that loses its gradients, or never looks at the val rows at the end of an epoch."""
    trainer = config.get("trainer") or {}
    precision = trainer.get("precision")
    if "16" in str(precision) and _at(config, "model._target_") in ENDS_IN_SIGMOID:
        yield (
            f"trainer.precision={precision} does not go with a model that ends in a sigmoid and is trained with BCELoss: in 16"
            " bits a sigmoid is exactly 1 from a logit of 6 or so, and the gradient is gone. Type model=logits"
            f" trainer.precision={precision} (BCEWithLogitsLoss is safe there), or trainer.precision=32-true."
        )
    every, epochs = trainer.get("check_val_every_n_epoch"), trainer.get("max_epochs")
    if isinstance(every, int) and isinstance(epochs, int) and every > epochs and not trainer.get("fast_dev_run"):
        yield (
            f"trainer.check_val_every_n_epoch={every} looks at no val rows in trainer.max_epochs={epochs}, and the best epoch"
            " is chosen on them: type a smaller number, or data.val_fraction=0 to train without val rows."
        )
    if trainer.get("limit_val_batches") == 0:
        yield (
            "trainer.limit_val_batches=0 looks at no val rows, and the best epoch is chosen on them: leave it out, or type"
            " data.val_fraction=0 to train without val rows."
        )
    within = trainer.get("val_check_interval")
    if within is not None and not (isinstance(within, float) and within == 1):
        yield (
            f"trainer.val_check_interval={within} looks at the val rows inside an epoch, and weights are kept at its end:"
            " leave it out, or type +trainer.check_val_every_n_epoch=N to look less often."
        )
    yield from _of_first_step(config.get("optimizer") or {})


def _of_first_step(optimizer: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a learning rate whose first step float32 cannot hold: torch would end with an overflow."""
    lr, betas, decay = optimizer.get("lr"), optimizer.get("betas"), optimizer.get("weight_decay") or 0
    name = str(optimizer.get("_target_")).rpartition(".")[2]
    if not isinstance(lr, int | float) or name == "SGD":
        return
    first = float(betas[0]) if betas and isinstance(betas[0], int | float) else 0.9
    share = 1 - first if 0 <= first < 1 else 1.0
    if lr * max(1 / share, float(decay)) > LARGEST_FLOAT32:
        yield (
            f"optimizer.lr={lr:g} is too large for {name}: its first step is lr / (1 - beta1) = {lr / share:g}, and float32"
            f" holds no more than {LARGEST_FLOAT32:g}. Type a smaller one, as in optimizer.lr=0.01."
        )


def _of_the_penalty(config: Mapping[str, Any]) -> Iterator[str]:
    optimizer, l1 = str(_at(config, "optimizer._target_")), _at(config, "penalty.l1")
    if l1 and optimizer not in KNOWS_L1:
        yield (
            f"penalty.l1={l1:g} does not go with {optimizer.rpartition('.')[2]}: it takes optimizer=newton, sgd, adam or adamw."
            " An l2 penalty (penalty.l2) goes with every optimiser."
        )
    if _at(config, "penalty._target_") == "logitlab.penalties.Path" and optimizer != SOLVERS[0]:
        yield "penalty=path chooses among optima, and trains to that of the chosen penalty: type optimizer=newton with it."
    if _at(config, "penalty._target_") != NEEDS_HESSIANS:
        return
    if optimizer == HAS_NO_HESSIAN:
        yield "penalty=firth is made of the Hessian, which L-BFGS does without: type optimizer=newton, or sgd or adam."
    if (rows := _at(config, "data.batch_size")) is not None:
        yield (
            f"penalty=firth looks at all rows at once, and data.batch_size={rows} shows it some: type data.batch_size=null, or"
            " penalty=elastic_net penalty.l2=0.01."
        )


def _of_errors(config: Mapping[str, Any]) -> Iterator[str]:
    errors, interval = (_at(config, f"results.coefficients.{key}") for key in ("errors", "interval"))
    kind, is_robust = _at(config, "data.weight_kind"), errors in ("hc0", "hc1", "cluster")
    if errors == "cluster" and not _at(config, "data.cluster"):
        yield (
            "results.coefficients.errors=cluster needs the groups of dependent rows: type data=table data.cluster=COLUMN, the"
            " column whose values are the groups, or results.coefficients.errors=hc1 for independent rows."
        )
    if is_robust and _at(config, "penalty._target_") == NEEDS_HESSIANS:
        yield (
            f"results.coefficients.errors={errors} does not go with penalty=firth: where the classes are nearly"
            " separable robust errors are far too small. Type results.coefficients.errors=classical."
        )
    if interval == "profile" and is_robust:
        yield (
            f"results.coefficients.interval=profile does not go with results.coefficients.errors={errors}: the profile is of"
            " the likelihood, which robust errors do not trust. Type results.coefficients.interval=wald with them."
        )
    if interval == "profile" and kind == "sampling":
        yield (
            "results.coefficients.interval=profile does not go with data.weight_kind=sampling: sampling weights have no"
            " likelihood. Type results.coefficients.interval=wald."
        )
    if kind is not None and _at(config, "data.weight") is None:
        yield (
            f"data.weight_kind={kind} describes row weights, and there are none: type data.weight=COLUMN with it, or"
            " leave it out."
        )


def _of_solvers(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what newton and lbfgs would silently ignore."""
    target = str(_at(config, "optimizer._target_"))
    if target not in SOLVERS:
        return
    patience = _at(config, "callbacks.early_stopping.patience")
    if patience not in (None, "auto"):
        yield (
            f"callbacks.early_stopping.patience={patience} does not go with optimizer=newton or lbfgs, which go to the optimum"
            " by themselves and are not stopped on the way: leave it out, or type optimizer=adam."
        )
    name = target.rpartition(".")[2].lower()
    if _at(config, "lr_scheduler._target_"):
        yield (
            f"lr_scheduler does not go with optimizer={name}, which has no learning rate: it finds the length of each step"
            " itself. Type lr_scheduler=none, or optimizer=sgd or adam."
        )
    for key, nothing in NOT_FOR_SOLVERS.items():
        value = _at(config, key)
        if value in nothing and not (isinstance(value, int) and nothing == (None, 1.0)):
            continue
        why = "optimizer.tolerance sets where it stops" if key.endswith("tolerance") else "it steps once an epoch, on all rows"
        yield f"{key}={typed(value)} does not go with optimizer={name}: {why}. Leave {key} out, or type optimizer=sgd or adam."
