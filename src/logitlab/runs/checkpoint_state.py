"""Whether a checkpoint is one that a run can be resumed from: its parts are there, of the run's shapes, and agree.

Its bytes may be whole and its content still be of another version, or changed by hand. Lightning looks at little of it: it
would end in a traceback, or train on from numbers that are none.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from logitlab.errors import UserError
from logitlab.overrides import suggestion

PARTS: dict[str, type] = {
    "state_dict": Mapping,
    "hyper_parameters": Mapping,
    "callbacks": Mapping,
    "loops": Mapping,
    "optimizer_states": list,
    "lr_schedulers": list,
    "epoch": int,
    "global_step": int,
}

EPOCHS = ("loops", "fit_loop", "epoch_progress", "current", "completed")
STEPS = ("loops", "fit_loop", "epoch_loop.automatic_optimization.optim_progress", "optimizer", "step", "total", "completed")
SOLVER_STEPS = ("loops", "fit_loop", "epoch_loop.manual_optimization.optim_step_progress", "total", "completed")
"""Where Lightning keeps the number of epochs and of updates, which the checkpoint names a second time."""


def check_parts(checkpoint: Any, path: Path) -> None:
    """Raise UserError for what is no state of any run.

    Args:
        checkpoint: the content of a file; one of weights alone, without `optimizer_states`, passes.
        path: of the file, for the message.
    """
    if not isinstance(checkpoint, Mapping):
        raise refused(path, "it holds no parts by name")
    if checkpoint and "optimizer_states" not in checkpoint:
        return
    for problem in _odd_parts(checkpoint):
        raise refused(path, problem)


def check_weights(checkpoint: Mapping[str, Any], path: Path, weights: Mapping[str, Tensor]) -> None:
    """Raise UserError for weights, last or best, that are not those of this run.

    Args:
        checkpoint: the content of a file that `check_parts` has passed.
        path: of the file, for the message.
        weights: the run's own parameters and buffers, by their names.
    """
    states = (state for state in checkpoint["callbacks"].values() if isinstance(state, Mapping))
    for whose, saved in (
        ("", checkpoint["state_dict"]),
        *(("of its best epoch, ", state.get("best_state")) for state in states),
    ):
        if saved or not whose:
            for problem in _differences(saved, weights):
                raise refused(path, whose + problem)


def refused(path: Path, problem: str) -> UserError:
    """Return the error that says why a run cannot be resumed from a checkpoint, and what can be done."""
    return UserError(
        f"The run cannot be resumed from {path}: {problem}. If {path.name}.previous lies beside it, type"
        f" {suggestion('ckpt_path', f'{path}.previous')};"
        " or leave ckpt_path out to start anew."
    )


def _odd_parts(checkpoint: Mapping[str, Any]) -> Iterator[str]:
    for name, kind in PARTS.items():
        if name not in checkpoint:
            yield f"it has no part '{name}'"
        elif not isinstance(checkpoint[name], kind) or isinstance(checkpoint[name], bool):
            yield f"its part '{name}' is of another kind ({type(checkpoint[name]).__name__})"
    for name in ("epoch", "global_step"):
        if checkpoint[name] < 0:
            yield f"its {name} is {checkpoint[name]}"
    if len(checkpoint["optimizer_states"]) != 1:
        yield f"it has {len(checkpoint['optimizer_states'])} optimisers"
    for number in _leaves(checkpoint["loops"]):
        if not isinstance(number, int | float | bool | str | Tensor | None) or (isinstance(number, int) and number < 0):
            yield f"its loops hold {number!r}"
    for name, places in (("epoch", [EPOCHS]), ("global_step", [STEPS, SOLVER_STEPS])):
        kept = [_at(checkpoint, where) for where in places]
        if checkpoint[name] not in kept:
            yield f"its loops stand at {name} {kept[0]}, and it says {checkpoint[name]}"
    if (begun := _at(checkpoint, (*EPOCHS[:-1], "processed"))) not in (checkpoint["epoch"], checkpoint["epoch"] + 1):
        yield f"its loops have {begun} epochs behind them, and it says {checkpoint['epoch']}"  # one more: saved at its end


def _differences(saved: Any, weights: Mapping[str, Tensor]) -> Iterator[str]:
    """Yield what keeps saved weights from being this run's."""
    if not isinstance(saved, Mapping):
        yield "it holds no weights by name"
        return
    for name, own in weights.items():
        value = saved.get(name)
        if not isinstance(value, Tensor):
            yield f"it lacks the weights '{name}' of this model"
        elif value.shape != own.shape:
            yield f"its '{name}' has the shape {tuple(value.shape)}, and this model's {tuple(own.shape)}"
        elif not bool(torch.isfinite(value).all()):
            yield f"its '{name}' holds what is no finite number"
    if more := [str(name) for name in saved if name not in weights]:
        yield f"it holds weights that this model has not: {', '.join(more[:3])}"


def _leaves(node: Any) -> Iterator[Any]:
    if isinstance(node, Mapping):
        for child in node.values():
            yield from _leaves(child)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from _leaves(child)
    else:
        yield node


def _at(node: Any, where: tuple[str, ...]) -> Any:
    for key in where:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node
