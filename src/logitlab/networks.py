"""Networks that return a probability or a logit: the same logistic regression written four ways, and one with a hidden layer.

Conventions: x is (batch, features); what forward returns is (batch, 1). A `LinearNetwork` has the logit x w + b, with `weight`
(features,) and `bias` (); what is about coefficients asks for one.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from logitlab.errors import UserError, did_you_mean
from logitlab.features import Features
from logitlab.sparse import SparseMatrix, stored_in_a_row

BLOCK_VALUES = 2**18
"""Features that are looked at together: they stay in the cache."""

COLUMNS_ONE_BY_ONE = 64
"""Up to so many features a table's rows are summed column by column, as they lie in memory; turning them takes longer."""

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "elu": nn.ELU, "sigmoid": nn.Sigmoid,
}  # fmt: skip

Start = float | Sequence[float] | None
"""Where weights start: None (torch's own start), one number for all of them, or a number for each."""


class Network(nn.Module, ABC):
    """A module with one output a row, (batch, 1): the probability of class 1, or its logit.

    Attributes:
        returns_logits: forward returns the logit, for a loss that takes one; otherwise the probability.
        recalibration: slope and intercept that `probability` puts the logit through, chosen on val rows after the fit
            (calibration=platt); None: the logit as it is. What the loss is given never changes.
    """

    returns_logits = False
    recalibration: tuple[float, float] | None = None

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Return the probability or the logit of class 1, (batch, 1), for x (batch, features)."""

    def probability(self, output: Tensor) -> Tensor:
        """Return the probability of class 1 for what forward returned; shape unchanged."""
        if self.recalibration is None:
            return torch.sigmoid(output) if self.returns_logits else output
        slope, intercept = self.recalibration
        return torch.sigmoid(slope * self._logit(output) + intercept)

    def penalized(self) -> tuple[Tensor, ...]:
        """Return the weights that an l2 penalty counts: every parameter but the biases."""
        return tuple(each for name, each in self.named_parameters() if "bias" not in name.rpartition(".")[2])

    def as_input(self, x: Tensor | Features) -> Tensor:
        """Return x in the precision, and on the device, of the network's parameters."""
        return x.to(next(self.parameters()))

    @torch.no_grad()
    def exact_logit(self, features: Tensor | Features | SparseMatrix) -> Tensor:
        """Return the logit, before any recalibration, in float64 and as in evaluation: (rows,) for features (rows, features).

        Of a linear network equal rows have equal logits to the last bit, wherever they stand: each row is summed by itself,
        where a matrix product adds in another order at the end of a block.
        """
        block = max(1, BLOCK_VALUES // stored_in_a_row(features))
        logit = self._exact()
        parts: Iterable[Any] = features.split(block)
        return torch.cat([logit(part.to(torch.float64)) for part in parts])

    def scores(self, features: Tensor | Features | SparseMatrix) -> tuple[Tensor, Tensor]:
        """Return each row's probability, float32, and its logit, float64, both recalibrated: (rows,) each."""
        logit = self.exact_logit(features)
        if self.recalibration is not None:
            slope, intercept = self.recalibration
            logit = slope * logit + intercept
        return logit.sigmoid().float(), logit

    def _exact(self) -> Callable[[Tensor], Tensor]:
        """Return the function of x, (rows, features) in float64, that gives the logit, (rows,)."""
        network = copy.deepcopy(self).double().eval()
        return lambda x: self._logit(network(x))[:, 0]

    def _logit(self, output: Tensor) -> Tensor:
        return output if self.returns_logits else torch.logit(output, eps=torch.finfo(output.dtype).eps)


class LinearNetwork(Network):
    """A network whose logit is x w + b: it has coefficients, a provable optimum, and a line that divides the classes.

    Attributes:
        linear: the layer that holds weight and bias, unless a subclass says otherwise where they are.
    """

    linear: nn.Linear

    @property
    def weight(self) -> Tensor:
        """The weight of each feature, (features,)."""
        return self.linear.weight[0]

    @property
    def bias(self) -> Tensor:
        """The bias, ()."""
        return self.linear.bias[0]

    def penalized(self) -> tuple[Tensor, ...]:
        """Return the weight."""
        return (self.weight,)

    def _exact(self) -> Callable[[Tensor], Tensor]:
        weight, bias = self.weight.detach().double(), self.bias.detach().double()
        columns = weight.tolist() if len(weight) <= COLUMNS_ONE_BY_ONE else None

        def logit(x: Tensor | SparseMatrix) -> Tensor:
            if isinstance(x, SparseMatrix):
                return x.times(weight, row_by_row=True) + bias
            if columns is None:
                return (x * weight).contiguous().sum(1) + bias
            total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
            for column, each in zip(x.unbind(1), columns, strict=True):
                total += column * each
            return total + bias

        return logit


class Sequential(nn.Sequential, LinearNetwork):
    """nn.Sequential(nn.Linear(features, 1), nn.Sigmoid()), as the first tutorial writes it."""

    def __init__(self, in_features: int, weight: Start = None, bias: float | None = None) -> None:
        super().__init__(linear(in_features, weight, bias), nn.Sigmoid())

    @property
    def linear(self) -> nn.Linear:  # type: ignore[override]  # a layer by its place in the row, not an attribute
        """The layer that holds weight and bias."""
        return cast(nn.Linear, self[0])


class BinaryClassifier(LinearNetwork):
    """The tutorial's class with the members linear and sigmoid."""

    def __init__(self, in_features: int, weight: Start = None, bias: float | None = None) -> None:
        super().__init__()
        self.linear = linear(in_features, weight, bias)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return the probability of class 1."""
        return self.sigmoid(self.linear(x))


class Tensors(LinearNetwork):
    """Bare parameters W (features, 1) and b (1,), and the formula written out: sigmoid(xW + b)."""

    def __init__(self, in_features: int, weight: Start = 0.0, bias: float | None = 0.0) -> None:
        super().__init__()
        start = linear(in_features, weight, bias)
        self.W = nn.Parameter(start.weight.detach().T.clone())
        self.b = nn.Parameter(start.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return the probability of class 1."""
        return torch.sigmoid(x @ self.W + self.b)

    @property
    def weight(self) -> Tensor:
        """The weight of each feature, (features,)."""
        return self.W[:, 0]

    @property
    def bias(self) -> Tensor:
        """The bias, ()."""
        return self.b[0]


class Logits(LinearNetwork):
    """The linear map alone, for BCEWithLogitsLoss, which keeps its gradient where a float32 sigmoid is exactly 0 or 1."""

    returns_logits = True

    def __init__(self, in_features: int, weight: Start = None, bias: float | None = None) -> None:
        super().__init__()
        self.linear = linear(in_features, weight, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit."""
        return self.linear(x)


class MLP(Network):
    """One hidden layer: logit = b2 + w2 . activation(W1 x + b1), a multilayer perceptron.

    With enough hidden units it comes as near as one likes to any continuous boundary (Hornik, Stinchcombe and White, 1989).
    """

    returns_logits = True

    def __init__(self, in_features: int, width: int = 16, activation: str = "tanh") -> None:
        """Draw the start from torch's generator.

        Args:
            in_features: of a row.
            width: hidden units.
            activation: one of `ACTIVATIONS`.

        Raises:
            UserError: there is no such activation, or not one unit.
        """
        super().__init__()
        if activation not in ACTIVATIONS:
            names = ", ".join(ACTIVATIONS)
            hint = did_you_mean(str(activation), ACTIVATIONS)
            raise UserError(f"model.activation={activation} is not allowed: it takes one of {names}.{hint}")
        if isinstance(width, bool) or not isinstance(width, int) or width < 1:
            raise UserError(f"model.width={width} is not allowed: it takes a whole number from 1 up.")
        self.hidden = nn.Linear(in_features, width)
        self.activation = ACTIVATIONS[activation]()
        self.output = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit."""
        return self.output(self.activation(self.hidden(x)))


class PlainModule(Network):
    """A module that is no `Network`, with what it returns."""

    def __init__(self, module: nn.Module, returns_logits: bool) -> None:
        """Take the module, and whether it returns the logit; otherwise it returns the probability."""
        super().__init__()
        self.module = module
        self.returns_logits = returns_logits

    def forward(self, x: Tensor) -> Tensor:
        """Return what the module returns."""
        return self.module(x)


def check_output(network: Network, features: Tensor) -> None:
    """Raise UserError for a network that does not take these features, (rows, ...), or does not return one number a row."""
    name = type(network.module if isinstance(network, PlainModule) else network).__name__
    was_training = network.training
    try:
        with torch.no_grad():
            output: Any = network.eval()(network.as_input(features))
    except (RuntimeError, TypeError, ValueError, IndexError, StopIteration) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"model ({name}) does not take features of shape {_shape(features)}: {why}.") from error
    finally:
        network.train(was_training)
    if not isinstance(output, Tensor) or output.shape != (len(features), 1):
        found = f"a tensor of shape {_shape(output)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
        raise UserError(
            f"model ({name}) returns {found} for {len(features)} rows. A network here returns one number a row, (batch, 1):"
            " end it with nn.Linear(..., 1)."
        )
    if not network.returns_logits and bool(((output < 0) | (output > 1)).any()):
        worst = float(output.flatten()[(output - 0.5).abs().argmax()])
        raise UserError(
            f"model ({name}) returns {worst:.4g}, which is no probability: end it with nn.Sigmoid(), or say that it returns"
            " logits (returns_logits = True in its class, or loss.takes_logits=true)."
        )


def compile_network(network: Network, features: Tensor | SparseMatrix) -> None:
    """Have torch compile what the network does, in place; its parameters and its state stay as they are.

    Raises:
        UserError: torch cannot, on this machine or of this network.
    """
    if isinstance(features, SparseMatrix):
        raise UserError(
            "trainer.compile=true: torch.compile takes tensors, and the categories of this table are kept as codes. Leave"
            " trainer.compile out."
        )
    before = [each.grad for each in network.parameters()]
    try:
        with torch.random.fork_rng([]):
            network.compile()
            network(network.as_input(features)).sum().backward()
    except Exception as error:  # of a compiler outside torch as well
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"trainer.compile=true: torch.compile cannot take the network: {why} Leave trainer.compile out."
        ) from error
    for parameter, gradient in zip(network.parameters(), before, strict=True):
        parameter.grad = gradient


def _shape(x: Tensor) -> str:
    return "(" + ", ".join(map(str, x.shape)) + ("," if x.ndim == 1 else "") + ")"


def linear(in_features: int, weight: Start, bias: float | None) -> nn.Linear:
    """Return nn.Linear(in_features, 1), which draws its start from torch's generator, with the given values put in.

    Raises:
        UserError: `weight` has another number of values than there are features.
    """
    layer = nn.Linear(in_features, 1)
    with torch.no_grad():
        if weight is not None:
            values = torch.as_tensor(list(weight) if isinstance(weight, Sequence) else weight, dtype=layer.weight.dtype)
            if values.ndim and len(values) != in_features:
                raise UserError(
                    f"model.weight has {len(values)} values and the data has {in_features} features: give one number for"
                    " each feature, or a single number for all of them."
                )
            layer.weight.copy_(values)
        if bias is not None:
            layer.bias.fill_(bias)
    return layer
