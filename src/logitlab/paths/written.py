"""What a selection wrote down of its path, read back without torch: for pictures and reports."""

from dataclasses import dataclass
from pathlib import Path

from logitlab.runs.small_files import read_csv

SELECTION, PATH = "selection.csv", "coefficient_path.csv"


@dataclass(frozen=True)
class WrittenPath:
    """The path of the share of l1 that the smallest loss has.

    Attributes:
        what: the name of the strength.
        strength: of the penalties, from strong to weak.
        loss: the mean loss over the folds.
        error: its standard error.
        chosen: rule -> place of its choice.
        coefficients: of all rows: feature -> its weight under each penalty.
    """

    what: str
    strength: list[float]
    loss: list[float]
    error: list[float]
    chosen: dict[str, int]
    coefficients: dict[str, list[float]]


def read(run: Path) -> WrittenPath | None:
    """Return what a run directory holds; None where its penalty was not chosen along a path.

    Raises:
        DamagedFileError: a file is damaged.
        ValueError: the two do not belong together, or what should be a number is none.
    """
    lines = read_csv(run / SELECTION, ("loss", "standard_error", "choice"))
    rows = read_csv(run / PATH, ("l1_ratio", "strength", "bias"))
    if not lines or not rows:
        return None
    if len(lines) != len(rows):
        raise ValueError(f"{len(lines)} penalties in {SELECTION} and {len(rows)} in {PATH}")
    ratio = next((row["l1_ratio"] for row, line in zip(rows, lines, strict=True) if "min" in line["choice"].split()), "")
    kept = [(row, line) for row, line in zip(rows, lines, strict=True) if row["l1_ratio"] == ratio]
    names = [name for name in rows[0] if name not in ("l1_ratio", "strength", "bias")]
    return WrittenPath(
        what=f"strength, l1_ratio {float(ratio):g}"
        if ratio
        else next(name for name in lines[0] if name.startswith("penalty.")),
        strength=[float(row["strength"]) for row, _ in kept],
        loss=[float(line["loss"]) for _, line in kept],
        error=[float(line["standard_error"]) for _, line in kept],
        chosen={name: place for place, (_, line) in enumerate(kept) for name in line["choice"].split()},
        coefficients={name: [float(row[name]) for row, _ in kept] for name in names},
    )
