"""Every member of a batched program ends where its own run ends; the ordinary module and Trainer are the truth."""

from functools import partial

import lightning.pytorch as pl
import pytest
import torch

from logitlab import logging_setup, networks
from logitlab.batched.batches import member_batches
from logitlab.batched.optimizers import BATCHED
from logitlab.batched.stacked import CannotStackError, StackedLoss, StackedNetwork
from logitlab.data.datamodule import InMemoryDataModule
from logitlab.data.examples import Examples
from logitlab.losses import binary_cross_entropy
from logitlab.training.module import LogisticRegression
from logitlab.training.profiler import NoProfiler

NETWORKS = [networks.Sequential, networks.BinaryClassifier, networks.Tensors, networks.Logits]
OPTIMIZERS = {
    "sgd": (torch.optim.SGD, [{"lr": lr} for lr in (1.0, 0.1, 0.01)]),
    "momentum": (torch.optim.SGD, [{"lr": 0.1, "momentum": m} for m in (0.0, 0.5, 0.9)]),
    "nesterov": (torch.optim.SGD, [{"lr": 0.1, "momentum": 0.9, "nesterov": n} for n in (True, False, True)]),
    "damped": (torch.optim.SGD, [{"lr": 0.1, "momentum": 0.9, "dampening": d} for d in (0.0, 0.3, 0.9)]),
    "decay": (torch.optim.SGD, [{"lr": 0.5, "weight_decay": w} for w in (0.0, 0.1, 0.5)]),
    "adam": (torch.optim.Adam, [{"lr": lr, "betas": (b, 0.99)} for lr, b in ((0.1, 0.9), (0.01, 0.8), (0.5, 0.5))]),
    "adam decay": (torch.optim.Adam, [{"lr": 0.1, "weight_decay": w, "eps": e} for w, e in ((0, 1e-8), (1, 1e-3), (0.1, 1))]),
    "adamw": (torch.optim.AdamW, [{"lr": 0.1, "weight_decay": w} for w in (0.0, 0.1, 0.5)]),
}
BATCHES = {"full": (None, False), "mini": (7, False), "shuffled": (7, True), "full shuffled": (None, True)}
SEEDS = (1, 2, 2)
EPOCHS = 12


@pytest.fixture(autouse=True)
def _quiet():
    logging_setup.quiet_libraries()


def rows(dtype: torch.dtype = torch.float64) -> Examples:
    """31 rows, 4 features of different scale, not separable."""
    generator = torch.Generator().manual_seed(5)
    features = torch.randn(31, 4, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 2.0, 0.5, 3.0])
    logit = features @ torch.tensor([1.0, -0.5, 2.0, 0.2], dtype=torch.float64) + 0.3
    target = (torch.rand(31, generator=generator) < torch.sigmoid(logit)).double()[:, None]
    return Examples(features.to(dtype), target.to(dtype), ("a", "b", "c", "d"), "y")


def trainer(precision: str, epochs: int = EPOCHS) -> pl.Trainer:
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        precision=precision,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        profiler=NoProfiler(),
    )


def start(network_class, seed):
    torch.manual_seed(seed)
    return network_class(4)


class Noting(LogisticRegression):
    """Notes the loss of every epoch."""

    losses: list[torch.Tensor]

    def on_train_epoch_end(self):
        super().on_train_epoch_end()
        self.losses.append(self.trainer.callback_metrics["train/loss"])


def alone(network_class, make, data, seed, precision):
    """The ordinary run: (network, curve of the loss, optimiser state)."""
    network = start(network_class, seed)
    module = Noting(network, binary_cross_entropy(network), make)
    module.losses = []
    fit = trainer(precision)
    fit.fit(module, data(seed))
    return network, module.losses, fit.optimizers[0].state_dict()["state"]


def together(network_class, target, numbers, data, precision):
    """The members: (module, optimiser, losses by epoch, (epochs, members))."""
    seeds = SEEDS[: len(numbers)]
    networks = [start(network_class, seed) for seed in seeds]
    parameters = len(list(networks[0].parameters()))
    owns = [target([torch.nn.Parameter(torch.zeros(1)) for _ in range(parameters)], **each) for each in numbers]
    stacked = StackedNetwork(networks)
    loss = StackedLoss([binary_cross_entropy(network) for network in networks])
    module = Noting(stacked, loss, lambda parameters: BATCHED[target](parameters, owns), members=len(seeds))
    module.losses = []
    fit, inner = trainer(precision), data(seeds[0])
    inner.trainer = fit
    fit.fit(module, member_batches(inner.train_dataloader(), seeds))
    return stacked, fit.optimizers[0], torch.stack(module.losses)


def check_members(network_class, name, batches, precision, tolerance):
    target, numbers = OPTIMIZERS[name]
    batch_size, shuffle = BATCHES[batches]
    dtype = torch.float64 if precision == "64-true" else torch.float32
    close = partial(torch.testing.assert_close, rtol=tolerance, atol=tolerance)

    def data(seed):
        return InMemoryDataModule(rows(dtype), "none", batch_size, shuffle, seed)

    stacked, optimizer, losses = together(network_class, target, numbers, data, precision)
    for member, (seed, arguments) in enumerate(zip(SEEDS, numbers, strict=True)):
        network, own_losses, state = alone(network_class, partial(target, **arguments), data, seed, precision)
        close(stacked.state(member), {key: value.detach() for key, value in network.named_parameters()})
        close(losses[:, member], torch.stack(own_losses))
        expected = {place: {key: value for key, value in each.items() if value is not None} for place, each in state.items()}
        close(optimizer.member_state(member), {place: each for place, each in expected.items() if each})


# A Latin square: every optimiser meets every way of batching, and every network meets each of both.
@pytest.mark.parametrize(("column", "batches"), list(enumerate(BATCHES)))
@pytest.mark.parametrize(("row", "name"), list(enumerate(OPTIMIZERS)))
def test_every_member_is_its_own_run(row, name, column, batches):
    check_members(NETWORKS[(row + column) % len(NETWORKS)], name, batches, "64-true", 1e-10)


# The products of the two are summed in another order, so a step differs by a few units in the last place (6e-8 relative);
# descent on a convex loss forgets such differences, Adam's division by a small root enlarges them.
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_float32_members_are_their_own_runs_to_five_digits(name):
    check_members(networks.Sequential, name, "shuffled", "32-true", 2e-5)


@pytest.mark.parametrize("name", ["sgd", "nesterov", "adam decay"])
@pytest.mark.parametrize("batches", ["full", "shuffled"])
def test_members_of_any_network_are_their_own_runs(name, batches):
    check_members(networks.MLP, name, batches, "64-true", 1e-10)


def test_a_network_with_buffers_is_refused_by_name():
    network = networks.Logits(3)
    network.norm = torch.nn.BatchNorm1d(3)
    with pytest.raises(CannotStackError, match=r"Logits has a buffer, norm\.running_mean"):
        StackedNetwork([network, network])
