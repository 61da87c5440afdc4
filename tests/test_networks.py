"""Networks: the four ways to write one are one, and it is 1 / (1 + exp(-(xw + b)))."""

import pytest
import torch

from logitlab.errors import UserError
from logitlab.losses import binary_cross_entropy
from logitlab.networks import BinaryClassifier, LinearNetwork, Logits, Network, Sequential, Tensors

ALL = (Sequential, BinaryClassifier, Tensors, Logits)
WEIGHT, BIAS = [0.3, -1.2, 2.0], -0.7


def rows(count: int = 50) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


@pytest.mark.parametrize("network_type", ALL)
def test_probability_is_the_closed_form(network_type: type[LinearNetwork]) -> None:
    network = network_type(3, weight=WEIGHT, bias=BIAS).double()
    with torch.no_grad():
        found = network.probability(network(rows()))
    expected = 1 / (1 + torch.exp(-(rows() @ torch.tensor(WEIGHT, dtype=torch.float64) + BIAS)))
    assert found.shape == (50, 1)
    torch.testing.assert_close(found[:, 0], expected, atol=1e-7, rtol=0)  # the start is rounded to float32


@pytest.mark.parametrize("network_type", ALL)
def test_weight_and_bias_are_views_of_what_is_trained(network_type: type[LinearNetwork]) -> None:
    network = network_type(3, weight=WEIGHT, bias=BIAS)
    assert network.weight.tolist() == torch.tensor(WEIGHT).tolist()
    assert network.bias.item() == pytest.approx(BIAS)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2)
    assert network.weight.shape == (3,)
    assert network.bias.shape == ()
    torch.testing.assert_close(network.weight, 2 * torch.tensor(WEIGHT))
    torch.testing.assert_close(network.bias, torch.tensor(2 * BIAS))


@pytest.mark.parametrize("network_type", ALL)
def test_gradient_is_that_of_the_mean_cross_entropy(network_type: type[LinearNetwork]) -> None:
    network = network_type(3, weight=WEIGHT, bias=BIAS).double()
    x, y = rows(), (rows().sum(dim=1, keepdim=True) > 0).double()
    binary_cross_entropy(network)(network(x), y).backward()
    gradient = torch.cat([parameter.grad.flatten() for parameter in network.parameters()])
    probability = network.probability(network(x)).detach()
    expected = torch.cat([(x * (probability - y)).mean(dim=0), (probability - y).mean(dim=0)])
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("network_type", ALL)
def test_gradient_agrees_with_finite_differences(network_type: type[LinearNetwork]) -> None:
    network = network_type(3, weight=WEIGHT, bias=BIAS).double()
    loss, y = binary_cross_entropy(network), (rows(20)[:, :1] > 0).double()

    def value(*parameters: torch.Tensor) -> torch.Tensor:
        named = dict(zip(dict(network.named_parameters()), parameters, strict=True))
        return loss(torch.func.functional_call(network, named, rows(20)), y)

    assert torch.autograd.gradcheck(value, tuple(network.parameters()))


@pytest.mark.parametrize("network_type", ALL)
def test_torch_s_own_start_is_the_tutorial_s(network_type: type[LinearNetwork]) -> None:
    torch.manual_seed(1)
    reference = torch.nn.Linear(3, 1)
    torch.manual_seed(1)
    network = network_type(3, weight=None, bias=None)
    assert torch.equal(network.weight, reference.weight[0])
    assert torch.equal(network.bias, reference.bias[0])


@pytest.mark.parametrize("network_type", ALL)
def test_a_single_number_starts_every_weight(network_type: type[LinearNetwork]) -> None:
    assert network_type(3, weight=0.5, bias=0).weight.tolist() == [0.5, 0.5, 0.5]


def test_tensors_start_at_zero_unless_told() -> None:
    network = Tensors(3)
    assert (network.weight.tolist(), network.bias.item()) == ([0.0, 0.0, 0.0], 0.0)


@pytest.mark.parametrize("network_type", ALL)
@pytest.mark.parametrize("weight", [[1.0], [1.0, 2.0], [1.0] * 4, []])
def test_a_wrong_number_of_weights_is_the_users_mistake(network_type: type[LinearNetwork], weight: list[float]) -> None:
    with pytest.raises(UserError, match=f"model.weight has {len(weight)} values and the data has 3 features"):
        network_type(3, weight=weight)


def test_an_abstract_network_is_not_built() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Network()
