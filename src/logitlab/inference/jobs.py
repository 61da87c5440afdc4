"""What evaluate.py, explain.py, predict.py, export.py and serve.py do with their configs, which they alone read.

torch is imported once the config is known to be good.
"""

import errno
import json
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from logitlab import table_formats
from logitlab.console import one_line
from logitlab.data.formats import compression
from logitlab.errors import RunError, UserError, how_to_install
from logitlab.runs import files
from logitlab.runs.run_directory import CHECKPOINTS, previous

EXPORT_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def predict(cfg: DictConfig) -> None:
    """Write the predictions that `cfg` asks for and say how many there are.

    Raises:
        UserError: the run, the table or the output is not what it should be.
        RunError: the output cannot be written.
    """
    _check_run(cfg.run)
    _check_output(cfg.output, ("-", *table_formats.writable()), table_formats.in_words())
    compression.check(cfg.output)
    from logitlab.inference.model_file import load_model
    from logitlab.inference.prediction import STDOUT, predict

    model = load_model(cfg.run)
    path, form = _table(cfg, model)
    report = predict(model, path, cfg.output, _plain(cfg.keep) or (), form, cfg.spreadsheet_safe)
    for note in report.notes():
        print(f"Note: {note}", file=sys.stderr)
    where = "standard output" if cfg.output == STDOUT else cfg.output
    name = model.labels.classes[1]
    print(
        f"{report.rows:,} predictions in {where}: {report.positive:,} of class {name} (probability >= {model.threshold:.4g}),"
        f" {report.rows - report.positive:,} of class {model.labels.classes[0]}.",
        file=sys.stderr if cfg.output == STDOUT or files.is_stream(Path(cfg.output)) else sys.stdout,
    )


def evaluate(cfg: DictConfig) -> None:
    """Print the metrics on the labelled table of `cfg`, and write them down where that is asked for.

    Raises:
        UserError: the run, the table or the output is not what it should be.
    """
    _check_run(cfg.run)
    if cfg.output is not None:
        _check_output(cfg.output, ("-", ".json"), ".json")
    from logitlab.inference.evaluation import evaluate
    from logitlab.inference.model_file import load_model
    from logitlab.log.summary import aligned, calibration_line, metrics_table

    model = load_model(cfg.run)
    path, form = _table(cfg, model)
    notes: list[str] = []
    metrics = evaluate(model, path, cfg.data.target, cfg.data.weight, form, notes)
    for note in notes:
        print(f"Note: {note}", file=sys.stderr)
    text = json.dumps({name: None if value != value else value for name, value in metrics.items()}, indent=2) + "\n"
    if cfg.output == "-":
        print(text, end="")
        return
    if cfg.output is not None:
        _write(cfg.output, text)
    (_, head), *lines = metrics_table({"": metrics})
    error, low, high = (metrics[f"calibration_{name}"] for name in ("error", "by_chance_low", "by_chance_high"))
    rows = [
        *lines,
        ("calibration", calibration_line(error, low, high)),
        ("threshold", f"{model.threshold:.4g}".rjust(len(head))),
    ]
    stream = sys.stderr if cfg.output is not None and files.is_stream(Path(cfg.output)) else sys.stdout
    print(aligned(f"Evaluated {cfg.run} on {path}", rows), file=stream)


def _write(output: str, text: str) -> None:
    try:
        with files.as_output(Path(output)) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RunError(f"output={output} cannot be written: {error.strerror}. What was there before is as it was.") from error


def explain(cfg: DictConfig) -> None:
    """Print what the run of `cfg` has learnt, and what each column of the row asked for adds to its logit.

    Raises:
        UserError: the run, the table or the row is not there.
    """
    _check_run(cfg.run)
    if (cfg.row is None) != (cfg.data.path is None):
        raise UserError(
            "A row is explained by its table and its number together, as in data.path=new.csv row=7 (the first is 1)."
        )
    from logitlab.inference import importance
    from logitlab.inference.explanation import knowledge, row_lines, sentences
    from logitlab.inference.model_file import load_model
    from logitlab.log.summary import cells, padded
    from logitlab.networks import LinearNetwork

    model, run = load_model(cfg.run), Path(cfg.run)
    directory = run if run.is_dir() else run.parent.parent
    if not isinstance(model.network, LinearNetwork):
        if cfg.row is not None:
            raise UserError(
                f"row={cfg.row}: what each column adds to the logit of a row is known of a linear network only, and"
                f" run={cfg.run} holds another one. Leave row out for what the columns are worth; predict.py has probabilities."
            )
        print("\n".join(map(one_line, importance.sentences(model, directory))))
        return
    known = knowledge(model, directory)
    if cfg.row is None:
        print("\n".join(map(one_line, sentences(model, known))))
        return
    average = cfg.against == "average" and known.has_averages
    lines = [tuple(map(one_line, line)) for line in row_lines(model, known, _row(cfg, model), average)]
    names, values, numbers = (max(map(cells, column)) for column in zip(*lines, strict=True))
    print(f"Row {cfg.row} of {cfg.data.path}, each column against {'its training average' if average else '0'}")
    for name, value, number in lines:
        print(f"  {padded(name, names)}  {padded(value, values)}  {' ' * (numbers - cells(number))}{number}")


