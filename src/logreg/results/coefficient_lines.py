"""How a coefficient table is written for people: on the console, and as markdown for TensorBoard."""

from collections.abc import Iterator

from logreg.statistics.goodness import Goodness
from logreg.statistics.table import CoefficientTable

MOST_LINES = 40
KINDS = {
    "classical": "standard errors from the information at the fitted point",
    "hc0": "robust (sandwich) standard errors, HC0",
    "hc1": "robust (sandwich) standard errors, HC1",
    "cluster": "cluster-robust standard errors",
}
INTERVALS = {"wald": "", "profile": ", profile-likelihood intervals"}


def header(level: float) -> tuple[str, ...]:
    """Return the heads of the columns."""
    percent = f"{level * 100:.6g} % interval"
    return ("", "estimate", "std. error", "z", "p", percent, "odds ratio", percent, "effect on probability")


def cells(table: CoefficientTable) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each coefficient; a dash where there is nothing."""
    columns = table.columns()
    for row in zip(*columns.values(), strict=True):
        value = dict(zip(columns, row, strict=True))
        yield (
            value["name"],
            number(value["estimate"]),
            number(value["std_error"]),
            number(value["z"], ".2f"),
            p_value(value["p"]),
            between(value["ci_low"], value["ci_high"]),
            number(value["odds_ratio"]),
            between(value["odds_ratio_low"], value["odds_ratio_high"]),
            number(value["marginal_effect"]),
        )


def number(value: float, form: str = ".4g") -> str:
    """Return a number, or a dash for NaN."""
    return "-" if value != value else format(value, form)


def between(low: float, high: float) -> str:
    """Return "0.35 to 5.30", or a dash for NaN."""
    return "-" if low != low else f"{low:.4g} to {high:.4g}"


def p_value(p: float) -> str:
    """Return "0.025", "3e-09", or a dash for NaN."""
    return "-" if p != p else "< 1e-300" if p < 1e-300 else f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def goodness_line(fit: Goodness) -> str:
    """Return the figures of the fit as a whole in one line."""
    return (
        f"deviance {fit.deviance:.6g} (null {fit.null_deviance:.6g}), pseudo-R2 {fit.pseudo_r2:.4f}, AIC {fit.aic:.6g},"
        f" BIC {fit.bic:.6g}; against the null model: chi2 {fit.lr_statistic:.4g}, p {p_value(fit.lr_p)}"
    )


def print_table(table: CoefficientTable) -> None:
    """Print the table, in colour on a terminal and as plain text elsewhere; the first MOST_LINES coefficients of a wide one."""
    from rich import box  # imported where needed: most short fits have no errors to print
    from rich.console import Console
    from rich.table import Table

    lines = list(cells(table))
    caption = KINDS[table.kind] + INTERVALS[table.interval]
    if len(lines) > MOST_LINES:
        caption += f"; {len(lines) - MOST_LINES:,} more in coefficients.csv"
    shown = Table(box=box.SIMPLE_HEAD, caption=caption, caption_justify="left", padding=(0, 1), pad_edge=False)
    for position, head in enumerate(header(table.level)):
        shown.add_column(head, justify="left" if position == 0 else "right", no_wrap=True, style="bold" if position == 0 else "")
    for line in [*lines[: MOST_LINES - 1], lines[-1]] if len(lines) > MOST_LINES else lines:
        shown.add_row(*line)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = console.measure(shown).maximum
    console.print(shown)


def as_markdown(table: CoefficientTable) -> str:
    """Return the table as markdown."""
    head = header(table.level)
    lines = ["| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *cells(table))]
    said = f"No standard errors: {table.why_none}." if table.why_none else f"With {KINDS[table.kind]}."
    return "\n".join([*lines, "", said, "", goodness_line(table.goodness), *(f"\n{d.words(table.names)}" for d in table.dependencies)])
