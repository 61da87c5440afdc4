"""How often every printed interval holds the truth, on tables drawn from models whose truth is known.

python scripts/interval_coverage.py                (make coverage: some minutes)
python scripts/interval_coverage.py wald hc1 --tables 200 --print

A simulation is a function in SIMULATIONS: it draws one table by a generator and returns, for each interval, whether it holds
the truth. The table of results stands in docs/statistics.md, between the two lines of COMMENT.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor

from logitlab.metrics import calibration_error
from logitlab.solvers.firth import firth
from logitlab.solvers.newton import newton
from logitlab.statistics.calibration import by_chance
from logitlab.statistics.likelihood import Likelihood
from logitlab.statistics.table import CoefficientTable, coefficient_table

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
COMMENT = ("<!-- scripts/interval_coverage.py -->", "<!-- end -->")
TABLES = 1000
SEED = 20

Held = Mapping[str, bool]
"""Whether each interval of one table, by name, holds the truth."""

Simulation = Callable[[Generator], Held]


def coverage(simulation: Simulation, tables: int = TABLES, seed: int = SEED) -> dict[str, float]:
    """Return the share of `tables` drawn tables in which each interval holds the truth, by the interval's name."""
    generator = torch.Generator().manual_seed(seed)
    held: dict[str, int] = {}
    for _ in range(tables):
        for name, is_in in simulation(generator).items():
            held[name] = held.get(name, 0) + is_in
    return {name: number / tables for name, number in held.items()}


def wald(generator: Generator) -> Held:
    """300 rows, three normal columns, a logistic truth; the Wald intervals, of the average marginal effects too."""
    x, y, truth = _logistic(generator, 300, [0.8, -0.5, 0.0, 0.3])
    table, p = _table(x, y), torch.sigmoid(x @ truth[:-1] + truth[-1])
    columns = {name: torch.tensor(values) for name, values in table.columns().items() if name.startswith("marginal_effect_")}
    effect = (p * (1 - p)).mean() * truth[:-1]
    inside = (columns["marginal_effect_low"][:-1] <= effect) & (effect <= columns["marginal_effect_high"][:-1])
    names = (f"effect of {name}" for name in table.names[:-1])
    return {**_held(table, truth), **dict(zip(names, inside.tolist(), strict=True))}


def profile(generator: Generator) -> Held:
    """100 rows, a normal column and one of 0 and 1, a logistic truth; the profile-likelihood interval."""
    x, y, truth = _small(generator, 100)
    return _held(_table(x, y, interval="profile"), truth)


def hc1(generator: Generator) -> Held:
    """300 rows, a logit that bends (0.8 x^2) and a model that does not; the interval by HC1 for the line nearest to it."""
    x, y = _bent(generator, 300)
    return _held(_table(x, y, kind="hc1"), NEAREST_LINE)


def cluster(generator: Generator) -> Held:
    """30 groups of 10 rows that share half of their luck and part of their columns; the interval by cluster errors."""
    x, y, groups, truth = _grouped(generator, 30, 10)
    return _held(_table(x, y, kind="cluster", groups=groups), truth)


def firth_profile(generator: Generator) -> Held:
    """40 rows, a normal column and one of 0 and 1, a logistic truth; the profile of Firth's penalised likelihood."""
    x, y, truth = _small(generator, 40)
    best = firth(x, y)
    theta = torch.cat([best.weight, best.bias[None]])
    return _held(coefficient_table(Likelihood(x, y), theta, ["x1", "x2"], interval="profile", firth=True), truth)


def sampling(generator: Generator) -> Held:
    """320 rows or so, drawn from a population, class 1 and large x1 more often; sampling weights, the interval by HC1."""
    x, y, truth = _logistic(generator, 1200, [0.8, -0.5, -1.0])
    chance = torch.where(y > 0, 0.6, 0.2) * torch.where(x[:, 0] > 0, 1.0, 0.6)
    drawn = torch.rand(len(y), generator=generator) < chance
    weight = 1 / chance[drawn]
    return _held(_table(x[drawn], y[drawn], weight / weight.mean(), kind="hc1", sampling=True), truth)


def calibration(generator: Generator) -> Held:
    """300 val rows whose probabilities are right; the band of calibration errors that such probabilities show by chance."""
    p = torch.sigmoid(1.5 * torch.randn(300, generator=generator, dtype=torch.float64) - 0.5)
    low, high = by_chance(p)
    error = calibration_error(p, torch.bernoulli(p, generator=generator), torch.ones_like(p))
    return {"calibration error": low <= error <= high}


_ALL = (wald, profile, hc1, cluster, firth_profile, sampling, calibration)
SIMULATIONS: dict[str, Simulation] = {each.__name__: each for each in _ALL}


