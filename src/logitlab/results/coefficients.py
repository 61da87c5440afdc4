"""The coefficients in the data's own units, with their errors and what these say."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from logitlab import rules, spreadsheet
from logitlab.data.examples import Examples
from logitlab.log.summary import decimal
from logitlab.penalties import ElasticNet, Firth
from logitlab.results.coefficient_lines import goodness_line, print_table
from logitlab.results.optimum import Verdict
from logitlab.results.result import Fit, Result, Row
from logitlab.solvers.separation import Separation, Unknown
from logitlab.statistics.likelihood import Likelihood
from logitlab.statistics.limit import boundary, limit_table
from logitlab.statistics.marginal_effects import Indicator
from logitlab.statistics.optimum import SEPARATED
from logitlab.statistics.steps import Products, products
from logitlab.statistics.table import CoefficientTable, Units, bare_table, coefficient_table, indicators

MOST_IN_SUMMARY = 12
MOST_IN_ORDER = 200
"""Coefficients up to which the summary has the first ones; of more the largest."""
MOST_COLLINEAR = 3
MOST_WORK = 1e9
"""Rows x coefficients^3 up to which Firth's intervals are profiles unless asked for otherwise: some ten seconds."""

SAME_LIKELIHOOD = 1e-4
"""Log-likelihoods that differ by less belong to points within 0.014 standard errors of each other."""

GREATEST_LIKELIHOOD = "penalty=null optimizer=newton"
"""What to type for the estimates that statsmodels' Logit and R's glm give, and their errors."""


@dataclass(frozen=True)
class _Known:
    """What does not depend on the coefficients; with the rows themselves, so that their id stays theirs."""

    rows: Examples
    likelihood: Likelihood
    indicators: list[Indicator]
    products: Products


