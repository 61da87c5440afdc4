"""Logistic regression as a PyTorch Lightning experiment, from Python:

    import logitlab as lg

    run = lg.train("data=study", "optimizer=newton")   # as on the command line; run.metrics, run.coefficients, run.model
    model = lg.load("outputs/study")                   # of a run directory; model.predict_proba(table)
    fit = lg.fit(X, y, penalty=lg.ElasticNet(l2=0.01))  # arrays in, the optimum with its standard errors; no files

What is listed in `__all__` is imported when it is first used: `import logitlab` alone takes no time. The scikit-learn estimator
is in `logitlab.sklearn`.
"""

import importlib

TYPE_CHECKING = False  # a name that type checkers know; importing `typing` would take longer than all that is here

if TYPE_CHECKING:
    from logitlab.api import Run as Run
    from logitlab.api import TrainedModel as TrainedModel
    from logitlab.api import load as load
    from logitlab.api import train as train
    from logitlab.errors import RunError as RunError
    from logitlab.errors import UserError as UserError
    from logitlab.fitting import LogisticFit as LogisticFit
    from logitlab.fitting import fit as fit
    from logitlab.losses import WeightedCrossEntropy as WeightedCrossEntropy
    from logitlab.losses import binary_cross_entropy as binary_cross_entropy
    from logitlab.networks import MLP as MLP
    from logitlab.networks import BinaryClassifier as BinaryClassifier
    from logitlab.networks import LinearNetwork as LinearNetwork
    from logitlab.networks import Logits as Logits
    from logitlab.networks import Network as Network
    from logitlab.networks import Sequential as Sequential
    from logitlab.networks import Tensors as Tensors
    from logitlab.penalties import ElasticNet as ElasticNet
    from logitlab.penalties import Firth as Firth
    from logitlab.solvers.solver import LBFGS as LBFGS
    from logitlab.solvers.solver import Newton as Newton
    from logitlab.training.module import LogisticRegression as LogisticRegression

_MODULES = {
    "api": ("Run", "TrainedModel", "load", "train"),
    "errors": ("RunError", "UserError"),
    "fitting": ("LogisticFit", "fit"),
    "losses": ("WeightedCrossEntropy", "binary_cross_entropy"),
    "networks": ("BinaryClassifier", "LinearNetwork", "Logits", "MLP", "Network", "Sequential", "Tensors"),
    "penalties": ("ElasticNet", "Firth"),
    "solvers.solver": ("LBFGS", "Newton"),
    "training.module": ("LogisticRegression",),
}

__all__ = [name for names in _MODULES.values() for name in names]


def __getattr__(name: str) -> object:
    """Import a public name from its module."""
    module = next((module for module, names in _MODULES.items() if name in names), None)
    if module is None:
        raise AttributeError(f"module 'logitlab' has no attribute {name!r}")
    return getattr(importlib.import_module(f"logitlab.{module}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
