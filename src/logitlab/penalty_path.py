"""penalty=path: which elastic net a run trains with, chosen on its val rows before anything else is built."""

import copy

from omegaconf import DictConfig

from logitlab.data.datamodule import InMemoryDataModule
from logitlab.errors import UserError
from logitlab.losses import positive_weight
from logitlab.penalties import ElasticNet, Path


def with_chosen_penalty(cfg: DictConfig, datamodule: InMemoryDataModule) -> DictConfig:
    """Return the config with the elastic net that penalty=path chooses on the val rows; of another penalty as it is.

    Raises:
        UserError: there are no val rows to choose on, or the training rows are of one class.
    """
    if cfg.penalty is None or cfg.penalty.get("_target_") != _name(Path):
        return cfg
    from logitlab.paths.cross_validation import on_validation

    path = Path(**{str(key): value for key, value in cfg.penalty.items() if key != "_target_"})
    train, val = datamodule.examples, datamodule.rows("val")
    if val is None:
        raise UserError(
            "penalty=path is chosen on the val rows, and there are none: type data.val_fraction=0.2, or choose by folds:"
            " python select_penalty.py selection.l1_ratio=1."
        )
    if not all(train.class_weights):
        raise UserError("penalty=path needs training rows of both classes: type another penalty, as in penalty=weak.")
    pos_weight = positive_weight(cfg.loss.get("pos_weight"), train.class_weights)
    most = cfg.trainer.max_epochs
    found = on_validation(train, val, path.l1_ratio, path.count, cfg.optimizer.tolerance, pos_weight, most)
    l1, l2 = path.l1_ratio * found.strength, (1 - path.l1_ratio) * found.strength
    print(
        f"penalty=path: penalty.l1={l1:.4g} penalty.l2={l2:.4g} has the smallest log loss on the val rows, {found.loss:.6f},"
        f" of {path.count} strengths from {found.strongest:.4g} to {found.weakest:.4g}"
    )
    chosen = copy.deepcopy(cfg)
    chosen.penalty = {"_target_": _name(ElasticNet), "l1": l1, "l2": l2}
    return chosen


def _name(part: type) -> str:
    return f"{part.__module__}.{part.__qualname__}"
