"""What a person reads when a run has ended."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path


def summary(title: str, metrics: Mapping[str, float], rows: Sequence[tuple[str, str]], run_directory: Path) -> str:
    """Return the closing lines of a run: metrics, results, where everything is, and how to look at it.

    Args:
        title: what was trained on what, for how long.
        metrics: final metrics by name.
        rows: (name, text) of each result.
        run_directory: of this run.
    """
    shown = run_directory.relative_to(Path.cwd()) if run_directory.is_relative_to(Path.cwd()) else run_directory
    logdir = Path("outputs") if shown.parts[0] == "outputs" else shown  # all runs and sweeps on one dashboard
    lines = [
        *((name, f"{value:.6f}") for name, value in metrics.items()),
        *rows,
        ("run directory", str(shown)),
        ("dashboard", f"tensorboard --logdir {shlex.quote(str(logdir))}"),
    ]
    width = max(len(name) for name, _ in lines)
    return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in lines)])


def count(number: int, noun: str) -> str:
    """Return "1 row", "2 rows", "1,001 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
