"""torch.optim's SGD and Adam for many members at once: every number that they take is one per member, and may have a schedule.

Conventions: a parameter is (members, ...), a number is (members,). The order of operations is that of torch's single-tensor
code, so that a member's steps are those of its own optimiser but for the rounding of a tensor product.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from logitlab.training.best import shaped


class MemberOptimizer(Optimizer, ABC):
    """Takes one step for every member that is still active.

    Attributes:
        owns: torch's own optimiser of each member, which holds its numbers and never steps; equal members may share one.
        active: (members,) of bool; a member that has stopped keeps its parameters and its state.
        numbers: by name, (members,), float64: the arguments of torch's optimiser, and what follows from them.
    """

    numbers: dict[str, Tensor]

    def __init__(self, params: Iterable[Parameter], owns: Sequence[Optimizer]) -> None:
        """Take the parameters and the members' own optimisers."""
        super().__init__(params, {})
        self.owns = owns
        self.active = torch.ones(len(owns), dtype=torch.bool)
        self._all_active = True
        self.refresh()

    def refresh(self) -> None:
        """Take the numbers from the members' own optimisers, whose schedules have changed them."""
        groups = [own.param_groups[0] for own in self.owns]
        names = [name for name, value in groups[0].items() if isinstance(value, int | float)]
        self.numbers = {name: torch.tensor([group[name] for group in groups], dtype=torch.float64) for name in names}
        if "betas" in groups[0]:
            self.numbers["beta1"], self.numbers["beta2"] = torch.tensor(
                [each["betas"] for each in groups], dtype=torch.float64
            ).T
        self.numbers |= self.derived()
        self.param_groups[0]["lr"] = self.numbers["lr"]
        self._columns: dict[tuple[str, int], Tensor] = {}

    @abstractmethod
    def derived(self) -> dict[str, Tensor]:
        """Return what follows from the numbers alone, (members,) each."""

    def column(self, name: str, like: Tensor) -> Tensor:
        """Return a number of all members, shaped to go with a parameter."""
        key = name, like.ndim
        if key not in self._columns:
            self._columns[key] = shaped(self.numbers[name], like).to(like.dtype)
        return self._columns[key]

    def any(self, name: str) -> bool:
        """Return whether a number is anything but 0 for any member."""
        return bool(self.numbers[name].any())

    def train_only(self, active: Tensor) -> None:
        """Let the members that are not active, (members,) of bool, be as they are from now on."""
        self.active, self._all_active = active, bool(active.all())

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update the parameters of every active member."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for parameter in self.param_groups[0]["params"]:
            parameter.copy_(self._of_active(self.updated(parameter, parameter.grad), parameter))
        return loss

    @abstractmethod
    def updated(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        """Return the parameters after a step; what the optimiser remembers is updated."""

    def _of_active(self, new: Tensor, old: Tensor) -> Tensor:
        return new if self._all_active else torch.where(shaped(self.active, new), new, old)

    def remember(self, parameter: Tensor, name: str, new: Tensor) -> Tensor:
        """Keep a value for the next step; return it."""
        state = self.state[parameter]
        state[name] = self._of_active(new, state[name]) if name in state else new
        return state[name]

    def step_size(self, parameter: Tensor) -> Tensor:
        """Return how far every member's optimiser goes for a gradient of 1 that lasts, as `logitlab.proximal` has it."""
        return self._of_active(self.reached(parameter), torch.zeros((), dtype=parameter.dtype, device=parameter.device))

    @abstractmethod
    def reached(self, parameter: Tensor) -> Tensor:
        """Return the same, of members that have stopped too."""

    def member_state(self, member: int) -> dict[int, dict[str, Tensor]]:
        """Return the `state_dict` of the member's own optimiser, had it trained alone; on the CPU, without its numbers."""
        parameters = self.param_groups[0]["params"]
        states = {place: self._kept(member, self.state[each]) for place, each in enumerate(parameters)}
        return {place: state for place, state in states.items() if state}

    def _kept(self, member: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value[member].detach().cpu().clone() for name, value in state.items()}


class BatchedSGD(MemberOptimizer):
    """torch.optim.SGD."""

    def derived(self) -> dict[str, Tensor]:  # noqa: D102
        momentum = self.numbers["momentum"]  # where it is 0, torch leaves the buffer out, and dampening with it
        undamped = torch.where(momentum == 0, 1.0, 1 - self.numbers["dampening"])
        return {"undamped": undamped, "step_size": self.numbers["lr"] * undamped / (1 - momentum)}

    def updated(self, parameter: Tensor, gradient: Tensor) -> Tensor:  # noqa: D102
        if self.any("weight_decay"):
            gradient = gradient + self.column("weight_decay", parameter) * parameter
        if self.any("momentum"):
            momentum, buffer = self.column("momentum", parameter), self.state[parameter].get("momentum_buffer")
            rest = gradient * self.column("undamped", parameter)
            buffer = self.remember(
                parameter, "momentum_buffer", gradient.clone() if buffer is None else buffer * momentum + rest
            )
            is_nesterov = self.column("nesterov", parameter) > 0
            gradient = torch.where(is_nesterov, gradient + momentum * buffer, buffer)
        return parameter - self.column("lr", parameter) * gradient

    def reached(self, parameter: Tensor) -> Tensor:  # noqa: D102
        return self.column("step_size", parameter)

    def _kept(self, member: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return super()._kept(member, state) if self.numbers["momentum"][member] else {}


class BatchedAdam(MemberOptimizer):
    """torch.optim.Adam."""

    decoupled = False

    def derived(self) -> dict[str, Tensor]:  # noqa: D102
        numbers = self.numbers
        return {
            "kept": 1 - numbers["lr"] * numbers["weight_decay"],
            "rest1": 1 - numbers["beta1"],
            "rest2": 1 - numbers["beta2"],
        }

    def updated(self, parameter: Tensor, gradient: Tensor) -> Tensor:  # noqa: D102
        state, numbers = self.state[parameter], self.numbers
        if not state:
            state["step"] = torch.zeros(len(self.owns), dtype=torch.float64)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        start: Tensor = parameter
        if self.any("weight_decay") and self.decoupled:
            start = parameter * self.column("kept", parameter)
        elif self.any("weight_decay"):
            gradient = gradient + self.column("weight_decay", parameter) * parameter
        step = state["step"] = state["step"] + self.active
        first = self.remember(parameter, "exp_avg", state["exp_avg"].lerp(gradient, self.column("rest1", parameter)))
        square = gradient * gradient * self.column("rest2", parameter)
        second = self.remember(parameter, "exp_avg_sq", state["exp_avg_sq"] * self.column("beta2", parameter) + square)
        size = shaped(numbers["lr"] / (1 - numbers["beta1"] ** step), parameter).to(parameter.dtype)
        root = shaped((1 - numbers["beta2"] ** step).sqrt(), parameter).to(parameter.dtype)
        return start - size * (first / (second.sqrt() / root + self.column("eps", parameter)))

    def reached(self, parameter: Tensor) -> Tensor:  # noqa: D102
        [state] = [self.state[each] for each in self.state if each.data_ptr() == parameter.data_ptr()]
        settled = shaped(1 - self.numbers["beta2"] ** state["step"], parameter).to(parameter.dtype)
        second = state["exp_avg_sq"].reshape(parameter.shape) / settled
        return self.column("lr", parameter) / (second.sqrt() + self.column("eps", parameter))

    def _kept(self, member: int, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        kept = super()._kept(member, state)
        return kept | {"step": kept["step"].float()} if kept else {}


class BatchedAdamW(BatchedAdam):
    """torch.optim.AdamW: the weights decay apart from the gradient."""

    decoupled = True


BATCHED: Mapping[type[Optimizer], type[MemberOptimizer]] = {
    torch.optim.SGD: BatchedSGD,
    torch.optim.Adam: BatchedAdam,
    torch.optim.AdamW: BatchedAdamW,
}
"""torch's optimiser -> the one for many members."""


class MemberSchedules:
    """The schedules of the members' own optimisers, one each, stepped together in place of a scheduler of torch.

    Attributes:
        optimizer: of the members.
        of: the schedule of each member's own optimiser.
    """

    def __init__(self, optimizer: MemberOptimizer, make: Callable[[Optimizer], Any]) -> None:
        """Make them."""
        self.optimizer = optimizer
        self.of = {own: make(own) for own in dict.fromkeys(optimizer.owns)}
        optimizer.refresh()

    def step(self, metric: Tensor | None = None) -> None:
        """Step every schedule; one that looks at a metric by its member's own, (members,)."""
        values = [] if metric is None else [(value,) for value in metric.tolist()]
        for place, (own, schedule) in enumerate(self.of.items()):
            own.step()  # which has no gradients; torch warns of a schedule that steps before its optimiser
            schedule.step(*(values[place] if values else ()))
        self.optimizer.refresh()

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: `member_state` does."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing: members begin together."""

    def member_state(self, member: int) -> dict[str, Any]:
        """Return what the member's own schedule remembers."""
        return copy.deepcopy(self.of[self.optimizer.owns[member]].state_dict())
