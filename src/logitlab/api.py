"""From Python: train a run as the command line does, and load what one has learnt."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict, read_write

from logitlab.cli import arguments, composition_errors, primary_configs, run_command
from logitlab.errors import Interrupted, UserError
from logitlab.recorded import CONF
from logitlab.runs import signals

if TYPE_CHECKING:
    import numpy as np

    from logitlab.inference.model_file import Model
    from logitlab.networks import Network


@dataclass(frozen=True)
class TrainedModel:
    """What a run has learnt: columns of a table in, probabilities out.

    Attributes:
        network: the trained network, on the CPU, in float64; it takes features as `preprocessing` makes them.
        columns: the columns that a table must have.
        classes: the values of the target, that of class 0 first.
        threshold: a row is of class 1 where its probability is at least this.
    """

    network: Network
    columns: tuple[str, ...]
    classes: tuple[str, str]
    threshold: float
    _model: Model

    def predict_proba(self, rows: Any) -> np.ndarray:
        """Return the probabilities of both classes, float64 of shape (rows, 2) as in scikit-learn: class 0, class 1.

        Args:
            rows: a polars or pandas DataFrame with the columns by name, in any order; or a numpy array (rows, columns), the
                columns in the order of `columns`.

        Raises:
            UserError: a column or a value is missing, or is not what it was in the training rows.
        """
        import numpy as np

        _, logit = self._model.scores(_as_frame(rows, self.columns))
        return np.stack([(-logit).sigmoid().numpy(), logit.sigmoid().numpy()], axis=1)

    def predict(self, rows: Any) -> np.ndarray:
        """Return the class of each row, (rows,), as the target has it: arguments and errors are those of `predict_proba`."""
        import numpy as np

        is_one = self.predict_proba(rows)[:, 1].astype(np.float32) >= np.float32(self.threshold)  # as predict.py rounds
        return np.array(self.classes)[is_one.astype(int)]


def load(run: str | Path) -> TrainedModel:
    """Return the model of a run: that of its best epoch where it had val rows, or else its last.

    Nothing in the run directory is executed, whoever made it.

    Args:
        run: a run directory, as in "outputs/study", or one of its checkpoints.

    Raises:
        UserError: there is none, or it is damaged.
    """
    from logitlab.inference.model_file import load_model

    model = load_model(run)
    columns = tuple(model.preprocessing.columns)
    return TrainedModel(model.network, columns, model.labels.classes, model.threshold, model)


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: its directory.
        value: of the monitored metric; None where there is none.
    """

    path: Path
    value: float | None

    @property
    def metrics(self) -> dict[str, float | None]:
        """The final metrics by name, as in metrics.json; None for one that is undefined."""
        content: dict[str, float | None] = json.loads((self.path / "metrics.json").read_text(encoding="utf-8"))
        return content

    @property
    def coefficients(self) -> pl.DataFrame:
        """The coefficient table, as in coefficients.csv: a row for each feature, and one for the bias.

        Raises:
            UserError: the run has none: its network is not linear, or results.coefficients=null.
        """
        if not (path := self.path / "coefficients.csv").is_file():
            raise UserError(f"{self.path} has no coefficients: its network is not linear, or results.coefficients=null.")
        return pl.read_csv(path, schema_overrides={"name": pl.String, "note": pl.String}, infer_schema_length=None)

    @property
    def model(self) -> TrainedModel:
        """The trained model."""
        return load(self.path)


def train(*overrides: str) -> Run:
    """Train a run as `python train.py` does, and return it; its directory is in outputs/ of the current folder.

    It prints what the command prints. Like the command it seeds torch's, numpy's and Python's generators by `seed`.

    Args:
        overrides: as on the command line, as in `train("data=hours", "optimizer.lr=0.1")`, without a shell's quotes.

    Raises:
        UserError: an override, the config or the data is wrong; nothing was trained.
        RunError: training failed; what was saved is intact.
        KeyboardInterrupt: the run was stopped; it is saved, and `train(..., "ckpt_path=<its directory>")` resumes it.
    """
    if several := [each for each in overrides if each.startswith("-") or each == "hydra.mode=MULTIRUN"]:
        raise UserError(f"train() takes overrides, as in model=class, and trains one run: {several[0]} is not one.")
    job = run_command.Job(run_command.TRAINING, "config")
    words = arguments.prepared(overrides, primary_configs.groups("config", CONF), multirun=False)
    with _composed(words) as cfg, signals.raised(), warnings.catch_warnings():
        path = Path(HydraConfig.get().runtime.output_dir)
        try:
            value = job.run(cfg)
        except Interrupted as stop:
            raise KeyboardInterrupt(
                f"Stopped by {stop.signal_name}; {HydraConfig.get().runtime.output_dir} is saved."
            ) from stop
        return Run(path, value)


@contextmanager
def _composed(overrides: list[str]) -> Iterator[Any]:
    """Compose the config of a run; Hydra's state and `sys.argv`, from which messages are made, are put back at the end."""
    config, argv = HydraConfig.instance(), sys.argv
    before = config.cfg
    sys.argv = ["train.py", *overrides]
    try:
        with initialize_config_dir(str(CONF), job_name="train", version_base="1.3"):
            try:
                cfg = compose("config", overrides, return_hydra_config=True)
                with read_write(cfg), open_dict(cfg):
                    cfg.hydra.runtime.output_dir = str(Path(cfg.hydra.run.dir).absolute())
            except Exception as error:
                raise composition_errors.explain(error, overrides, CONF, "config") or error from error
        config.set_config(cfg)
        own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        OmegaConf.set_struct(own, True)
        yield own
    finally:
        config.cfg, sys.argv = before, argv


def _as_frame(rows: Any, columns: tuple[str, ...]) -> pl.DataFrame:
    """Return rows as a polars table; numpy's columns get the names in order.

    Raises:
        UserError: a numpy array has another shape, or it is of another kind.
    """
    import numpy as np

    if isinstance(rows, pl.DataFrame):
        return rows
    if isinstance(rows, np.ndarray):
        if rows.ndim != 2 or rows.shape[1] != len(columns):
            raise UserError(f"An array of shape {rows.shape} does not fit: the columns are {', '.join(columns)}.")
        return pl.DataFrame({name: rows[:, place].tolist() for place, name in enumerate(columns)})
    if hasattr(rows, "columns") and hasattr(rows, "to_numpy"):  # a pandas table
        missing = [name for name in columns if name not in rows.columns]
        if missing:
            raise UserError(f"The table lacks the column {missing[0]}; it has: {', '.join(map(str, rows.columns))}.")
        values = {name: rows[name].astype(object).where(rows[name].notna(), None).tolist() for name in columns}
        return pl.DataFrame(values, strict=False)
    raise UserError(f"A {type(rows).__name__} is no table: it takes a polars or pandas DataFrame, or a numpy array.")