class Coefficients(Result):
    """Writes coefficients.csv and statistics.json, prints the table where there are errors.

    The likelihood is that of the training rows. Row weights are counts, as freq_weights in statsmodels, or sampling weights, as
    in R's survey: with these, robust errors take the place of classical ones.
    """

    needs_linear_network = True

    def __init__(
        self,
        errors: str = "classical",
        interval: str | None = None,
        level: float = 0.95,
        most: int = 1000,
        is_printed: bool = True,
        spreadsheet_safe: bool = True,
    ) -> None:
        """Say which errors are wanted.

        Args:
            errors: "classical", "hc0", "hc1" or "cluster" (`statistics/covariance.py` has the formulas).
            interval: "wald" or "profile" (of the likelihood; some forty passes over the rows for each coefficient). None:
                profile after penalty=firth with classical errors, where that takes seconds at most; else wald.
            level: of the intervals.
            most: with more features than this there are estimates only: errors take features^3 operations.
            is_printed: besides coefficients.csv; not for a run among hundreds.
            spreadsheet_safe: names in coefficients.csv that a spreadsheet would run get an apostrophe in front.

        Raises:
            UserError: an argument that is not allowed.
            ValueError: profile intervals beside robust errors.
        """
        rules.check("results.coefficients", errors=errors, interval=interval, level=level)
        if interval == "profile" and errors != "classical":
            raise ValueError(f"a profile-likelihood interval trusts the likelihood, and errors={errors} do not")
        self.errors = errors
        self.interval = interval
        self.level = level
        self.most = most
        self.is_printed = is_printed
        self.spreadsheet_safe = spreadsheet_safe
        self._seen: dict[int, _Known] = {}
        self._verdicts: dict[int, Verdict] = {}

    def __call__(self, fit: Fit) -> list[Row]:
        """Write and print the table; return the summary's lines: the weights, the bias, and what there is to say of errors."""
        rows = fit.datamodule.rows("train")
        assert rows is not None
        table = self._table(fit, rows)
        fit.run.write_text("coefficients.csv", as_csv(table, self.spreadsheet_safe))
        fit.run.write_json(
            "statistics.json",
            {
                "rows": table.goodness.rows,
                **table.goodness.plain(),
                "errors": None if table.why_none else table.kind,
                "why_no_errors": table.why_none,
                "interval": None if table.why_none else table.interval,
                "firth": table.firth,
                "level": table.level,
                "collinear": [each.words(table.names) for each in table.dependencies],
                "products": {
                    table.names[product]: [table.names[factor] for factor in factors]
                    for product, factors in table.products.items()
                },
                "notes": {table.names[place]: note for place, note in sorted(table.notes.items())},
            },
        )
        if self.is_printed and table.why_none is None:
            print_table(table)
        return [*_summary(table), *self._instead(table, rows)]

    def _known(self, fit: Fit, rows: Examples, units: Units) -> "_Known":
        """Return what is known of some rows whatever the coefficients; runs that were trained together share it."""
        if id(rows) not in self._seen:
            likelihood = Likelihood(rows.exact, rows.target, rows.weight)
            is_wide = likelihood.parameters > self.most + 1  # there are estimates only
            categories = [places for column, places in fit.datamodule.preprocessing.groups() if column.kind == "category"]
            on_off = [] if is_wide else indicators(likelihood, units, categories)
            columns = [each.column for each in on_off]
            moving = {} if is_wide else products(likelihood, units.center, units.scale, columns)
            self._seen[id(rows)] = _Known(rows, likelihood, on_off, moving)
        return self._seen[id(rows)]

    def _table(self, fit: Fit, rows: Examples) -> CoefficientTable:
        network, names = fit.linear_network, fit.datamodule.feature_names
        theta = torch.cat([network.weight.detach(), network.bias.detach()[None]]).double()
        scaling = fit.datamodule.preprocessing.scaling
        units = Units(*torch.tensor([scaling.center, scaling.scale], dtype=torch.float64))
        known = self._known(fit, rows, units)
        likelihood = known.likelihood
        if len(names) > self.most:
            why = f"{len(names):,} features are more than results.coefficients.most={self.most}"
            return bare_table(likelihood, theta, names, units, why)
        why_none, firth = _no_likelihood(fit), isinstance(fit.module.penalty, Firth)
        found = None if why_none or firth else self._verdict(fit, rows)
        kind = self._kind(rows)
        options: dict[str, Any] = {
            "kind": kind,
            "interval": self._interval(kind, firth, likelihood),
            "level": self.level,
            "groups": rows.cluster,
            "indicators": known.indicators,
            "products": known.products,
            "sampling": rows.sampling,
        }
        if isinstance(found, Separation) and not found.one_class:
            if (rest := _limit(fit, likelihood, theta, found)) is not None and found.rows is not None:
                return limit_table(likelihood, found.rows, rest, found.infinite, names, units, **options)
            why_none = SEPARATED
        elif isinstance(found, Unknown):
            why_none = f"whether there is an optimum is not decided: {found.why}"
        return coefficient_table(likelihood, theta, names, units, why_none=why_none, firth=firth, **options)

    def _verdict(self, fit: Fit, rows: Examples) -> Verdict:
        """Return the unpenalised optimum of some rows; sought once for runs that were trained together."""
        if id(rows) not in self._verdicts:
            self._verdicts[id(rows)] = fit.optimum
        return self._verdicts[id(rows)]

    def _kind(self, rows: Examples) -> str:
        """Return the kind of the errors: sampling weights have no classical ones."""
        if not (rows.sampling and self.errors == "classical"):
            return self.errors
        return "hc1" if rows.cluster is None else "cluster"

    def _interval(self, kind: str, firth: bool, likelihood: Likelihood) -> str:
        if kind != "classical":
            return "wald"
        work = len(likelihood.target) * likelihood.parameters**3
        return self.interval or ("profile" if firth and work <= MOST_WORK else "wald")

    def _instead(self, table: CoefficientTable, rows: Examples) -> list[Row]:
        """Return what to say where the table holds something else than was asked for, or than is the rule."""
        lines: list[Row] = []
        if table.why_none is not None:
            return lines
        if table.kind != self.errors:
            errors = f"{table.kind} in the place of classical ones, which count rows: sampling weights are no counts"
            lines.append(("standard errors", errors))
        if self.interval == "profile" and table.interval == "wald":
            lines.append(("intervals", "Wald's: sampling weights have no likelihood, so there is no profile of it"))
        elif self.interval is None and table.firth and table.kind == "classical" and table.interval == "wald":
            size = f"{len(table.names):,} coefficients over {len(rows):,} rows"
            lines.append(
                ("intervals", f"Wald's: profiles of {size} take long; results.coefficients.interval=profile asks for them")
            )
        return lines


