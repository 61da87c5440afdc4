"""The module: what is logged in an epoch, and how val and test rows are evaluated."""

import lightning.pytorch as pl
import pytest
import torch
from torch import nn

from logitlab import logging_setup
from logitlab.data.datamodule import InMemoryDataModule, Prepared
from logitlab.data.toy import toy
from logitlab.errors import RunError, UserError
from logitlab.losses import binary_cross_entropy
from logitlab.networks import Logits, Network, Sequential, Tensors
from logitlab.training.epoch_means import EpochMeans
from logitlab.training.module import LogisticRegression


def with_validation() -> InMemoryDataModule:
    """Return the toy rows for training, for validation and for testing, in batches of 4 and 2."""
    data = InMemoryDataModule(toy())
    prepared = Prepared({split: toy() for split in ("train", "val", "test")}, data.preprocessing)
    return InMemoryDataModule(prepared, batch_size=4)


def module(network: Network, lr: float = 1.0, **kwargs) -> LogisticRegression:
    make = lambda parameters: torch.optim.SGD(parameters, lr=lr)  # noqa: E731
    return LogisticRegression(network, binary_cross_entropy(network), make, **kwargs)


def trainer(**kwargs) -> pl.Trainer:
    logging_setup.quiet_libraries()
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0}
    return pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, **quiet, **kwargs)


def loss_of(network: Network, data: InMemoryDataModule, rows: slice = slice(None)) -> float:
    probability = network.probability(network(data.examples.features[rows])).detach()
    return nn.functional.binary_cross_entropy(probability, data.examples.target[rows]).item()


def test_the_epochs_loss_is_the_mean_over_rows_each_before_its_update() -> None:
    data = InMemoryDataModule(toy(), batch_size=4)  # 4 rows, then 2
    fitted, reference = module(Tensors(2)), Tensors(2)
    first = loss_of(reference, data, slice(0, 4))
    optimizer = torch.optim.SGD(reference.parameters(), lr=1.0)
    binary_cross_entropy(reference)(reference(data.examples.features[:4]), data.examples.target[:4]).backward()
    optimizer.step()
    second = loss_of(reference, data, slice(4, 6))
    fit = trainer(max_epochs=1)
    fit.fit(fitted, data)
    assert float(fit.callback_metrics["train/loss"]) == pytest.approx((4 * first + 2 * second) / 6)


def test_epoch_means_weigh_batches_by_their_rows() -> None:
    means = EpochMeans()
    for loss, accuracy, rows in (1.0, 1.0, 3), (4.0, 0.0, 1), (2.0, 0.5, 4):
        means.add(torch.tensor(loss), torch.tensor(accuracy), rows)
    assert means.plain() == {"loss": pytest.approx(15 / 8), "accuracy": pytest.approx(5 / 8), "rows": 8}
    continued = EpochMeans(**means.plain())
    continued.add(torch.tensor(15 / 8), torch.tensor(5 / 8), 8)
    assert continued.plain() == {"loss": pytest.approx(15 / 8), "accuracy": pytest.approx(5 / 8), "rows": 16}


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_a_row_is_of_class_1_from_the_threshold_up(threshold: float) -> None:
    fitted = module(Logits(1, weight=1, bias=0), threshold=threshold)
    logit = torch.logit(torch.tensor([[0.1], [threshold], [0.9]], dtype=torch.float64)).float()
    probability = torch.sigmoid(logit)
    fitted.threshold = float(probability[1])
    for target, accuracy in ([0, 1, 1], 1.0), ([0, 0, 1], 2 / 3):
        assert fitted._accuracy(logit, torch.tensor(target)[:, None])[0].item() == pytest.approx(accuracy)


@pytest.mark.parametrize("network_type", [Sequential, Logits])
def test_val_and_test_metrics_are_those_of_all_rows(network_type: type[Network]) -> None:
    data = with_validation()
    fitted = module(network_type(2, weight=[0.5, -0.2], bias=-1.0), lr=1e-12)  # too small to move a weight
    fit = trainer(max_epochs=1)
    fit.fit(fitted, data)
    loss = loss_of(fitted.network, data)
    accuracy = float(((fitted(data.examples.features) >= 0.5) == data.examples.target).float().mean())
    assert float(fit.callback_metrics["val/loss"]) == pytest.approx(loss)
    assert float(fit.callback_metrics["val/accuracy"]) == pytest.approx(accuracy)
    assert float(fit.callback_metrics["train/loss"]) == pytest.approx(loss)
    (tested,) = fit.test(fitted, data, verbose=False)
    assert tested["test/loss"] == pytest.approx(loss)
    assert tested["test/accuracy"] == pytest.approx(accuracy)


def test_predictions_are_probabilities_whatever_the_network_returns() -> None:
    predictions = {}
    for network_type in Sequential, Logits:
        fitted = module(network_type(2, weight=[1, -1], bias=0.5))
        predictions[network_type] = fitted.predict_step((toy().features, toy().target), 0)
    torch.testing.assert_close(predictions[Sequential], predictions[Logits])
    assert ((predictions[Logits] > 0) & (predictions[Logits] < 1)).all()


@pytest.mark.parametrize(("network", "loss"), [(Sequential(2), nn.BCEWithLogitsLoss()), (Logits(2), nn.BCELoss())])
def test_a_loss_that_does_not_go_with_the_network_is_refused(network: Network, loss: nn.Module) -> None:
    with pytest.raises(UserError, match="does not go with"):
        LogisticRegression(network, loss, torch.optim.SGD)


def test_a_loss_that_is_no_number_stops_training() -> None:
    examples = toy().but(features=toy().features * 1e30)
    with pytest.raises(RunError, match=r"train/loss is (nan|inf) in epoch [12]: .*optimizer\.lr"):
        trainer(max_epochs=50).fit(module(Logits(2, weight=0, bias=0)), InMemoryDataModule(examples))
