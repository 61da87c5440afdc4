"""torch.optim's SGD and Adam for many members at once: every number that they take is one per member.

Conventions: a parameter is (members, ...), a number is (members,). The order of operations is that of torch's single-tensor
code, so that a member's steps are those of its own optimiser but for the rounding of a tensor product.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer


class MemberOptimizer(Optimizer, ABC):
    """Takes one step for every member that is still active.

    Attributes:
        active: (members,) of bool; a member that has stopped keeps its parameters and its state.
        NUMBERS: the arguments of torch's optimiser that members may differ in, with torch's defaults.
    """

    NUMBERS: ClassVar[Mapping[str, Any]]

    def __init__(self, params: Iterable[Parameter], numbers: Sequence[Mapping[str, Any]]) -> None:
        """Take the parameters and, for each member, the arguments that torch's optimiser would get."""
        super().__init__(params, {})
        like = self.param_groups[0]["params"][0]
        self._dtype, self._device = like.dtype, like.device
        self.active = torch.ones(len(numbers), dtype=torch.bool, device=like.device)
        self.all_active = True
        self._numbers = [{**self.NUMBERS, **each} for each in numbers]

    def column(self, name: str) -> list[Any]:
        """Return one argument of all members."""
        return [each[name] for each in self._numbers]

    def tensor(self, values: Sequence[float] | Tensor, like: Tensor) -> Tensor:
        """Return a number per member, shaped to go with a parameter."""
        column = torch.as_tensor(values, dtype=torch.float64).to(self._dtype).to(self._device)
        return column.reshape(-1, *[1] * (like.ndim - 1))

    def stop(self, members: Tensor) -> None:
        """Let the members, (members,) of bool, be as they are from now on."""
        self.active = self.active & ~members
        self.all_active = bool(self.active.all())

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update the parameters of every active member."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for parameter in self.param_groups[0]["params"]:
            new = self.updated(parameter, parameter.grad)
            parameter.copy_(new if self.all_active else self.only_active(new, parameter))
        return loss

    @abstractmethod
    def updated(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        """Return the parameters after a step; what the optimiser remembers is updated in place."""

    def only_active(self, new: Tensor, old: Tensor) -> Tensor:
        """Return the new values of the active members and the old ones of the others."""
        return torch.where(self.active.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    def remember(self, parameter: Tensor, name: str, new: Tensor) -> Tensor:
        """Keep a value for the next step; return it."""
        state = self.state[parameter]
        state[name] = new if self.all_active or name not in state else self.only_active(new, state[name])
        return state[name]

    @abstractmethod
    def reach(self, parameter: Tensor) -> Tensor:
        """Return how far every member's optimiser goes for a gradient of 1 that lasts, as `logitlab.proximal` has it."""

    @abstractmethod
    def member_state(self, member: int, parameter: Tensor, shape: torch.Size) -> dict[str, Tensor]:
        """Return what torch's optimiser would remember of a parameter of that shape; on the CPU."""


class BatchedSGD(MemberOptimizer):
    """torch.optim.SGD."""

    NUMBERS: ClassVar[Mapping[str, Any]] = {
        "lr": 1e-3,
        "momentum": 0.0,
        "dampening": 0.0,
        "weight_decay": 0.0,
        "nesterov": False,
    }

    def __init__(self, params: Iterable[Parameter], numbers: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(params, numbers)
        self._decays = any(self.column("weight_decay"))
        self._has_momentum = any(self.column("momentum"))
        self._by_shape = {parameter: self._tensors(parameter) for parameter in self.param_groups[0]["params"]}

    def updated(self, parameter: Tensor, gradient: Tensor) -> Tensor:  # noqa: D102
        numbers = self._by_shape[parameter]
        if self._decays:
            gradient = gradient + numbers["weight_decay"] * parameter
        if self._has_momentum:
            gradient = self._with_momentum(parameter, gradient, numbers)
        return parameter - numbers["lr"] * gradient

    def _with_momentum(self, parameter: Tensor, gradient: Tensor, numbers: Mapping[str, Tensor]) -> Tensor:
        buffer = self.state[parameter].get("momentum_buffer")
        new = gradient.clone() if buffer is None else buffer * numbers["momentum"] + gradient * numbers["undamped"]
        buffer = self.remember(parameter, "momentum_buffer", new)
        return torch.where(numbers["nesterov"] > 0, gradient + numbers["momentum"] * buffer, buffer)

    def reach(self, parameter: Tensor) -> Tensor:  # noqa: D102
        undamped = [1 - each["dampening"] * (each["momentum"] > 0) for each in self._numbers]
        steps = [each["lr"] * rest / (1 - each["momentum"]) for each, rest in zip(self._numbers, undamped, strict=True)]
        return self.tensor(steps, parameter)

    def _tensors(self, parameter: Tensor) -> dict[str, Tensor]:
        numbers = {name: self.tensor(self.column(name), parameter) for name in self.NUMBERS}
        still = [each["momentum"] == 0 for each in self._numbers]  # torch then leaves the buffer out, and dampening with it
        undamped = [1.0 if no else 1 - each["dampening"] for no, each in zip(still, self._numbers, strict=True)]
        return numbers | {"undamped": self.tensor(undamped, parameter)}

    def member_state(self, member: int, parameter: Tensor, shape: torch.Size) -> dict[str, Tensor]:  # noqa: D102
        buffer = self.state[parameter].get("momentum_buffer")
        if buffer is None or self._numbers[member]["momentum"] == 0:
            return {}
        return {"momentum_buffer": buffer[member].detach().cpu().clone().reshape(shape)}


class BatchedAdam(MemberOptimizer):
    """torch.optim.Adam."""

    NUMBERS: ClassVar[Mapping[str, Any]] = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
    decoupled = False

    def __init__(self, params: Iterable[Parameter], numbers: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(params, numbers)
        self._beta1, self._beta2 = torch.tensor(self.column("betas"), dtype=torch.float64).T
        self._lr = torch.tensor(self.column("lr"), dtype=torch.float64)
        self._decays = any(self.column("weight_decay"))
        decay = torch.tensor(self.column("weight_decay"), dtype=torch.float64)
        self._constants = {
            parameter: {
                "decay": self.tensor(decay, parameter),
                "kept": self.tensor(1 - self._lr * decay, parameter),
                "towards": self.tensor(1 - self._beta1, parameter),
                "beta2": self.tensor(self._beta2, parameter),
                "rest2": self.tensor(1 - self._beta2, parameter),
                "eps": self.tensor(self.column("eps"), parameter),
            }
            for parameter in self.param_groups[0]["params"]
        }

    def updated(self, parameter: Tensor, gradient: Tensor) -> Tensor:  # noqa: D102
        state, constants = self.state[parameter], self._constants[parameter]
        if not state:
            state["step"] = torch.zeros(len(self._numbers), dtype=torch.float64)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        start: Tensor = parameter
        if self._decays and self.decoupled:
            start = parameter * constants["kept"]
        elif self._decays:
            gradient = gradient + constants["decay"] * parameter
        step = state["step"] = state["step"] + self.active.cpu()
        first = self.remember(parameter, "exp_avg", state["exp_avg"].lerp(gradient, constants["towards"]))
        second = state["exp_avg_sq"] * constants["beta2"] + gradient * gradient * constants["rest2"]
        second = self.remember(parameter, "exp_avg_sq", second)
        size = self.tensor(self._lr / (1 - self._beta1**step), parameter)
        root = self.tensor((1 - self._beta2**step).sqrt(), parameter)
        return start - size * (first / (second.sqrt() / root + constants["eps"]))

    def reach(self, parameter: Tensor) -> Tensor:  # noqa: D102
        state, constants = self.state[parameter], self._constants[parameter]
        second = state["exp_avg_sq"] / self.tensor(1 - self._beta2 ** state["step"], parameter)
        return self.tensor(self._lr, parameter) / (second.sqrt() + constants["eps"])

    def member_state(self, member: int, parameter: Tensor, shape: torch.Size) -> dict[str, Tensor]:  # noqa: D102
        state = self.state[parameter]
        if not state:
            return {}
        averages = {name: state[name][member].detach().cpu().clone().reshape(shape) for name in ("exp_avg", "exp_avg_sq")}
        return {"step": state["step"][member].float(), **averages}


class BatchedAdamW(BatchedAdam):
    """torch.optim.AdamW: the weights decay apart from the gradient."""

    NUMBERS: ClassVar[Mapping[str, Any]] = {**BatchedAdam.NUMBERS, "weight_decay": 1e-2}
    decoupled = True


BATCHED: Mapping[str, type[MemberOptimizer]] = {
    "torch.optim.SGD": BatchedSGD,
    "torch.optim.Adam": BatchedAdam,
    "torch.optim.AdamW": BatchedAdamW,
}
"""torch's optimiser by its full name -> the one for many members."""
