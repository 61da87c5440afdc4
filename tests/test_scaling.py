"""Scaling: mean 0 and deviation 1, and coefficients that can be told in the data's own units."""

import pytest
import torch

from logitlab.data.scaling import Scaling

X = torch.tensor([[45.0, 3.0], [50.0, 3.0], [70.0, 3.0]])


def test_standard_scaling_is_population_z_scores_and_only_centres_a_constant() -> None:
    z = Scaling.standard(X).transform(X)
    expected = (X[:, 0] - 55) / (((10**2 + 5**2 + 15**2) / 3) ** 0.5)
    torch.testing.assert_close(z[:, 0], expected)
    assert z[:, 1].tolist() == [0.0, 0.0, 0.0]
    assert z.dtype == torch.float32


def test_coefficients_in_own_units_give_the_same_logits() -> None:
    scaling, weight, bias = Scaling.standard(X), torch.tensor([0.7, -2.0]).double(), torch.tensor(0.3).double()
    own_weight, own_bias = scaling.in_own_units(weight, bias)
    torch.testing.assert_close(X.double() @ own_weight + own_bias, scaling.transform(X.double()) @ weight + bias)


def test_identity_hands_the_tensor_on_untouched() -> None:
    assert Scaling.identity(2).transform(X) is X


def test_large_offsets_keep_their_digits() -> None:
    x = torch.tensor([[16777216.0], [16777218.0]])  # 2^24: in float32 the mean 16777217 does not exist
    assert Scaling.standard(x).transform(x).flatten().tolist() == [-1.0, 1.0]


def test_plain_values_come_back() -> None:
    scaling = Scaling.standard(X)
    assert Scaling.from_plain(scaling.plain()) == scaling
    assert all(type(value) is float for values in scaling.plain().values() for value in values)


@pytest.mark.parametrize("name", ["center", "scale"])
def test_plain_values_must_be_complete(name: str) -> None:
    values = Scaling.identity(1).plain()
    del values[name]
    with pytest.raises(KeyError, match=name):
        Scaling.from_plain(values)


def test_a_column_of_0_and_1_is_an_indicator_and_stays_as_it_is() -> None:
    x = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1e-6], [0.0, 2.0, 0.0], [0.0, 1.0, 1e-6]]).double()
    scaling = Scaling.standard(x)
    assert (scaling.center[0], scaling.scale[0]) == (0.0, 1.0)
    assert torch.equal(scaling.transform(x)[:, 0], x[:, 0])
    torch.testing.assert_close(scaling.transform(x)[:, 1:].std(dim=0, correction=0), torch.ones(2).double())


def test_weights_count_as_repeated_rows() -> None:
    x, times = torch.tensor([[45.0, 1e9], [50.0, 1e9 + 1], [70.0, 1e9 + 3]]).double(), torch.tensor([[1], [4], [2]])
    ours, theirs = Scaling.standard(x, times), Scaling.standard(x.repeat_interleave(times[:, 0], dim=0))
    torch.testing.assert_close(torch.tensor(ours.center), torch.tensor(theirs.center), rtol=1e-14, atol=0)
    torch.testing.assert_close(torch.tensor(ours.scale), torch.tensor(theirs.scale), rtol=1e-12, atol=0)


def test_a_spread_whose_square_is_no_float64_is_a_spread_all_the_same() -> None:
    x = torch.tensor([[1e-200], [3e-200]], dtype=torch.float64)
    torch.testing.assert_close(Scaling.standard(x).transform(x), torch.tensor([[-1.0], [1.0]]).double())
