"""A trained model from its checkpoint alone, for predictions: no name in it is followed anywhere.

A checkpoint from elsewhere is tensors and plain values (`weights_only=True`). The one name in it that leads to code, that of
the network's class, is compared with those that the user's own conf/model/ names, see `logitlab.recorded`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from logitlab import recorded
from logitlab.data.labels import Labels
from logitlab.data.options import CARRIED, TableOptions
from logitlab.data.preprocessing import Preprocessing
from logitlab.errors import UserError
from logitlab.networks import LinearNetwork, Network, PlainModule, check_output
from logitlab.overrides import suggestion
from logitlab.runs.checkpoint_file import load, previous
from logitlab.runs.run_directory import CHECKPOINTS

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Model:
    """All that a prediction needs.

    Attributes:
        network: features -> probability or logit; on the CPU, in evaluation mode, in float64.
        preprocessing: columns of a table -> features.
        labels: the target column and its two values.
        threshold: a row is of class 1 where probability >= threshold.
        base_rate: the share of class 1 among the training rows.
        form: how the table that it was trained on is written; new files are most likely written so too.
    """

    network: Network
    preprocessing: Preprocessing
    labels: Labels
    threshold: float
    base_rate: float
    form: TableOptions

    @torch.no_grad()
    def scores(self, frame: "pl.DataFrame", where: str = "the table", first_row: int = 1) -> tuple[Tensor, Tensor]:
        """Return the probability of class 1 for the rows of a table, float32, and its logit, float64, (rows,) each.

        Raises:
            UserError: a column or a value is missing, or no number.
        """
        parts = [self.network.scores(block) for block in self.preprocessing.blocks(frame, where, first_row)]
        probability, logit = (torch.cat(each) for each in zip(*parts, strict=True))
        return probability, logit

    def probability(self, frame: "pl.DataFrame", where: str = "the table", first_row: int = 1) -> Tensor:
        """Return the probabilities of `scores` alone."""
        return self.scores(frame, where, first_row)[0]


def load_model(run: str | Path, conf: Sequence[Path] | None = None) -> Model:
    """Return the model that a run keeps: that of its best epoch where it had val rows, or else its last.

    Args:
        run: a run directory, wherever it lies now, or one of its checkpoints.
        conf: config folders of the user's own, one of which names the network's class in model/NAME.yaml; None: conf/ and what
            the command line adds to it.

    Raises:
        UserError: there is none, it is damaged, would run code, or is no checkpoint of this project.
    """
    path = Path(run)
    if path.is_dir():
        path = path / CHECKPOINTS / "last.ckpt"
    try:
        checkpoint = load(path)
    except UserError as error:
        if not previous(path).is_file():
            raise
        raise UserError(f"{error} The one saved before it is there: type {suggestion('run', str(previous(path)))}") from error
    if Path(run).is_dir() and _hparams(checkpoint, path).get("keeps") == "best":
        path = path.with_name("best.ckpt")
        checkpoint = load(path)
    try:
        return _checked(_model(checkpoint, _hparams(checkpoint, path), path, conf))
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError, AssertionError) as error:
        raise _strange(path, f"{type(error).__name__}: {(str(error).splitlines() or ['no more is known'])[0]}") from error


def _checked(model: Model) -> Model:
    """Return the model, whose numbers are numbers and whose words are words.

    Raises:
        ValueError, TypeError: they are not.
    """
    for name, value in model.network.state_dict().items():
        if not bool(torch.isfinite(value).all()):
            raise ValueError(f"{name} holds what is no finite number")
    scaling, features = model.preprocessing.scaling, len(model.preprocessing.feature_names)
    if len(scaling.center) != features or len(scaling.scale) != features:
        raise ValueError(f"the scaling is not of {features} features")
    if not all(math.isfinite(each) for each in (*scaling.center, *scaling.scale)) or 0 in scaling.scale:
        raise ValueError("the scaling holds what is no finite number, or 0")
    if not (0 <= model.threshold <= 1 and 0 <= model.base_rate <= 1):
        raise ValueError(f"threshold {model.threshold} and base rate {model.base_rate} are not both between 0 and 1")
    labels = model.labels
    if not all(isinstance(each, str) for each in (labels.name, *labels.classes)):
        raise TypeError("the target's name and classes are no texts")
    return model


def _hparams(checkpoint: Any, path: Path) -> Mapping[str, Any]:
    hparams = checkpoint.get("hyper_parameters") if isinstance(checkpoint, Mapping) else None
    if not isinstance(hparams, Mapping) or "network" not in hparams:
        raise _strange(path, "it does not say what network it holds")
    return hparams


def _model(checkpoint: Mapping[str, Any], hparams: Mapping[str, Any], path: Path, conf: Sequence[Path] | None) -> Model:
    preprocessing = Preprocessing.from_plain(hparams["preprocessing"])
    network = _network(hparams["network"], hparams.get("returns_logits"), path, conf)
    prefix = "network."
    state = {name.removeprefix(prefix): value for name, value in checkpoint["state_dict"].items() if name.startswith(prefix)}
    network.double().load_state_dict(state)
    features = len(preprocessing.feature_names)
    if isinstance(network, LinearNetwork) and len(network.weight) != features:
        raise ValueError(f"{len(network.weight)} weights for {features} features")
    check_output(network, torch.zeros(2, features))
    if recalibration := checkpoint.get("recalibration"):
        slope, intercept = recalibration
        network.recalibration = (float(slope), float(intercept))
    labels, data = hparams["labels"], hparams["config"]["data"]
    return Model(
        network=network.eval(),
        preprocessing=preprocessing,
        labels=Labels.from_plain(labels) if labels else Labels(hparams["target"]),
        threshold=float(checkpoint["threshold"]),
        base_rate=float(hparams["base_rate"]),
        form=TableOptions().but({name: data[name] for name in CARRIED if name in data and "${" not in str(data[name])}),
    )


def _network(record: Any, returns_logits: Any, path: Path, conf: Sequence[Path] | None) -> Network:
    """Return the network that was recorded, of a class that the user's own conf/model/ names.

    Args:
        record: the choice of the model.
        returns_logits: what it returned, where it is no `Network`, which says so itself.
        path: of the checkpoint, for faults.
        conf: the user's own config folders.

    Raises:
        UserError: it names anything else, or what it names is no network.
    """
    where = f"The checkpoint {path}"
    node = recorded.choice("model", record, where, conf)
    try:
        network = recorded.build(node)
    except UserError as error:
        raise _strange(path, str(error)) from error
    if isinstance(network, Network):
        return network
    if not isinstance(network, torch.nn.Module) or not isinstance(returns_logits, bool):
        raise UserError(f"{where} is refused: its model is a {type(network).__name__}, and a torch.nn.Module belongs there.")
    return PlainModule(network, returns_logits)


def _strange(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is no checkpoint that this version of the project can use ({reason}). Give the directory of a finished run,"
        " as in run=outputs/<run>, or one of its checkpoints."
    )