def _row(cfg: DictConfig, model: Any) -> Any:
    """Return row number `cfg.row` of the table, with the columns that the model takes and values for each of them."""
    from logitlab.data import reading

    path, form = _table(cfg, model)
    model.preprocessing.check_columns(reading.column_names(path, form), path)
    seen, columns = 0, list(model.preprocessing.columns)
    for part in reading.read_in_parts(path, form=form, kinds=model.preprocessing.kinds, columns=columns):
        if cfg.row <= seen + len(part):
            row = part[cfg.row - seen - 1]
            model.preprocessing.transform(row, path, cfg.row)  # refuses what is missing or no number
            return row
        seen += len(part)
    raise UserError(f"row={cfg.row}: {path} has {seen:,} rows; the first is row=1.")


def export(cfg: DictConfig) -> None:
    """Write the run's model as ONNX and torch.export programs, or as SQL, and say how near they are to predict.

    Raises:
        UserError: the run is not what it should be, or the packages are not installed.
        RunError: the files cannot be written, or give other probabilities.
    """
    _check_run(cfg.run)
    if cfg.to == "sql":
        _export_sql(cfg)
        return
    if absent := [name for name in EXPORT_PACKAGES if find_spec(name) is None]:
        raise UserError(f"export.py needs {' and '.join(absent)}: type {how_to_install('export')}.")
    from logitlab.inference.exporting import export
    from logitlab.inference.model_file import load_model

    model, folder = load_model(cfg.run), _folder(cfg)
    gap = export(model, folder, str(cfg.run))
    near = f"at most {gap:.1g} from" if gap else "equal to those of"
    print(f"{folder} holds model.onnx, model.pt2 and columns.json: probabilities {near} predict.py, by onnxruntime.")


def _export_sql(cfg: DictConfig) -> None:
    from logitlab.inference import sql_export
    from logitlab.inference.model_file import load_model

    model, folder = load_model(cfg.run), _folder(cfg)
    gap, database = sql_export.export(model, folder, str(cfg.run), cfg.dialect)
    near = (
        f"probabilities at most {gap:.1g} from predict.py, by {database}"
        if database
        else "not tried, as duckdb is not installed"
    )
    print(f"{folder / 'score.sql'} holds the probability as an expression of the table's columns: {near}.")


def _folder(cfg: DictConfig) -> Path:
    """Return the folder to export into."""
    run = Path(cfg.run)
    folder = Path(cfg.output) if cfg.output is not None else (run if run.is_dir() else run.parent) / "export"
    if folder.exists() and not folder.is_dir():
        raise UserError(f"output={folder} is a file: give a folder.")
    return folder


def serve(cfg: DictConfig) -> None:
    """Answer requests with the run's predictions until a signal comes.

    Raises:
        UserError: the run is not what it should be, the address is taken, or the package is not installed.
    """
    _check_run(cfg.run)
    if find_spec("litserve") is None:
        raise UserError(f"serve.py needs litserve: type {how_to_install('serve')}.")
    try:
        with socket.create_server((cfg.host, cfg.port)):
            pass
    except OSError as error:
        taken = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be listened on: {error.strerror}"
        raise UserError(
            f"host={cfg.host} port={cfg.port} {taken}. Type another one, as in port={cfg.port % 60_000 + 1}."
        ) from error
    from logitlab.inference.model_file import load_model
    from logitlab.inference.serving import serve

    model, run = load_model(cfg.run), Path(cfg.run)
    address = f"http://{cfg.host}:{cfg.port}"
    print(f"Serving {cfg.run} at {address}/predict (POST); {address}/schema says what a row holds. Ctrl-C ends it.", flush=True)
    serve(model, run if run.is_dir() else run.parent.parent, cfg.host, cfg.port, cfg.workers, cfg.batch, cfg.contributions)


def _table(cfg: DictConfig, model: Any) -> tuple[str, Any]:
    """Return the table's path and how its CSV is written: as the training table's was, unless the command says otherwise."""
    return cfg.data.path, model.form.but({str(name): _plain(value) for name, value in cfg.data.items()})


def _check_run(run: str) -> None:
    path = Path(run)
    checkpoint = path / CHECKPOINTS / "last.ckpt" if path.is_dir() else path
    if not checkpoint.is_file() and previous(checkpoint).is_file():
        raise UserError(f"run={run}: {checkpoint} is gone. The one saved before it is there: type run={previous(checkpoint)}")
    if not checkpoint.is_file():
        raise UserError(
            f"run={run}: there is no file {checkpoint}. Give the directory of a finished run, as in run=outputs/<run>, or one"
            " of its checkpoints."
        )


def _check_output(output: str, endings: tuple[str, ...], in_words: str) -> None:
    if files.is_stream(Path(output)):
        return  # a pipe, a terminal: written into, whatever it is called
    if not str(output).endswith(endings) or (endings[0] == "-" and str(output) != "-" and str(output).endswith("-")):
        raise UserError(f"output={output} is not allowed: it ends in {in_words}, or is - for standard output.")
    if Path(output).is_dir():
        raise UserError(f"output={output} is a folder: give the name of a file.")
    folder = Path(output).parent
    if output != "-" and not folder.is_dir():
        raise UserError(f"output={output}: there is no folder {folder}. Make it first, or give another one.")


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
