"""How far a fit is from the optimum, and what would bring it there, or why there is none."""

from collections.abc import Mapping
from typing import Any

import torch

from logitlab.log.summary import decimal
from logitlab.penalties import NONE
from logitlab.results.optimum import objective
from logitlab.results.result import Fit, Result, Row
from logitlab.results.separation_lines import no_optimum
from logitlab.solvers.descent import epochs_to_go, largest_lr
from logitlab.solvers.firth import FirthObjective
from logitlab.solvers.newton import Solution
from logitlab.solvers.objective import Evaluation
from logitlab.solvers.separation import Separation, Unknown

AT_THE_OPTIMUM = 1e-6
"""A loss that is above the optimum by less than this part of it is called at the optimum."""

NEWTON = "optimizer=newton closes the gap"


def certificate(in_sweeps: bool = False, sweep: bool = False) -> "Certificate | None":
    """Return the result; None in a sweep, unless it is wanted there.

    Args:
        in_sweeps: seek it for the runs of a sweep too.
        sweep: this run is one of a sweep.
    """
    return None if sweep and not in_sweeps else Certificate()


class Certificate(Result):
    """Compares the fit with the float64 optimum of the same objective; says so where there is no optimum.

    Adds to the metrics `train/gradient_max` (the largest absolute entry of the objective's gradient), `train/excess_loss`
    (above the optimum; absent where there is none), `separable`, and `converged` where the optimiser had a stopping rule.
    """

    needs_linear_network = True

    def __call__(self, fit: Fit) -> list[Row]:
        """Return a line on the optimum and, after an optimiser with a stopping rule, one on whether it stopped by it."""
        rows = fit.datamodule.rows("train")
        assert rows is not None
        table, network = objective(fit.module, rows), fit.linear_network
        point = torch.cat([network.weight.detach().reshape(-1), network.bias.detach().reshape(1)]).double()
        here = table(point, isinstance(table, FirthObjective))
        fit.metrics["train/gradient_max"] = here.gradient_norm
        best = fit.optimum
        if best is None:
            text = f"not sought for a table of this size; gradient {here.gradient_norm:.1e} at most"
            return [*_convergence(fit), ("optimum", text)]
        fit.metrics["separable"] = float(isinstance(best, Separation))
        if isinstance(best, Separation):
            text = no_optimum(table, fit.datamodule.feature_names, fit.datamodule.target_name, best)
            return [*_convergence(fit, separable=True), ("optimum", text)]
        if not (isinstance(best, Solution) and best.converged):
            return [*_convergence(fit), ("optimum", _unknown(here, best))]
        fit.metrics["train/excess_loss"] = max(here.value - best.value, 0.0)
        return [*_convergence(fit), ("optimum", _distance(fit, here, best))]


def _convergence(fit: Fit, separable: bool = False) -> list[Row]:
    """Return the line on the optimiser's stopping rule, if it had one; a gradient that is small far out is no optimum."""
    if fit.training.converged is None:
        return []
    converged = fit.training.converged and not separable
    fit.metrics["converged"] = float(converged)
    solver = fit.training.solver
    norm = fit.metrics["train/gradient_max"] if solver is None else solver.gradient_norm
    if separable and (fit.training.converged or (solver is not None and norm <= solver.tolerance)):
        return [("converged", f"no: the gradient is small ({norm:.1e}) only because the weights are so large")]
    asked = "" if solver is None else f" (asked for: {solver.tolerance:.0e})"
    return [("converged", f"{'yes' if converged else 'no'}: gradient {norm:.1e} at most{asked}")]


def _distance(fit: Fit, here: Evaluation, best: Solution) -> str:
    excess = here.value - best.value
    if best.aliased:
        apart = "columns are collinear, so many coefficients give it"
    else:
        own_units = fit.datamodule.preprocessing.in_own_units
        ours, theirs = own_units(here.parameters[:-1], here.parameters[-1]), own_units(best.weight, best.bias)
        off = torch.cat([(ours[0] - theirs[0]).abs(), (ours[1] - theirs[1]).abs().reshape(1)])
        worst = int(off.argmax())
        names = [*(f"weight of {name}" for name in fit.datamodule.feature_names), "bias"]
        largest = float(off[worst])
        size = f"{largest:.2g}" if largest < 100 else decimal(largest, ",.0f")
        apart = f"coefficients within {size} ({names[worst]})" if largest else "the same coefficients"
    norm = f"gradient {here.gradient_norm:.1e} at most"
    gap = AT_THE_OPTIMUM * abs(best.value)
    if excess <= gap:
        above = f"{excess:.1e}" if excess > 0 else "0"
        return f"reached: {above} above the least {_what(fit)}, {decimal(best.value, '.6f')}; {norm}; {apart}"
    share = f"{100 * excess / abs(best.value):.2g} %" if best.value > 0 else f"{excess:.2g}"
    return (
        f"{share} above the least {_what(fit)}, {decimal(best.value, '.6f')}; {norm}; {apart}. {_advice(fit, here, best, gap)}"
    )


def _what(fit: Fit) -> str:
    return "loss" if fit.module.penalty is NONE else "objective"


def _unknown(here: Evaluation, found: Solution | Unknown) -> str:
    why = found.why if isinstance(found, Unknown) else "the search ended short of it"
    return f"not decided: {why} (gradient {here.gradient_norm:.1e} at most). penalty.l2=0.01 gives a finite answer"


def _advice(fit: Fit, here: Evaluation, best: Solution, gap: float) -> str:
    """Return what would bring a fit to the optimum; an estimate of epochs only where there is an honest one.

    There is one for full-batch SGD at a constant learning rate that has come so near that the objective is a parabola from
    there on. How many epochs mini-batches, a schedule or Adam would take is not known. `gap`: above the optimum, from which on
    a fit is called at it.
    """
    descent = _plain_descent(fit)
    if descent is None:
        return NEWTON
    lr, momentum, nesterov = descent["lr"], descent["momentum"], bool(descent["nesterov"])
    longest = largest_lr(best.hessian, momentum, nesterov)
    if lr >= longest:
        return f"With optimizer.lr={lr:g} it never settles there: it takes one below {longest:.2g}. {NEWTON}"
    error = here.parameters - torch.cat([best.weight, best.bias.reshape(1)])
    parabola = float(error @ best.hessian @ error) / 2
    if not 0.5 < parabola / (here.value - best.value) < 2:
        return NEWTON
    more = epochs_to_go(best.hessian, error, lr, momentum, nesterov, gap)
    if more is None:
        return f"{NEWTON}; descent would take millions of epochs"
    last = fit.training.epochs + more
    return f"About {_rounded(more):,} more epochs (trainer.max_epochs={_rounded(last)}) or optimizer=newton would close the gap"


def _plain_descent(fit: Fit) -> Mapping[str, Any] | None:
    """Return the settings of full-batch SGD with nothing about it that changes over time; None for any other optimiser."""
    training, settings = fit.training, fit.training.settings
    if training.batches != 1 or training.has_schedule or training.optimizer is not torch.optim.SGD:
        return None
    if any(settings[key] for key in ("dampening", "weight_decay", "maximize")):
        return None
    return None if getattr(fit.module.penalty, "l1", 0) else settings


def _rounded(epochs: int) -> int:
    """Return the number to two digits, upwards."""
    unit = 10 ** max(len(str(epochs)) - 2, 0)
    return -(-epochs // unit) * unit
