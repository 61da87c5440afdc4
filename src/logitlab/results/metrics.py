"""Every metric of every split, from the weights that are kept."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from logitlab.data.examples import Examples
from logitlab.log.summary import decimal, metrics_table
from logitlab.losses import WeightedCrossEntropy
from logitlab.metrics import binary_metrics, declared_values, undefined
from logitlab.results.result import Fit, Result, Row
from logitlab.training.module import LogisticRegression

SPLITS = ("train", "val", "test")
CHUNK_ROWS = 65_536
CURVES = (
    "log_loss",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "auroc",
    "average_precision",
    "brier",
    "calibration_error",
)
"""Metrics that TensorBoard shows of val and test rows; it has val/loss and val/accuracy of every epoch already."""


class Metrics(Result):
    """Adds `train/auroc`, `val/brier`, ... to the metrics of the run.

    Where there are val rows, the weights are those of the best epoch, and loss and accuracy of every split are worked out
    from them too. Without val rows the weights are the last ones, and train/loss and train/accuracy stay those of the last
    epoch, which precede its last update.
    """

    def __call__(self, fit: Fit) -> list[Row]:
        """Work out the metrics; return the summary's lines of them."""
        datamodule, module = fit.datamodule, fit.module
        splits = {name: rows for name in SPLITS if (rows := datamodule.rows(name)) is not None}
        negative, positive = splits["train"].class_weights
        metrics = {
            name: split_metrics(module, rows, base_rate=positive / (negative + positive)) for name, rows in splits.items()
        }
        if "val" not in splits:
            curve = {name: fit.metrics.get(f"train/{name}") for name in ("loss", "accuracy")}
            metrics["train"] |= {name: value for name, value in curve.items() if value is not None}
        for name, values in metrics.items():
            fit.metrics.update({f"{name}/{metric}": value for metric, value in values.items()})
        curves = (*CURVES, *module.declared)
        self._log(fit, {f"{name}/{metric}": metrics[name][metric] for name in splits if name != "train" for metric in curves})
        if len(splits) > 1:
            dashes = [(f"-, {name}", reason) for name, values in metrics.items() if (reason := undefined(values))]
            return [*metrics_table(metrics, module.declared), *dashes, *_kept(fit, "val" in splits)]
        return [(f"train/{name}", decimal(metrics["train"][name], ".6f")) for name in ("loss", "accuracy")]

    def _log(self, fit: Fit, values: Mapping[str, float]) -> None:
        finite = {name: value for name, value in values.items() if value == value}
        for logger in fit.training.loggers if finite else ():
            logger.log_metrics(finite, step=fit.training.steps)


def _kept(fit: Fit, has_val: bool) -> list[Row]:
    """Return which weights these are, and from which probability on a row is of class 1."""
    rows = [("threshold", f"{fit.module.threshold:.4g}")]
    if fit.training.converged:
        return [*rows, ("weights", "of the last epoch: the optimiser converged")]
    if fit.training.solver is not None:
        return [*rows, ("weights", "of the last epoch: a solver is not stopped on its way")]
    if has_val and fit.training.best_epoch is not None:
        best = f"of epoch {fit.training.best_epoch} of {fit.training.epochs}, the best by {fit.monitor.name}"
        rows.append(("weights", best))
    return rows


@torch.no_grad()
def split_metrics(module: LogisticRegression, rows: Examples, base_rate: float) -> dict[str, float]:
    """Return the loss and every metric of some rows; the loss has its `pos_weight`, the metrics have not."""
    probability, logit = module.network.scores(rows.exact)
    found = binary_metrics(probability, rows.target[:, 0], _weight(rows), module.threshold, base_rate, logit)
    return {"loss": _loss(module, rows)} | found | declared_values(module.declared, probability, rows.target[:, 0])


@torch.no_grad()
def probabilities(module: LogisticRegression, rows: Examples) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return what the module makes of some rows and what is right: probability, target and weight, (rows,) each."""
    return module.network.scores(rows.exact)[0], rows.target[:, 0], _weight(rows)


def _loss(module: LogisticRegression, rows: Examples) -> float:
    """Return the loss: that of this project from logits in float64, another one as it is."""
    answers = rows.answers
    if type(module.loss) in (nn.BCELoss, nn.BCEWithLogitsLoss, WeightedCrossEntropy):
        from_logits = WeightedCrossEntropy(getattr(module.loss, "pos_weight", None) or 1.0, takes_logits=True)
        return float(from_logits(module.network.exact_logit(rows.exact)[:, None], *(each.double() for each in answers)))
    network = module.network.eval()
    output = torch.cat([network(network.as_input(part)) for part in rows.exact.split(CHUNK_ROWS)])
    return float(module.loss(output, *(answer.to(output) for answer in answers)))


def _weight(rows: Examples) -> Tensor | None:
    return None if rows.weight is None else rows.weight[:, 0]
