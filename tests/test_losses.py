"""The losses against torch's, scikit-learn's, and each other."""

import pytest
import torch
from sklearn.metrics import log_loss
from torch import nn

from logitlab.errors import UserError
from logitlab.losses import binary_cross_entropy
from logitlab.networks import Logits, Sequential

FORMS = [Sequential, Logits]


def rows(seed: int = 1):
    """Return logits, target and weight of mean one, each (200, 1)."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(200, 1, generator=generator) * 3
    target = (torch.rand(200, 1, generator=generator) < 0.3).float()
    weight = torch.rand(200, 1, generator=generator) + 0.1
    return logits, target, weight / weight.mean()


def output(form: type, logits: torch.Tensor) -> torch.Tensor:
    return logits if form is Logits else logits.sigmoid()


def test_without_weights_it_is_torchs_own_loss() -> None:
    assert type(binary_cross_entropy(Sequential(1))) is nn.BCELoss
    assert type(binary_cross_entropy(Logits(1))) is nn.BCEWithLogitsLoss


@pytest.mark.parametrize("form", FORMS)
def test_pos_weight_is_torchs(form: type) -> None:
    logits, target, _ = rows()
    ours = binary_cross_entropy(form(1), pos_weight=2.5)(output(form, logits), target)
    assert ours.item() == pytest.approx(nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.5))(logits, target).item(), rel=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_row_weights_are_scikit_learns(form: type) -> None:
    logits, target, weight = rows()
    ours = binary_cross_entropy(form(1), row_weights=True)(output(form, logits), target, weight)
    truth = log_loss(target[:, 0].numpy(), logits.sigmoid()[:, 0].double().numpy(), sample_weight=weight[:, 0].numpy())
    assert ours.item() == pytest.approx(truth, rel=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_balanced_makes_the_classes_count_alike(form: type) -> None:
    _, target, weight = rows()
    class_weights = (float((weight * (1 - target)).sum()), float((weight * target).sum()))
    loss = binary_cross_entropy(form(1), "balanced", class_weights, row_weights=True)
    logits = torch.zeros_like(target, requires_grad=True)
    loss(output(form, logits), target, weight).backward()
    assert logits.grad is not None
    assert logits.grad.sum().item() == pytest.approx(0, abs=1e-6)  # a half is then the best constant


def test_both_forms_have_one_gradient() -> None:
    logits, target, weight = rows()
    gradients = []
    for form in FORMS:
        start = logits.double().requires_grad_()
        binary_cross_entropy(form(1), 3.0, row_weights=True)(output(form, start), target.double(), weight.double()).backward()
        gradients.append(start.grad)
    torch.testing.assert_close(*gradients)


def test_batches_average_to_the_whole() -> None:
    logits, target, weight = rows()
    loss = binary_cross_entropy(Logits(1), 2.0, row_weights=True)
    whole = loss(logits, target, weight)
    parts = [loss(logits[at], target[at], weight[at]) for at in torch.arange(200).split(50)]
    torch.testing.assert_close(torch.stack(parts).mean(), whole)


def test_balanced_needs_both_classes() -> None:
    with pytest.raises(UserError, match="both classes"):
        binary_cross_entropy(Logits(1), "balanced", class_weights=(5.0, 0.0))


def test_beyond_a_logit_of_16_6_only_the_logits_form_still_learns() -> None:
    gradients = {}
    for form in FORMS:
        network = form(1, weight=1, bias=0)
        binary_cross_entropy(network)(network(torch.tensor([[20.0]])), torch.tensor([[0.0]])).backward()
        gradients[form] = next(network.parameters()).grad.item()
    assert gradients == {Sequential: 0.0, Logits: 20.0}
