"""The coefficient table: every coefficient with its error, tests and effects, in the data's own units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from logitlab.statistics import covariance, marginal_effects, steps
from logitlab.statistics.collinear import Dependency, dependencies
from logitlab.statistics.goodness import Goodness
from logitlab.statistics.likelihood import Likelihood
from logitlab.statistics.marginal_effects import Indicator
from logitlab.statistics.optimum import no_optimum
from logitlab.statistics.profile import Profile, penalised
from logitlab.statistics.wald import Wald, quantile, two_sided, wald

EFFECTS = ("marginal_effect", "marginal_effect_std_error", "step_effect")
NUMBERS = ("estimate", "std_error", "z", "p", "ci_low", "ci_high", *EFFECTS)
"""The columns of a coefficient table, besides its column's mean."""


@dataclass(frozen=True)
class Units:
    """The features are z = (x - center) / scale of columns x in their own units, (features,) each.

    A weight of z belongs to the weight / scale of x, and the bias to the bias less the sum of weight * center / scale.
    """

    center: Tensor
    scale: Tensor

    @property
    def matrix(self) -> Tensor:
        """The matrix M, (features + 1, features + 1), by which theta of z becomes M theta of x, and its covariance M V M'."""
        matrix = torch.diag(torch.cat([1 / self.scale, self.scale.new_ones(1)]))
        matrix[-1, :-1] = -self.center / self.scale
        return matrix

    def own(self, theta: Tensor) -> Tensor:
        """Return `matrix` @ theta, (features + 1,)."""
        weight = theta[:-1] / self.scale
        return torch.cat([weight, (theta[-1] - weight @ self.center)[None]])


@dataclass(frozen=True)
class CoefficientTable:
    """Columns of (features + 1,) float64 with the bias last; NaN where there is no value.

    Attributes:
        names: of the coefficients.
        estimate: in own units.
        std_error: NaN for all where `why_none` says why, and for those that collinear columns leave open.
        z: and p, ci_low, ci_high: Wald's, or all four of the profile likelihood.
        marginal_effect: average marginal effect, its error `marginal_effect_std_error`; NaN for the bias and for products and
            their factors.
        step: of each column, a difference of a natural size; `step_effect`: the average difference in probability for it,
            NaN for the bias and for products (`statistics/steps.py`).
        mean: of each column over the rows; NaN for the bias.
        indicator: the column is on or off, 1 or 0.
        kind: of the errors: classical, hc0, hc1 or cluster.
        interval: "wald" or "profile".
        level: of the intervals.
        goodness: of the fit as a whole.
        dependencies: exact linear combinations among the columns, in own units.
        notes: of a coefficient without an estimate why it has none, by its place.
        why_none: why there are no errors, the end of a sentence; None where there are.
        firth: the estimates maximise Firth's penalised likelihood.
        degrees: of freedom of Student's t, for cluster errors: the number of groups less 1; None: the normal distribution.
        products: columns that are in every row the product of others, with these.
    """

    names: tuple[str, ...]
    estimate: Tensor
    std_error: Tensor
    z: Tensor
    p: Tensor
    ci_low: Tensor
    ci_high: Tensor
    marginal_effect: Tensor
    marginal_effect_std_error: Tensor
    step: Tensor
    step_effect: Tensor
    mean: Tensor
    indicator: tuple[bool, ...]
    kind: str
    interval: str
    level: float
    goodness: Goodness
    dependencies: list[Dependency] = field(default_factory=list)
    why_none: str | None = None
    notes: Mapping[int, str] = field(default_factory=dict)
    firth: bool = False
    degrees: int | None = None
    products: steps.Products = field(default_factory=dict)

    def columns(self) -> dict[str, list[Any]]:
        """Return the columns of coefficients.csv by name; odds ratios are the exponentials of estimate and interval."""
        half_width = quantile(self.level, self.degrees) * self.marginal_effect_std_error
        numbers = {
            **{name: getattr(self, name) for name in ("estimate", "std_error", "z", "p", "ci_low", "ci_high")},
            "odds_ratio": self.estimate.exp(),
            "odds_ratio_low": self.ci_low.exp(),
            "odds_ratio_high": self.ci_high.exp(),
            "marginal_effect": self.marginal_effect,
            "marginal_effect_std_error": self.marginal_effect_std_error,
            "marginal_effect_low": self.marginal_effect - half_width,
            "marginal_effect_high": self.marginal_effect + half_width,
            "step": self.step,
            "step_effect": self.step_effect,
            "mean": self.mean,
        }
        named = {name: column.tolist() for name, column in numbers.items()}
        notes = [self.notes.get(place, "") for place in range(len(self.names))]
        return {"name": list(self.names), **named, "indicator": [int(each) for each in self.indicator], "note": notes}

    def without(self, notes: Mapping[int, str]) -> "CoefficientTable":
        """Return the table without the coefficients of these places; the notes say why they have none."""
        gap = torch.zeros(len(self.names), dtype=torch.bool)
        gap[list(notes)] = True
        numbers = {name: getattr(self, name).masked_fill(gap, torch.nan) for name in NUMBERS}
        return replace(self, **numbers, notes={**self.notes, **notes})