def as_csv(table: CoefficientTable, spreadsheet_safe: bool = True) -> str:
    """Return the table as CSV, numbers at full precision, empty where there is none."""
    columns = table.columns()
    rows = (["" if value != value else value for value in row] for row in zip(*columns.values(), strict=True))
    return spreadsheet.as_csv([list(columns), *rows], spreadsheet_safe)


def _summary(table: CoefficientTable) -> list[Row]:
    rows = [("collinear", each.words(table.names)) for each in table.dependencies[:MOST_COLLINEAR]]
    if len(table.dependencies) > MOST_COLLINEAR:
        rows.append(("...", f"{len(table.dependencies) - MOST_COLLINEAR:,} more in statistics.json"))
    if table.why_none is None:  # the table is printed
        return [*rows, ("fit", goodness_line(table))]
    return [*_estimates(table), *rows, ("standard errors", f"none: {table.why_none}")]


def _estimates(table: CoefficientTable) -> list[Row]:
    *weights, bias = zip(table.names, table.estimate.tolist(), strict=True)
    if is_long := len(weights) > MOST_IN_ORDER:
        weights.sort(key=lambda weight: -abs(weight[1]))
    rows = [(f"weight of {name}", _decimal(value)) for name, value in weights[:MOST_IN_SUMMARY]]
    if len(weights) > MOST_IN_SUMMARY:
        rows.append(("...", f"{len(weights) - MOST_IN_SUMMARY:,} {'smaller' if is_long else 'more'} in coefficients.csv"))
    return [*rows, ("bias", _decimal(bias[1]))]


def _decimal(value: float) -> str:
    """Return a number with four decimals, or with four digits where those would show less."""
    return decimal(value) if value == 0 or abs(value) >= 0.01 else f"{value:.4g}"


def _no_likelihood(fit: Fit) -> str | None:
    """Return why the fit, whatever it reached, does not aim at the greatest likelihood, if so."""
    penalty = fit.module.penalty
    if isinstance(penalty, Firth) and fit.datamodule.examples.sampling:
        return "sampling weights have no likelihood that Firth's penalty could correct (data.weight_kind=counts has one)"
    if isinstance(penalty, ElasticNet) and penalty.l1:
        return "penalty.l1 chooses the coefficients that are not 0 by the same rows, which no standard error accounts for"
    shrinkage = "pulls the coefficients towards 0, so intervals around them would not cover as often as they say"
    if isinstance(penalty, ElasticNet) and penalty.l2:
        c = penalty.as_sklearn(sum(fit.datamodule.examples.class_weights))["C"]
        strength = f"penalty.l2={penalty.l2:.3g} (C = {c:.3g} in scikit-learn)"
        return f"{strength} {shrinkage}. For the coefficients of greatest likelihood type {GREATEST_LIKELIHOOD}"
    if decay := fit.training.settings.get("weight_decay"):
        return f"optimizer.weight_decay={decay:g} {shrinkage}"
    if getattr(fit.module.loss, "pos_weight", None) not in (None, 1.0):
        return "loss.pos_weight counts class 1 anew, so these are not the coefficients of greatest likelihood"
    return None


def _limit(fit: Fit, likelihood: Likelihood, theta: Tensor, found: Separation) -> Tensor | None:
    """Return the optimum of the rows on the boundary, where a solver has gone so far that the others add nothing; else None."""
    if found.rest is None or found.rows is None or len(found.infinite) >= len(theta) or fit.training.converged is None:
        return None
    rest = torch.cat([found.rest.weight, found.rest.bias[None]])
    gap = boundary(likelihood, found.rows).value(rest) - likelihood.value(theta)
    return rest if gap < SAME_LIKELIHOOD else None
