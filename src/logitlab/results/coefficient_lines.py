"""How a coefficient table is written for people, on the console."""

import sys
from collections.abc import Iterator

from logitlab.console import bare, one_line
from logitlab.log.summary import cells as cell_len
from logitlab.log.summary import decimal
from logitlab.number_format import apart, odds_ratio
from logitlab.statistics.table import CoefficientTable

MOST_LINES = 40
NO_EDGE = 10_000
BETWEEN = 3
"""Spaces between two columns."""
KINDS = {
    "classical": "standard errors from the information at the fitted point",
    "hc0": "robust (sandwich) standard errors, HC0",
    "hc1": "robust (sandwich) standard errors, HC1",
    "cluster": "cluster-robust standard errors",
}
INTERVALS = {"wald": "", "profile": ", p and intervals of the profile likelihood"}


def header(level: float) -> tuple[str, ...]:
    """Return the heads of the columns."""
    percent = f"{level * 100:.6g} % interval"
    return ("", "estimate", "std. error", "z", "p", percent, "odds ratio", percent, "effect on probability")


def cells(table: CoefficientTable) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each coefficient; a dash where there is nothing."""
    columns = table.columns()
    for row in zip(*columns.values(), strict=True):
        value = dict(zip(columns, row, strict=True))
        ratio, low, high = apart([odds_ratio(value[name]) for name in ("estimate", "ci_low", "ci_high")], 4)
        yield (
            one_line(value["name"]),
            value["note"].partition(":")[0] or number(value["estimate"]),
            number(value["std_error"]),
            number(value["z"], ".2f"),
            p_value(value["p"]),
            between(value["ci_low"], value["ci_high"]),
            ratio,
            f"{low} to {high}" if value["ci_low"] == value["ci_low"] else "-",
            number(value["marginal_effect"]),
        )


def number(value: float, form: str = ".4g") -> str:
    """Return a number, or a dash for NaN."""
    return decimal(value, form)


def between(low: float, high: float) -> str:
    """Return "0.35 to 5.30", or a dash for NaN."""
    return "-" if low != low else f"{low:.4g} to {high:.4g}"


def p_value(p: float) -> str:
    """Return "0.025", "3.1e-09", or a dash for NaN."""
    return "-" if p != p else "< 1e-300" if p < 1e-300 else f"{p:.3f}" if p >= 0.1 else f"{p:.2g}"


def goodness_line(table: CoefficientTable) -> str:
    """Return the figures of the fit as a whole in one line; AIC, BIC and the test where there are any."""
    fit = table.goodness
    whole = f"deviance {fit.deviance:.6g} (null {fit.null_deviance:.6g}), pseudo-R2 {fit.pseudo_r2:.4f}"
    if not fit.is_greatest:
        return whole
    test = f"chi2 {fit.lr_statistic:.4g}, p {p_value(fit.lr_p)}"
    return f"{whole}, AIC {fit.aic:.6g}, BIC {fit.bic:.6g}; against the null model: {test}"


def print_table(table: CoefficientTable) -> None:
    """Print the table, in colour on a terminal and as plain text elsewhere; the first MOST_LINES coefficients of a wide one.

    Columns for which a terminal has no room follow below, in a table of their own with the names again.
    """
    from rich import box  # imported where needed: most short fits have no errors to print
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    width = console.width if console.is_terminal else NO_EDGE
    console.width = NO_EDGE  # lines are folded here, by whole columns
    lines = list(cells(table))
    by_groups = "" if table.degrees is None else f", Student's t with {table.degrees:,} degrees of freedom"
    caption = (
        KINDS[table.kind] + by_groups + INTERVALS[table.interval] + ("; Firth's penalised likelihood" if table.firth else "")
    )
    if len(lines) > MOST_LINES:
        caption += f"; {len(lines) - MOST_LINES:,} more in coefficients.csv"
        lines = [*lines[: MOST_LINES - 1], lines[-1]]
    heads = header(table.level)
    printed = []
    for columns in _folded([heads, *lines], width):
        shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        for column in columns:
            shown.add_column(heads[column], justify="right" if column else "left", no_wrap=True, style="" if column else "bold")
        for line in lines:
            shown.add_row(*(escape(line[column]) for column in columns))
        with console.capture() as captured:
            console.print(shown)
        printed += [line.rstrip().removeprefix(" ") for line in captured.get().splitlines()]
    print("\n".join([*filter(None, printed), caption, ""]), file=bare(sys.stdout))  # the names are printable, the colours ours


def _folded(lines: list[tuple[str, ...]], width: int) -> list[list[int]]:
    """Return the columns of each table that a line of so many characters has room for, the names first in every one.

    Names that leave no room for a number go beyond the edge rather than being cut: by them the rows are told apart.
    """
    names, *widths = (max(map(cell_len, column)) + BETWEEN for column in zip(*lines, strict=True))
    tables: list[list[int]] = []
    room = 0
    for column, wide in enumerate(widths, 1):
        if wide > room:
            tables.append([0])
            room = max(width - names, wide)
        tables[-1].append(column)
        room -= wide
    return tables
