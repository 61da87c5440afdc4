"""Networks, losses and penalties of many members, stacked: each with the interface of one, and a dimension of members.

Conventions: features are (batch, features) where all members see the same rows, (members, batch, features) where each has its
own, and a sequence of such, one a table, where members side by side share a table; targets and row weights likewise.
What a network returns is (members, batch, 1), a loss or a penalty is (members,).
"""

import copy
from collections.abc import Iterator, Sequence
from functools import partial, reduce
from operator import add
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from logitlab.losses import WeightedCrossEntropy, takes_logits
from logitlab.networks import LinearNetwork, Network
from logitlab.penalties import ElasticNet

Rows = Tensor | Sequence[Tensor]


class CannotStackError(Exception):
    """Networks that cannot be trained as one program; the text names the part that keeps them from it."""


class StackedNetwork(nn.Module):
    """Networks of one class and shape, as torch.func's `vmap` of a functional call runs them, whatever they are made of.

    Linear networks go through one product of matrices instead, which takes two thirds of the time.

    Attributes:
        sizes: how many members, side by side, share each table.
    """

    recalibration = None

    def __init__(self, networks: Sequence[Network], sizes: Sequence[int] | None = None) -> None:
        """Take the members' networks, as they start.

        Raises:
            CannotStackError: they have buffers or different shapes.
        """
        super().__init__()
        first = networks[0]
        if buffer := next(iter(dict(first.named_buffers())), None):
            raise CannotStackError(f"{type(first).__name__} has a buffer, {buffer}")
        each = [dict(network.named_parameters()) for network in networks]
        if any([value.shape for value in one.values()] != [value.shape for value in each[0].values()] for one in each):
            raise CannotStackError("the networks have different shapes")
        self.names = list(each[0])
        self.stacks = nn.ParameterList(torch.stack([one[name].detach() for one in each]) for name in self.names)
        self.sizes = list(sizes or [len(networks)])
        self.returns_logits = first.returns_logits
        self._one = (copy.deepcopy(first),)  # in a tuple: its parameters are none of this module's
        self._is_linear = isinstance(first, LinearNetwork)
        if isinstance(first, LinearNetwork):
            storages = [each.data_ptr() for each in first.parameters()]
            self._places = storages.index(first.weight.data_ptr()), storages.index(first.bias.data_ptr())

    def forward(self, features: Rows) -> Any:
        """Return what every member's network returns."""
        if isinstance(features, Tensor):
            return self._outputs(list(self.stacks), features)
        parts = zip(*(stack.split(self.sizes) for stack in self.stacks), strict=True)
        return [self._outputs(part, rows) for part, rows in zip(parts, features, strict=True)]

    def _outputs(self, stacks: Sequence[Tensor], features: Tensor) -> Tensor:
        if self._is_linear:
            weight, bias = (stacks[place].flatten(1) for place in self._places)
            if features.ndim == 2:
                logits = torch.addmm(bias, weight, features.T)[..., None]
            else:
                logits = torch.baddbmm(bias[:, None], features, weight[:, :, None])
            return logits if self.returns_logits else torch.sigmoid(logits)
        parameters = dict(zip(self.names, stacks, strict=True))
        call = partial(functional_call, self._one[0])
        return torch.vmap(call, in_dims=(0, 0 if features.ndim == 3 else None))(parameters, features)

    def probability(self, output: Tensor) -> Tensor:
        """Return the probability of class 1 for what forward returned; shape unchanged."""
        return self._one[0].probability(output)

    @property
    def weight(self) -> Tensor:
        """The weights of linear networks, (members, features)."""
        return self.stacks[self._places[0]].flatten(1)

    def penalized(self) -> tuple[Tensor, ...]:
        """Return the weights that an l2 penalty counts, (members, ...)."""
        if self._is_linear:
            return (self.weight,)
        counted = {id(each) for each in self._one[0].penalized()}
        counts = [id(each) in counted for each in self._one[0].parameters()]
        return tuple(stack for stack, is_counted in zip(self.stacks, counts, strict=True) if is_counted)

    def as_input(self, x: Rows) -> Rows:
        """Return x, which is in the parameters' precision and on their device already."""
        return x

    def state(self, member: int) -> dict[str, Tensor]:
        """Return a member's parameters by the names of its own network; views."""
        return {name: stack.detach()[member] for name, stack in zip(self.names, self.stacks, strict=True)}

    def with_rows(self, batch: Sequence[Rows]) -> Iterator[tuple[Network, tuple[Tensor, ...]]]:
        """Yield the members' networks, each with its rows of a batch; each is good until the next one comes."""
        network = self._one[0].to(self.stacks[0])
        for member, table in enumerate(table for table, size in enumerate(self.sizes) for _ in range(size)):
            network.load_state_dict(self.state(member))
            yield network, tuple(part if isinstance(part, Tensor) else part[table] for part in batch)


