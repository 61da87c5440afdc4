"""The sweeper as Hydra sees it; what it does is in _core.py, imported when it is used. Its configs are in conf/."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

PACKAGES = ("optuna", "cmaes")
NO_PRUNER = "optuna.pruners.NopPruner"


@dataclass(eq=False)
class OptunaSweeper(Sweeper):
    """Asks an Optuna study for the values of some runs, launches them together, and reports their results to it.

    Attributes:
        sampler: config of an Optuna sampler, or of logitlab.sweeps.points.Points for a grid.
        pruner: config of an Optuna pruner.
        storage: path of a journal, or a URL of Optuna's.
        study_name: of the study in it.
        n_trials: runs in all; None: DEFAULT_TRIALS of _setup.py, or all of a grid.
        n_jobs: runs that are launched together.
        params: key -> values of the space, in the words of an override.
    """

    sampler: Any
    pruner: Any
    storage: str
    study_name: str
    n_trials: int | None = None
    n_jobs: int = 1
    params: Mapping[str, Any] | None = None
    config: DictConfig = field(init=False)
    hydra_context: HydraContext = field(init=False)
    task_function: TaskFunction = field(init=False)
    launcher: Launcher = field(init=False)

    @property
    def prunes(self) -> bool:
        """Whether runs get the number of their trial, so that they can be ended early."""
        return bool(self.pruner["_target_"] != NO_PRUNER)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over.

        Raises:
            ArgumentError: Optuna is not installed.
        """
        from logitlab.cli.arguments import ArgumentError
        from logitlab.errors import how_to_install

        if missing := [package for package in PACKAGES if find_spec(package) is None]:
            raise ArgumentError(
                f"hydra/sweeper=optuna needs the package {missing[0]}, which is not installed: type {how_to_install('optuna')}."
                " Hydra's own sweeper goes through lists and ranges without it."
            )
        self.config = config
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.launcher = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=hydra_context, task_function=task_function
        )

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Run the study to its end; return what the runs of each launch returned."""
        from hydra_plugins.logitlab_optuna_sweeper import _core

        return _core.sweep(self, arguments)