def _table(x: Tensor, y: Tensor, weight: Tensor | None = None, **how: object) -> CoefficientTable:
    """Fit by Newton and return the table; x (rows, features), y and weight (rows,)."""
    best = newton(x, y, weight)
    names = [f"x{number + 1}" for number in range(x.shape[1])]
    return coefficient_table(Likelihood(x, y, weight), torch.cat([best.weight, best.bias[None]]), names, **how)  # type: ignore[arg-type]


def _held(table: CoefficientTable, truth: Tensor) -> Held:
    """A table without intervals (separated classes) holds nothing."""
    inside = (table.ci_low <= truth) & (truth <= table.ci_high)
    return dict(zip(table.names, inside.tolist(), strict=True))


def _logistic(generator: Generator, rows: int, truth: Sequence[float]) -> tuple[Tensor, Tensor, Tensor]:
    """Return normal columns, (rows, features), classes, (rows,), and the truth, the bias last."""
    theta = torch.tensor(truth, dtype=torch.float64)
    x = torch.randn(rows, len(truth) - 1, generator=generator, dtype=torch.float64)
    return x, torch.bernoulli(torch.sigmoid(x @ theta[:-1] + theta[-1]), generator=generator), theta


def _small(generator: Generator, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return a normal column and one of 0 and 1, (rows, 2), classes, (rows,), and the truth."""
    theta = torch.tensor([0.8, -1.0, 0.3], dtype=torch.float64)
    x = torch.randn(rows, 2, generator=generator, dtype=torch.float64)
    x[:, 1] = (x[:, 1] > 0).double()
    return x, torch.bernoulli(torch.sigmoid(x @ theta[:-1] + theta[-1]), generator=generator), theta


GRID = torch.cartesian_prod(torch.linspace(-2, 2, 9, dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64))


def _probability(x: Tensor) -> Tensor:
    return torch.sigmoid(-2.5 + 0.3 * x[:, 0] + 0.8 * x[:, 0].square() + 0.5 * x[:, 1])


def _bent(generator: Generator, rows: int) -> tuple[Tensor, Tensor]:
    """Return rows of GRID, (rows, 2), and their classes, (rows,)."""
    x = GRID[torch.randint(len(GRID), (rows,), generator=generator)]
    return x, torch.bernoulli(_probability(x), generator=generator)


def _nearest_line() -> Tensor:
    """Return what the estimates of `_bent` tend to: the logistic model that is nearest, (3,), from every point of the grid."""
    p = _probability(GRID)
    best = newton(GRID.repeat(2, 1), torch.cat([torch.ones_like(p), torch.zeros_like(p)]), torch.cat([p, 1 - p]))
    return torch.cat([best.weight, best.bias[None]])


NEAREST_LINE = _nearest_line()


def _grouped(generator: Generator, groups: int, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return columns, classes, the group of each row, and the truth.

    A row of class 1 is one whose uniform number is below its probability: so the logistic model holds exactly for every row. In
    half of the rows that number is the group's own, so rows of one group hang together.
    """
    theta = torch.tensor([0.7, -0.5, -0.2], dtype=torch.float64)
    group = torch.arange(groups).repeat_interleave(size)
    shared, own = torch.randn(groups, generator=generator), torch.randn(len(group), generator=generator)
    x = torch.stack([(shared[group] + own) / math.sqrt(2), torch.randn(len(group), generator=generator)], dim=1).double()
    luck = torch.rand(groups, generator=generator)[group]
    alone = torch.rand(len(group), generator=generator)
    number = torch.where(torch.rand(len(group), generator=generator) < 0.5, luck, alone)
    return x, (number < torch.sigmoid(x @ theta[:-1] + theta[-1])).double(), group, theta


def lines(results: Mapping[str, Mapping[str, float]], tables: int) -> str:
    """Return the results as a Markdown table."""
    rows = [f"| simulation | {tables:,} tables of | intervals that hold the truth |", "|---|---|---|"]
    for name, shares in results.items():
        doc = " ".join(str(SIMULATIONS[name].__doc__).split()).rstrip(".")
        told = ", ".join(f"{which} {100 * share:.1f} %" for which, share in shares.items())
        rows.append(f"| `{name}` | {doc} | {told} |")
    return "\n".join(rows)


def main() -> None:
    """Run the simulations and write, or print, the table."""
    parser = argparse.ArgumentParser(description="How often every printed interval holds the truth.")
    parser.add_argument("names", nargs="*", choices=[*SIMULATIONS, []], help="simulations; none: all of them")
    parser.add_argument("--tables", type=int, default=TABLES)
    parser.add_argument("--print", action="store_true", help="print the table instead of writing docs/statistics.md")
    given = parser.parse_args()
    wanted = given.names or list(SIMULATIONS)
    text = lines({name: coverage(SIMULATIONS[name], given.tables) for name in wanted}, given.tables)
    if given.print:
        print(text)
        return
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(COMMENT[0])
    after = rest.partition(COMMENT[1])[2]
    PAGE.write_text(f"{before}{COMMENT[0]}\n{text}\n{COMMENT[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