class StackedLoss(nn.Module):
    """The loss of each member: ours by one formula for all, which a NaN of one does not end; another one by `vmap`."""

    pos_weight: Tensor | None

    def __init__(self, losses: Sequence[nn.Module]) -> None:
        """Take the members' losses, which differ in `pos_weight` at most."""
        super().__init__()
        self.takes_logits = takes_logits(losses[0])
        factors = [float(getattr(loss, "pos_weight", None) or 1.0) for loss in losses]
        is_weighted = any(factor != 1 for factor in factors)
        pos_weight = torch.tensor(factors, dtype=torch.float64)[:, None, None] if is_weighted else None
        self.register_buffer("pos_weight", pos_weight, persistent=False)
        is_ours = type(losses[0]) in (nn.BCELoss, nn.BCEWithLogitsLoss, WeightedCrossEntropy)
        self._other = None if is_ours else (losses[0],)

    def forward(self, output: Rows, target: Rows, weight: Rows | None = None) -> Tensor:
        """Return each member's loss, for outputs, targets and row weights."""
        if isinstance(output, Tensor):
            return self._losses(output, target, weight, self.pos_weight)
        sizes: list[int] = [len(each) for each in output]
        nothing: list[Any] = [None] * len(output)
        factors: Any = nothing if self.pos_weight is None else self.pos_weight.split(sizes)
        weights: Any = nothing if weight is None else weight
        return torch.cat([self._losses(*each) for each in zip(output, target, weights, factors, strict=True)])

    def _losses(self, output: Tensor, target: Any, weight: Any, pos_weight: Tensor | None) -> Tensor:
        if self._other is not None:
            answers = [each for each in (target, weight) if each is not None]
            return torch.vmap(self._other[0], in_dims=(0, *(0 if each.ndim == 3 else None for each in answers)))(
                output, *answers
            )
        factor = weight
        if pos_weight is not None:
            factor = 1 + (pos_weight - 1) * target
            factor = factor if weight is None else factor * weight
        if self.takes_logits:
            target = target.expand_as(output)
            entropy = functional.binary_cross_entropy_with_logits(output, target, factor, reduction="none")
            return entropy.mean((-2, -1))
        return _MeanBinaryCrossEntropy.apply(output, target, factor)


class _MeanBinaryCrossEntropy(torch.autograd.Function):
    """nn.BCELoss, a mean for each member, with torch's clamps: log p from -100 up, p (1 - p) from 1e-12 up in the gradient.

    torch's own raises where any probability is NaN, which would end the sound members with the broken one.
    """

    @staticmethod
    def forward(ctx: Any, output: Tensor, target: Tensor, factor: Tensor | None) -> Tensor:
        ctx.save_for_backward(output, target, factor)
        log_p = torch.log(output).clamp_(min=-100)
        log_q = torch.log1p(-output).clamp_(min=-100)
        loss = (target - 1) * log_q - target * log_p
        return (loss if factor is None else loss * factor).mean((-2, -1))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        output, target, factor = ctx.saved_tensors
        slope = (output - target) / ((1 - output) * output).clamp_(min=1e-12)
        slope = slope.mul_(gradient[:, None, None])
        return (slope if factor is None else slope.mul_(factor)).div_(output.shape[1]), None, None


class StackedElasticNet(nn.Module):
    """The elastic net of each member: `l1` and `l2` are (members, 1), weights are (members, features)."""

    l1: Tensor
    l2: Tensor
    prox = ElasticNet.prox
    minimum_norm_subgradient = ElasticNet.minimum_norm_subgradient

    def __init__(self, penalties: Sequence[ElasticNet]) -> None:
        """Take the members' penalties."""
        super().__init__()
        for name in ("l1", "l2"):
            values = torch.tensor([getattr(penalty, name) for penalty in penalties], dtype=torch.float64)
            self.register_buffer(name, values[:, None], persistent=False)

    def forward(self, *weights: Tensor) -> Tensor:
        """Return the penalties."""
        return self.smooth(*weights) + self.l1[:, 0] * reduce(add, (each.abs().flatten(1).sum(1) for each in weights))

    def smooth(self, *weights: Tensor) -> Tensor:
        """Return their l2 parts."""
        return self.l2[:, 0] / 2 * reduce(add, (each.square().flatten(1).sum(1) for each in weights))
