"""What a network that is not linear has learnt, in sentences, from what its run directory notes of its columns."""

from collections.abc import Iterator
from pathlib import Path

from logitlab.errors import UserError
from logitlab.inference.model_file import Model
from logitlab.number_format import number
from logitlab.runs.small_files import DamagedFileError, read_csv


def sentences(model: Model, directory: Path) -> Iterator[str]:
    """Yield a sentence for each column, the most important first.

    Args:
        model: from `load_model`.
        directory: of its run, with importance.csv and partial_dependence.csv.

    Raises:
        UserError: they are not there, or damaged.
    """
    try:
        columns = read_csv(directory / "importance.csv", ("column", "rise", "deviation", "split"))
        points = read_csv(directory / "partial_dependence.csv", ("column", "value", "probability")) or []
        if not columns:
            raise UserError(
                f"{directory} has no importance.csv, which results.importance writes after the fit (in a sweep with"
                " results.importance.in_sweeps=true): a network that is not linear has no coefficients to speak of instead."
            )
        yield "The network is not linear: it has no coefficients, and what a column does depends on the others."
        for row in columns:
            here = [(float(point["probability"]), point["value"]) for point in points if point["column"] == row["column"]]
            yield _sentence(model, row["column"], float(row["rise"]), float(row["deviation"]), row["split"], here)
    except (DamagedFileError, ValueError, TypeError) as error:
        raise UserError(f"{directory} holds what is no table of importances: {error}") from error


def _sentence(model: Model, name: str, rise: float, deviation: float, split: str, points: list[tuple[float, str]]) -> str:
    shuffled = f"with the values of {name} shuffled among the {split} rows the log loss"
    if rise <= deviation:
        return f"{name} hardly matters: {shuffled} moves by {number(rise)}, no more than one shuffle differs from another."
    text = f"{shuffled[0].upper()}{shuffled[1:]} is {number(rise)} higher (deviation {number(deviation)})"
    if not points:
        return f"{text}."
    (low, at_low), (high, at_high) = min(points), max(points)
    what = f"the probability of {model.labels.name}={model.labels.positive}"
    ends = f"lowest, {low:.3g}, at {name} = {at_low}, and highest, {high:.3g}, at {at_high}"
    return f"{text}. Averaged over these rows, {what} is {ends}."
