"""The LightningModule: a network, its loss, its optimiser, and what is logged of them."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torchmetrics import Metric

from logitlab import penalties
from logitlab.errors import RunError, UserError
from logitlab.losses import check_pair
from logitlab.metrics import BinaryMetrics
from logitlab.networks import Network
from logitlab.penalties import ElasticNet, Firth
from logitlab.proximal import shrink_after_steps
from logitlab.runs.versions import SCHEMA
from logitlab.solvers.solver import Solver
from logitlab.training.epoch_means import EpochMeans

Batch = tuple[Tensor, ...]
"""features (batch, features), target (batch, 1), 0 or 1, and, where rows have weights, weight (batch, 1)."""

EVERY_EPOCH = ("loss", "accuracy")
"""What is logged of the val rows after every epoch; the rest is worked out once, from the weights that are kept."""


class LogisticRegression(pl.LightningModule):
    """A network and its loss, trained by Lightning: one network, or many of one shape side by side, its members.

    With members the network, the loss and the penalty are stacked (logitlab.batched.stacked): what is () of one training, the
    losses, the means and what ends it, is (members,). The sum of the losses is differentiated, so that the gradient by one
    member's parameters is that of its own loss; what a member does never reaches another, not even a NaN.

    The loss is the mean over rows of -(y log p + (1 - y) log(1 - p)). `train/loss` of an epoch is the mean over its batches,
    each before its own update; over one batch of all rows that is the loss before the update, as the tutorials print it.
    `val/loss` is the same loss of the val rows, after the epoch's last update. No penalty is in any of them:
    `train/objective` is `train/loss` and the penalty together, where there is one.

    Attributes:
        converged: whether training ended at an optimum; None where nobody looked.
        threshold: a row is of class 1 where probability >= threshold; kept in the checkpoint.
        watched: metrics of the val rows that are logged after every epoch besides loss and accuracy: "auroc", ...
        takes_exact_features: a batch's features are `Features`, of which the optimiser makes float64 itself.
        active: what still trains, of bool; `stopping`: what ends with this epoch.
        failures: member -> why it failed.
    """

    takes_exact_features = False

    def __init__(
        self,
        network: Network,
        loss: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        threshold: float = 0.5,
        hparams: Mapping[str, Any] | None = None,
        watched: Iterable[str] = (),
        penalty: ElasticNet | Firth = penalties.NONE,
        lr_scheduler: Callable[[torch.optim.Optimizer], dict[str, Any]] | None = None,
        declared: Mapping[str, Metric] | None = None,
        members: int | None = None,
    ) -> None:
        """Wrap the parts.

        Args:
            network: features -> probability, or logit.
            loss: nn.BCELoss() for a probability, nn.BCEWithLogitsLoss() for a logit; mean over rows.
            optimizer: makes the optimiser from the network's parameters.
            threshold: a row is of class 1 where probability >= threshold.
            hparams: plain values that the checkpoint carries along.
            watched: metrics of the val rows to log after every epoch besides loss and accuracy.
            penalty: what large weights cost.
            lr_scheduler: makes Lightning's lr_scheduler_config (scheduler, interval, ...) of the optimiser; None: no schedule.
            declared: metrics of the config besides the usual ones, by name.
            members: how many networks are stacked in `network`; None: it is one.

        Raises:
            UserError: the loss does not go with what the network returns.
        """
        super().__init__()
        check_pair(network, loss)
        self.network = network
        self.loss = loss
        self.make_optimizer = optimizer
        self.threshold = threshold
        self.declared = dict(declared or {})
        self.watched = tuple(name for name in watched if name not in EVERY_EPOCH)
        self.save_hyperparameters(dict(hparams or {}), logger=False)
        self.penalty = penalty or penalties.NONE
        self.make_lr_scheduler = lr_scheduler
        self.converged: bool | None = None
        self._penalty_value = torch.tensor(0.0)
        self._epoch = EpochMeans()
        self._eval_means = EpochMeans()
        self._metrics: list[BinaryMetrics] = []
        self._learning_rate: Any = 0.0
        self.active = torch.ones(() if members is None else members, dtype=torch.bool)
        self.stopping = torch.zeros_like(self.active)
        self.failures: dict[int, str] = {}
        self._has_ended = False

    def forward(self, features: Tensor) -> Tensor:
        """Return the probability of class 1, (batch, 1), for features (batch, features)."""
        return self.network.probability(self.network(features))

    def configure_optimizers(self) -> Any:
        """Make the optimiser of the network's parameters, and its schedule."""
        optimizer = self.make_optimizer(self.network.parameters())
        has_l1 = not isinstance(self.penalty, Firth) and bool(torch.as_tensor(self.penalty.l1).any())
        if isinstance(optimizer, Solver):
            self.automatic_optimization = False  # a solver needs no gradients of single batches
            self.takes_exact_features = True
            rows = getattr(getattr(self.trainer, "datamodule", None), "examples", None)
            optimizer.prepare(self.penalty, getattr(self.loss, "pos_weight", None) or 1.0)
            if rows is not None:
                optimizer.choose_basis(rows.exact, rows.target)
        if has_l1 and not (isinstance(optimizer, Solver) and optimizer.takes_l1):
            one_or_stacked: Any = self.network, self.penalty
            shrink_after_steps(optimizer, *one_or_stacked)
        if self.make_lr_scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": self.make_lr_scheduler(optimizer)}

    def on_fit_start(self) -> None:
        """Train no further where the solver had nothing left to do when the run was saved."""
        self.trainer.should_stop = self.trainer.should_stop or self._has_ended

    def on_fit_end(self) -> None:
        """Take up what a solver says of its optimum, also where nothing was left to train."""
        if isinstance(self.trainer.optimizers[0], Solver):
            self.converged = self._solver.converged

    def on_train_start(self) -> None:
        """Refuse what would take Firth's penalty of every batch for that of all rows."""
        if isinstance(self.penalty, Firth) and self.trainer.num_training_batches > 1:
            raise UserError(
                "penalty=firth looks at all rows at once: type data.batch_size=null, or penalty=elastic_net penalty.l2=0.01."
            )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Return the batch's loss and penalty; with a solver, show it the batch and, after the last one, let it move.

        Raises:
            RunError: a probability is no number.
        """
        if not self.automatic_optimization:
            self._show_solver(batch)
            return None
        features, *answers = batch
        output = self.network(features)
        try:
            loss = self.loss(output, *answers)
        except RuntimeError:  # BCELoss refuses NaN, with words that are of no help
            if bool(output.isfinite().all()):
                raise
            raise self._no_number("A probability is no number") from None
        self._epoch.add(loss.detach(), *self._accuracy(output, *answers))
        if self.penalty is not penalties.NONE:
            penalty = self._smooth_penalty(features, output, *answers[1:])
            weights = (each.detach() for each in self.network.penalized())
            self._penalty_value = penalty.detach() if isinstance(self.penalty, Firth) else self.penalty(*weights)
            loss = loss + penalty
        return loss if loss.ndim == 0 else loss.sum()

    def on_train_epoch_start(self) -> None:
        """Note the learning rate with which the epoch begins: at its end a schedule has changed it already."""
        self._learning_rate = self.trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means.

        Straight to the loggers: `self.log` takes 0.25 ms a value and epoch, more than the whole epoch of a small table.

        Raises:
            RunError: the loss is no finite number; of a member, it fails alone.
        """
        means = self._epoch.named("train")
        self._epoch = EpochMeans()
        self.fail(~(loss := means["train/loss"]).isfinite(), f"train/loss is {float(loss) if not loss.ndim else 'no number'}")
        if self.penalty is not penalties.NONE:
            means["train/objective"] = means["train/loss"] + self._penalty_value
        self._log_epoch(means, {"train/learning_rate": self._learning_rate})
        self._step_plateau_schedulers()

    def stop(self, ended: Tensor) -> None:
        """Let what has ended, of bool, train no further than to the end of this epoch; when nothing is left, the fit ends."""
        if ended.any():
            self.stopping = self.stopping | ended.cpu()
            self.trainer.should_stop = self.trainer.should_stop or bool((self.stopping | ~self.active).all())

    def fail(self, broken: Tensor, what: str) -> None:
        """End what is broken, of bool: a single training with an error, members with a note of it.

        Raises:
            RunError: it is a single training.
        """
        if broken.any() and not self.active.ndim:
            raise self._no_number(what)
        for member in (broken.cpu() & self.active).nonzero()[:, 0].tolist() if self.active.ndim else ():
            self.failures.setdefault(member, str(self._no_number(what)))
        self.stop(broken)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Step a schedule; one that looks at a metric has been stepped at the end of the epoch, before the run was saved."""
        if metric is None:
            super().lr_scheduler_step(scheduler, metric)

    def _step_plateau_schedulers(self) -> None:
        # Lightning steps them after the callbacks have saved the run: the step of the saved epoch would be lost on resume
        for each in self.trainer.lr_scheduler_configs:
            is_due = (self.trainer.current_epoch + 1) % each.frequency == 0
            metric = self.trainer.callback_metrics.get(each.monitor or "")
            if each.reduce_on_plateau and is_due and metric is not None:
                each.scheduler.step(metric)  # type: ignore[arg-type]  # one that looks at a metric

    def on_validation_epoch_start(self) -> None:
        """Begin with no val rows."""
        self._begin_evaluation(with_metrics=bool(self.watched))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a batch of val rows."""
        self._update_metrics(batch)

    def on_validation_epoch_end(self) -> None:
        """Log `val/loss`, `val/accuracy` and what is watched; as cheaply as the training metrics during the fit."""
        values = self._evaluate("val", self.watched)
        if self.trainer.state.fn == "fit":
            self._log_epoch(values)
        else:
            self.log_dict(values)

    def on_test_epoch_start(self) -> None:
        """Begin with no test rows."""
        self._begin_evaluation(with_metrics=True)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a batch of test rows."""
        self._update_metrics(batch)

    def on_test_epoch_end(self) -> None:
        """Log `test/loss` and every metric of the test rows."""
        self.log_dict(self._evaluate("test"))

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the probabilities of class 1, (batch, 1)."""
        return self(batch[0])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the means and the learning rate of an unfinished epoch, the threshold and the recalibration."""
        checkpoint["schema"] = SCHEMA
        checkpoint["epoch_means"] = self._epoch.plain()
        checkpoint["learning_rate"] = self._learning_rate if self._epoch.rows else 0.0
        checkpoint["threshold"] = self.threshold
        checkpoint["recalibration"] = self.network.recalibration

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue with an unfinished epoch, and note whether a solver had nothing left to do."""
        self._epoch = EpochMeans(**checkpoint["epoch_means"])
        self._learning_rate = checkpoint.get("learning_rate", 0.0)
        states = checkpoint.get("optimizer_states", ())
        self._has_ended = any(state.get("solver", {}).get("finished", False) for state in states)

    @property
    def _solver(self) -> Solver:
        solver = self.trainer.optimizers[0]
        assert isinstance(solver, Solver)
        return solver

    def _show_solver(self, batch: Batch) -> None:
        solver = self._solver
        loss, accuracy = solver.accumulate(*batch)
        self._epoch.add(loss.float(), accuracy.float(), len(batch[0]))
        if self.trainer.is_last_batch:
            wrapped: Any = self.optimizers()
            wrapped.step(solver.evaluate)  # through Lightning's wrapper, which counts it and calls the hooks
            self._epoch = EpochMeans(solver.loss, solver.accuracy, self._epoch.rows)  # of the weights as they now are
            self._penalty_value = torch.tensor(solver.penalty_value)
            self.converged = solver.converged
            self.trainer.should_stop = self.trainer.should_stop or solver.finished

    def _smooth_penalty(self, features: Tensor, output: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the part of the penalty that has a gradient, ()."""
        if isinstance(self.penalty, Firth):
            return self.penalty(features, self.network.probability(output), weight)
        return self.penalty.smooth(*self.network.penalized())

    @torch.no_grad()
    def _accuracy(self, output: Any, target: Any, weight: Any = None) -> tuple[Tensor, Any]:
        """Return the accuracy of a batch and its rows; of members with several tables, of each table's."""
        if not isinstance(output, Tensor):
            found = [self._accuracy(*part) for part in zip(output, target, *([] if weight is None else [weight]), strict=True)]
            rows = [torch.full_like(accuracy, rows, dtype=torch.float64) for accuracy, rows in found]
            return torch.cat([accuracy for accuracy, _ in found]), torch.cat(rows)
        right = ((self.network.probability(output) >= self.threshold) == target.bool()).float()
        return (right if weight is None else right * weight).mean((-2, -1)), output.shape[-2]

    def _no_number(self, what: str) -> RunError:
        return RunError(
            f"{what} in epoch {self.trainer.current_epoch}: nothing can be learnt from here on, so training stops and what was"
            " saved before stays. Most often optimizer.lr is too large: type a tenth of it. Features of very different size"
            " want standard scaling."
        )

    def _log_epoch(self, means: Mapping[str, Tensor], others: Mapping[str, float] | None = None) -> None:
        trainer = self.trainer
        trainer.callback_metrics.update(means)
        values = {name: mean if mean.ndim else float(mean) for name, mean in means.items()} | dict(others or {})
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.global_step - 1)  # type: ignore[arg-type]  # of members, tensors

    def _begin_evaluation(self, with_metrics: bool) -> None:
        self._eval_means = EpochMeans()
        each = [copy.deepcopy(self.declared) if self.active.ndim else self.declared for _ in range(self.active.numel())]
        self._metrics = [BinaryMetrics(self.threshold, declared=declared) for declared in each if with_metrics]

    def _update_metrics(self, batch: Batch) -> None:
        features, *answers = map(self.network.as_input, batch)
        output = self.network(features)
        self._eval_means.add(self.loss(output, *answers), *self._accuracy(output, *answers))
        for metrics, (network, rows) in zip(self._metrics, self._each(batch), strict=bool(self._metrics)):
            probability, logit = network.scores(rows[0])
            target, *weight = map(network.as_input, rows[1:])
            metrics.update(probability, target, weight[0] if weight else None, logit)

    def _each(self, batch: Batch) -> Iterator[tuple[Network, Batch]]:
        """Yield every network with its rows of a batch of val or test rows."""
        network: Any = self.network
        return iter([(network, batch)]) if not self.active.ndim else network.with_rows(batch)

    def _evaluate(self, split: str, wanted: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Return loss and accuracy, and the metrics of these names, or all; by the names under which they are logged."""
        values = self._eval_means.named(split)
        if self._metrics:
            each = [metrics.compute() for metrics in self._metrics]
            for name in each[0] if wanted is None else wanted:
                values[f"{split}/{name}"] = torch.tensor([metrics[name] for metrics in each]).reshape(self.active.shape)
        return values
