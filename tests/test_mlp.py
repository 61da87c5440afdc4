"""A network that is not linear: its formula, its penalty, and that nothing is said of it that is true of a line only."""

import numpy as np
import pytest
import torch

from logitlab.errors import UserError
from logitlab.networks import ACTIVATIONS, MLP, Network, PlainModule, check_output
from logitlab.penalties import ElasticNet

FAST = ("model=mlp", "data=study", "optimizer=adam", "trainer.max_epochs=20")


def rows(count: int = 50) -> torch.Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def mlp() -> MLP:
    torch.manual_seed(3)
    return MLP(3, width=5)


def test_the_logit_is_the_closed_form() -> None:
    network, x = mlp().double(), rows().numpy()
    w1, b1, w2, b2 = (each.detach().numpy() for each in network.parameters())
    expected = np.tanh(x @ w1.T + b1) @ w2.T + b2
    np.testing.assert_allclose(network(rows()).detach().numpy(), expected, rtol=1e-12)
    probability, logit = network.scores(rows())
    np.testing.assert_allclose(logit.numpy(), expected[:, 0], rtol=1e-12)
    np.testing.assert_allclose(probability.numpy(), 1 / (1 + np.exp(-expected[:, 0])), rtol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains_all_its_weights(activation: str) -> None:
    network = MLP(3, width=4, activation=activation)
    network(rows().float()).sum().backward()
    assert all(bool((each.grad != 0).any()) for each in network.parameters() if each.grad is not None)
    assert sum(each.numel() for each in network.parameters()) == 3 * 4 + 4 + 4 + 1


@pytest.mark.parametrize(("width", "activation"), [(0, "tanh"), (-1, "tanh"), (2.5, "tanh"), (True, "tanh"), (4, "tan")])
def test_a_wrong_argument_is_refused_by_the_constructor(width: int, activation: str) -> None:
    with pytest.raises(UserError, match=r"model\.(width|activation)=.* is not allowed"):
        MLP(3, width, activation)


def test_l2_counts_all_weights_but_biases() -> None:
    network = mlp()
    w1, _, w2, _ = (each.detach() for each in network.parameters())
    expected = 0.3 / 2 * (float(w1.square().sum()) + float(w2.square().sum()))
    assert ElasticNet(l2=0.3)(*network.penalized()).item() == pytest.approx(expected, rel=1e-6)


def test_a_plain_module_is_a_network_once_it_is_known_what_it_returns() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Sigmoid()).double()
    network = PlainModule(module, returns_logits=False)
    expected = module(rows())[:, 0]
    probability, logit = network.scores(rows())
    torch.testing.assert_close(probability, expected.float())
    torch.testing.assert_close(logit.sigmoid(), expected)


class Flat(torch.nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)[:, 0]


@pytest.mark.parametrize(
    ("module", "returns_logits", "words"),
    [
        (torch.nn.Linear(3, 2), True, r"returns a tensor of shape \(50, 2\) for 50 rows"),
        (Flat(3, 1), True, r"returns a tensor of shape \(50,\) for 50 rows"),
        (torch.nn.Linear(4, 1), True, r"does not take features of shape \(50, 3\)"),
        (torch.nn.Linear(3, 1), False, "which is no probability"),
        (torch.nn.LSTM(3, 1), True, "returns a tuple"),
    ],
)
def test_an_output_of_another_shape_is_refused_in_words(module: torch.nn.Module, returns_logits: bool, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_output(PlainModule(module, returns_logits), rows().float())


def test_a_network_is_checked_as_in_evaluation_and_left_as_it_was() -> None:
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Dropout(0.5), torch.nn.Linear(3, 1)).train()
    before, state = {name: value.clone() for name, value in module.state_dict().items()}, torch.get_rng_state()
    network: Network = PlainModule(module, returns_logits=True)
    check_output(network, rows().float())
    assert network.training and module.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_run_has_no_coefficients_and_one_line_says_so(fit, capsys) -> None:
    run = fit(*FAST, "penalty.l2=0.01")
    said = capsys.readouterr().out
    assert said.count("coefficients, certificate: only a linear network has them") == 1
    for word in ("weight of", "bias", "optimum", "converged", "separable"):
        assert word not in said
    assert not (run.path / "coefficients.csv").exists()
    assert "separable" not in run.json()
    tags = run.events().Tags()["scalars"]
    assert "train/gradient_norm" in tags
    assert not [tag for tag in tags if tag.startswith(("weight/", "bias"))]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimizer=newton", "optimizer=newton asks for a linear network"),
        ("optimizer=lbfgs", "optimizer=lbfgs asks for a linear network"),
        ("penalty.l1=0.1", "penalty.l1=0.1 asks for a linear network"),
        ("penalty=firth", "penalty=firth asks for a linear network"),
        ("loss.takes_logits=false", "loss.takes_logits=false does not go with MLP, which returns a logit"),
    ],
)
def test_what_needs_coefficients_is_refused_before_the_fit(fit, override: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        fit(*FAST, override)


def test_a_run_resumes_bit_for_bit(fit, tmp_path) -> None:
    whole = fit(*FAST, "trainer.max_epochs=20", directory=tmp_path / "whole")
    fit(*FAST, "trainer.max_epochs=11", directory=tmp_path / "part")
    resumed = fit(*FAST, f"ckpt_path={tmp_path / 'part'}", directory=tmp_path / "part")
    assert resumed.json() == whole.json()
    for name, value in whole.state().items():
        assert torch.equal(resumed.state()[name], value), name
    assert whole.curve() == resumed.curve()