def coefficient_table(
    likelihood: Likelihood,
    theta: Tensor,
    names: Sequence[str],
    units: Units | None = None,
    kind: str = "classical",
    interval: str = "wald",
    level: float = 0.95,
    groups: Tensor | None = None,
    indicators: Sequence[Indicator] = (),
    products: steps.Products | None = None,
    why_none: str | None = None,
    firth: bool = False,
    sampling: bool = False,
) -> CoefficientTable:
    """Return the table of a fitted point.

    Args:
        likelihood: of the training rows as the network saw them.
        theta: the fitted weights and bias, (features + 1,).
        names: of the features.
        units: of the columns, in which the table is given; None: as they are.
        kind: of the errors; this and `interval`, `level`, `products`, `why_none` and `firth` are those of `CoefficientTable`. A
            profile is of the likelihood, so it goes with classical errors alone.
        interval: "wald" or "profile".
        level: of the intervals.
        groups: the group of each row, for cluster errors.
        indicators: the indicator columns, for marginal effects.
        products: the columns that are products of others (`steps.products`).
        why_none: why there can be no errors, if that is known already (a penalty).
        firth: errors and profile are of the penalised likelihood, as Heinze and Schemper (2002) give them.
        sampling: the weights are sampling weights of mean 1, not counts.

    Raises:
        ValueError: a profile is wanted beside robust errors, or classical errors with sampling weights.
    """
    how = _Inference(kind, interval, level, groups, sampling)
    if why_none is None:
        how.check(firth)
    units = units or Units(torch.zeros(len(theta) - 1).double(), torch.ones(len(theta) - 1).double())
    return _table(likelihood, theta.double(), names, units, how, indicators, products or {}, why_none, firth)


def parameter_covariance(
    likelihood: Likelihood,
    theta: Tensor,
    kind: str = "classical",
    groups: Tensor | None = None,
    sampling: bool = False,
    firth: bool = False,
) -> Tensor:
    """Return the covariance of weights and bias by which a `coefficient_table` has its errors, (features + 1, features + 1).

    It is in the units of the likelihood's features; arguments as for `coefficient_table`.
    """
    how, inner, phi = _Inference(kind, "wald", 0.95, groups, sampling), likelihood.inner, likelihood.basis.inward(theta)
    information = (penalised(inner) if firth else inner.at)(phi).information
    return likelihood.basis.outward_covariance(how.covariance(inner, phi, covariance.inverse(information)))


@dataclass(frozen=True)
class _Inference:
    """How errors and intervals are made; attributes as for `coefficient_table`."""

    kind: str
    interval: str
    level: float
    groups: Tensor | None
    sampling: bool

    def check(self, firth: bool) -> None:
        if (self.interval == "profile" or firth) and self.kind != "classical":
            raise ValueError(
                f"Firth's penalty and profile-likelihood intervals trust the likelihood, and {self.kind} errors do not"
            )
        if self.sampling and self.kind == "classical":
            raise ValueError("classical errors count rows, and sampling weights are not counts: kind hc0, hc1 or cluster")

    def covariance(self, likelihood: Likelihood, theta: Tensor, bread: Tensor) -> Tensor:
        if self.kind == "classical":
            return bread
        if self.kind == "cluster":
            assert self.groups is not None, "cluster errors need the rows' groups"
            return covariance.clustered(likelihood, theta, bread, self.groups, self.sampling)
        return covariance.robust(likelihood, theta, bread, self.kind == "hc1", self.sampling)


