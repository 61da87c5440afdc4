"""What evaluate.py, predict.py and export.py do with their configs; like experiment.py for train.py, it alone reads them.

torch is imported once the config is known to be good.
"""

import json
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from logreg.errors import UserError
from logreg.run_directory import CHECKPOINTS


def predict(cfg: DictConfig) -> None:
    """Write the predictions that `cfg` asks for and say how many there are.

    Raises:
        UserError: the run, the table or the output is not what it should be.
        RunError: the output cannot be written.
    """
    _check_run(cfg.run)
    _check_output(cfg.output, ("-", ".csv", ".parquet"))
    from logreg.model_file import load_model
    from logreg.prediction import STDOUT, predict

    model = load_model(cfg.run)
    path, form = _table(cfg)
    report = predict(model, path, cfg.output, _plain(cfg.keep), form)
    for note in report.notes():
        print(f"Note: {note}", file=sys.stderr)
    where = "standard output" if cfg.output == STDOUT else cfg.output
    name = model.labels.classes[1]
    print(
        f"{report.rows:,} predictions in {where}: {report.positive:,} of class {name} (probability >= {model.threshold:.4g}),"
        f" {report.rows - report.positive:,} of class {model.labels.classes[0]}.",
        file=sys.stderr if cfg.output == STDOUT else sys.stdout,
    )


def evaluate(cfg: DictConfig) -> None:
    """Print the metrics on the labelled table of `cfg`, and write them down where that is asked for.

    Raises:
        UserError: the run, the table or the output is not what it should be.
    """
    _check_run(cfg.run)
    if cfg.output is not None:
        _check_output(cfg.output, ("-", ".json"))
    from logreg.evaluation import evaluate
    from logreg.model_file import load_model
    from logreg.summary import aligned, metrics_table

    model = load_model(cfg.run)
    path, form = _table(cfg)
    metrics = evaluate(model, path, cfg.data.target, cfg.data.weight, form)
    text = json.dumps({name: None if value != value else value for name, value in metrics.items()}, indent=2) + "\n"
    if cfg.output == "-":
        print(text, end="")
        return
    if cfg.output is not None:
        Path(cfg.output).write_text(text, encoding="utf-8")
    rows = [*metrics_table({"": metrics})[1:], ("threshold", f"{model.threshold:>11.4g}")]
    print(aligned(f"Evaluated {cfg.run} on {path}", rows))


def _table(cfg: DictConfig) -> tuple[str, Any]:
    """Return the table's path and how its CSV is written."""
    from logreg.data.reading import CsvFormat

    others = ("path", "target", "weight")
    return cfg.data.path, CsvFormat(**{name: _plain(value) for name, value in cfg.data.items() if name not in others})


def _check_run(run: str) -> None:
    path = Path(run)
    checkpoint = path / CHECKPOINTS / "last.ckpt" if path.is_dir() else path
    if not checkpoint.is_file():
        raise UserError(
            f"run={run}: there is no {checkpoint}. Give the directory of a finished run, as in run=outputs/<run>, or one of"
            " its checkpoints."
        )


def _check_output(output: str, endings: tuple[str, ...]) -> None:
    if not str(output).endswith(endings) or (endings[0] == "-" and str(output) != "-" and str(output).endswith("-")):
        raise UserError(f"output={output} is not allowed: it ends in {' or '.join(endings[1:])}, or is - for standard output.")
    folder = Path(output).parent
    if output != "-" and not folder.is_dir():
        raise UserError(f"output={output}: there is no folder {folder}. Make it first, or give another one.")


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
