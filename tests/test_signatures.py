"""Signatures, read from source text, against what the imported objects say of themselves."""

import importlib
import inspect

import pytest

from logitlab.signatures import find_definition, is_missing, parameter_names

TARGETS = (
    "lightning.pytorch.Trainer",
    "lightning.pytorch.callbacks.EarlyStopping",
    "lightning.pytorch.loggers.CSVLogger",
    "torch.optim.SGD",
    "torch.optim.Adam",
    "torch.optim.LBFGS",
    "torch.nn.BCELoss",
    "logitlab.networks.Sequential",
    "logitlab.networks.Tensors",
    "logitlab.losses.binary_cross_entropy",
    "logitlab.training.callbacks.checkpoints.Checkpoints",
    "logitlab.log.tensorboard.RunLogger",
    "torchmetrics.classification.BinaryAUROC",
)


@pytest.mark.parametrize("target", TARGETS)
def test_names_are_those_of_the_imported_object(target: str) -> None:
    module, _, name = target.rpartition(".")
    signature = inspect.signature(getattr(importlib.import_module(module), name))
    names = [parameter.name for parameter in signature.parameters.values()]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())
    assert find_definition(target) is not None
    assert parameter_names(target) == (None if takes_any else names)


@pytest.mark.parametrize(
    "target", ["logitlab.networks.Sequentail", "logitlab.nothing.There", "torch.optim.SDG", "no_such_package.Thing", "Bare"]
)
def test_what_is_not_there_is_not_found(target: str) -> None:
    assert find_definition(target) is None
    assert is_missing(target)


@pytest.mark.parametrize("target", [*TARGETS, "math.sqrt", "os.path.join", "torch.load", "numpy.array", "pathlib.Path.home"])
def test_what_is_there_is_never_called_missing(target: str) -> None:
    assert not is_missing(target)
