"""The metrics of a trained model on a table with answers."""

from collections import Counter

from logitlab.data import quality, reading
from logitlab.errors import UserError, did_you_mean
from logitlab.inference.model_file import Model
from logitlab.inference.prediction import probabilities, unseen_notes
from logitlab.metrics import BinaryMetrics, undefined
from logitlab.statistics.calibration import by_chance


def evaluate(
    model: Model,
    path: str,
    target: str | None = None,
    weight: str | None = None,
    form: reading.TableOptions | None = None,
    notes: list[str] | None = None,
) -> dict[str, float]:
    """Return every metric of a model on the rows of a table, by name.

    Args:
        model: from `load_model`.
        path: of the table, as for `reading.read`.
        target: the column with the answers; None: the one that the model was trained on.
        weight: the column of row weights; None: all rows count alike.
        form: how the table is written.
        notes: gets a sentence for each thing that a person should know.

    Raises:
        UserError: a column is missing, or a value is none.
    """
    target = target or model.labels.name
    kinds = {**model.preprocessing.kinds, **({weight: "number"} if weight else {})}
    if all(_is_number(value) for value in model.labels.values):
        kinds[target] = "number"
    metrics = BinaryMetrics(model.threshold, model.base_rate)
    rows = 0
    columns, where = reading.column_names(path, form), reading.named(path)
    for key, name in (("target", target), ("weight", weight)):
        if name is not None and name not in columns:
            raise UserError(
                f"{where} has no column '{name}' (data.{key}).{did_you_mean(name, columns)} To predict rows without answers use"
                " predict.py."
            )
    read = [*model.preprocessing.columns, target, *([weight] if weight else [])]
    unseen: Counter[tuple[str, str]] = Counter()
    scored = probabilities(model, path, form, kinds, [name for name in columns if name in read], unseen)
    for part, _, (probability, logit) in scored:
        answer = model.labels.encode(part[target], where, rows + 1)
        weights = None if weight is None else quality.weights(part[weight], where, rows + 1)
        metrics.update(probability, answer, weights, logit)
        rows += len(part)
    if notes is not None:
        notes += unseen_notes(unseen)
    found = metrics.compute()
    probability, _, all_weights = metrics.rows()
    low, high = by_chance(probability, all_weights)
    found |= {"calibration_by_chance_low": low, "calibration_by_chance_high": high}
    if notes is not None and (reason := undefined(found)):
        notes.append(f"{reason[0].upper()}{reason[1:]}.")
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