def _table(
    likelihood: Likelihood,
    theta: Tensor,
    names: Sequence[str],
    units: Units,
    how: _Inference,
    indicators: Sequence[Indicator],
    products: steps.Products,
    why_none: str | None,
    firth: bool,
) -> CoefficientTable:
    inner, phi = likelihood.inner, likelihood.basis.inward(theta)  # sums over rows, where nothing is nearly collinear
    at = penalised(inner) if firth else inner.at
    point = at(phi)
    why_none = why_none or no_optimum(inner, phi, point, firth=firth) or _too_few_rows(inner)
    if why_none is None:
        theta = likelihood.basis.outward(phi)  # the same logits with 0 for aliased columns, whatever the fit made of them
    effects, jacobian, per_unit = _effects(likelihood, theta, units, indicators, products)
    own, error, effect_error = units.matrix @ theta, *torch.full((2, len(theta)), torch.nan, dtype=torch.float64)
    if why_none is None:
        scatter = how.covariance(inner, phi, covariance.inverse(point.information))
        scatter = likelihood.basis.outward_covariance(scatter)
        error, effect_error = _errors(scatter, units.matrix), _errors(scatter, jacobian) * per_unit
    degrees = len(torch.unique(how.groups)) - 1 if how.kind == "cluster" and how.groups is not None else None
    tests = wald(own, error, how.level, degrees)
    if how.interval == "profile" and why_none is None:
        tests = _profile(Profile(at, phi), units.matrix @ likelihood.basis.to_theta, how.level, error > 0)
    depends = [each.in_units(1 / units.scale, -units.center / units.scale) for each in dependencies(likelihood)]
    value, is_greatest = likelihood.value(theta) if firth else point.value, why_none is None and not firth and not how.sampling
    table = CoefficientTable(
        (*names, "bias"),
        *(own, error, tests.z, tests.p, tests.low, tests.high),
        **effects,
        marginal_effect_std_error=effect_error,
        mean=column_means(likelihood, units),
        indicator=tuple(column in {each.column for each in indicators} for column in range(len(own))),
        kind=how.kind,
        interval=how.interval,
        level=how.level,
        goodness=Goodness(value, likelihood.null(), likelihood.rows, len(theta) - len(depends), is_greatest),
        dependencies=depends,
        why_none=why_none,
        firth=firth,
        degrees=degrees,
        products=products,
    )
    return table if why_none else table.without({each.column: f"aliased: {each.words(names)}" for each in depends})


def bare_table(likelihood: Likelihood, theta: Tensor, names: Sequence[str], units: Units, why_none: str) -> CoefficientTable:
    """Return the table without anything that takes the information matrix; arguments as for `coefficient_table`."""
    theta = theta.double()
    return CoefficientTable(
        (*names, "bias"),
        units.own(theta),
        *(torch.full_like(theta, torch.nan),) * 9,
        mean=column_means(likelihood, units),
        indicator=(False,) * len(theta),
        kind="classical",
        interval="wald",
        level=0.95,
        goodness=Goodness(likelihood.value(theta), likelihood.null(), likelihood.rows, len(theta), is_greatest=False),
        why_none=why_none,
    )


def column_means(likelihood: Likelihood, units: Units) -> Tensor:
    """Return the mean of each column in own units, (features + 1,), NaN for the bias."""
    return _with_nan(likelihood.means * units.scale + units.center)


def _too_few_rows(likelihood: Likelihood) -> str | None:
    """Return what is wrong with weights that count as fewer rows than there are coefficients, if they do."""
    if likelihood.rows > likelihood.parameters:
        return None
    return (
        f"the {len(likelihood.target):,} rows count as {likelihood.rows:.4g} by their weights, and {likelihood.parameters}"
        " coefficients need more. Weights that are not counts are sampling weights: data.weight_kind=sampling"
    )


def _errors(scatter: Tensor, matrix: Tensor) -> Tensor:
    """Return the standard errors of matrix @ theta, whose covariance is `scatter`."""
    return (matrix @ scatter @ matrix.T).diagonal().clamp(min=0).sqrt()


def indicators(likelihood: Likelihood, units: Units, categories: Sequence[Sequence[int]] = ()) -> list[Indicator]:
    """Return the columns that hold nothing but 0 and 1 in their own units.

    Exactly 0 and 1, but for what scaling in float64 rounds off: a column of a scale of 1e-6 is none.

    Args:
        likelihood: of the rows, in the network's units.
        units: of the columns.
        categories: columns that are levels of one category: at most one of them is on in a row.
    """
    binary = torch.ones(likelihood.parameters - 1, dtype=torch.bool)
    for design, _, _ in likelihood.chunks():
        own = design[:, :-1] * units.scale + units.center
        rounding = 1e-12 * units.scale
        binary &= ((own.abs() <= rounding) | ((own - 1).abs() <= rounding)).all(dim=0)
    off = (-units.center / units.scale).tolist()
    on = ((1 - units.center) / units.scale).tolist()
    family = {column: set(columns) - {column} for columns in categories for column in columns}
    return [
        Indicator(column, off[column], on[column], {other: off[other] for other in family.get(column, ())})
        for column in binary.nonzero()[:, 0].tolist()
    ]


def _profile(profile: Profile, contrasts: Tensor, level: float, wanted: Tensor) -> Wald:
    """Return z, p and the intervals of the profile likelihood in own units, (features + 1,) each; NaN where not wanted.

    A coefficient in own units is a contrast of the likelihood's parameters, (features + 1, parameters) in all. For the bias
    that is not the bias alone: it stands where every x is 0.
    """
    found = torch.full((3, len(wanted)), torch.nan, dtype=torch.float64)
    for column in wanted.nonzero()[:, 0].tolist():
        found[:, column] = found.new_tensor([profile.z(contrasts[column]), *profile.interval(contrasts[column], level)])
    z, low, high = found
    return Wald(z, two_sided(z), low, high)


def _effects(
    likelihood: Likelihood, theta: Tensor, units: Units, indicators: Sequence[Indicator], products: steps.Products
) -> tuple[dict[str, Any], Tensor, Tensor]:
    """Return the table's columns of effects, the marginal effects' derivatives by theta, and their factor to own units.

    The factor is 1 for an indicator, whatever its units, and NaN for products, their factors and the bias.
    """
    marginal, jacobian = marginal_effects.average_marginal_effects(likelihood, theta, indicators)
    factors = {factor for each in products.values() for factor in each}
    on_off = [each.column for each in indicators]
    per_unit = 1 / units.scale
    per_unit[on_off] = 1.0
    per_unit[[*products, *factors]] = torch.nan
    own, deviation = (theta[:-1] / units.scale).tolist(), (likelihood.deviations * units.scale).tolist()
    step = torch.tensor([steps.step_of(*each) for each in zip(own, deviation, strict=True)], dtype=torch.float64)
    difference = steps.effects(likelihood, theta, step / units.scale)
    step[on_off], difference[on_off] = 1.0, marginal[on_off]
    for column in factors:
        by = None if column in on_off else step[column].item()
        difference[column] = steps.joint_effect(likelihood, theta, units.center, units.scale, column, products, by)
    difference[list(products)] = torch.nan
    columns = {"marginal_effect": marginal * per_unit, "step": step, "step_effect": difference}
    jacobian = torch.cat([jacobian, torch.zeros_like(jacobian[:1])])
    return {name: _with_nan(column) for name, column in columns.items()}, jacobian, _with_nan(per_unit)


def _with_nan(column: Tensor) -> Tensor:
    """Return a column of the features with a NaN behind it, for the bias."""
    return torch.cat([column, column.new_tensor([torch.nan])])
