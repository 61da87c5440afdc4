"""The launcher's config and its face towards Hydra; what it does is in _core.py, imported when it is used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class BatchedLauncherConf:
    """What `hydra/launcher=batched` is.

    Attributes:
        members: runs in one program at most; it bounds the memory.
        compose_exactly: let Hydra compose every job by itself, as the basic launcher does.
    """

    _target_: str = "hydra_plugins.logitlab_batched_launcher.batched_launcher.BatchedLauncher"
    members: int = 1000
    compose_exactly: bool = False


ConfigStore.instance().store(group="hydra/launcher", name="batched", node=BatchedLauncherConf, provider="logitlab")


class BatchedLauncher(Launcher):
    """Trains runs together that can be, and the others one by one in this process, as the basic launcher does."""

    def __init__(self, members: int = 1000, compose_exactly: bool = False) -> None:
        super().__init__()
        self.members = members
        self.compose_exactly = compose_exactly

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over, and compose the sweep's jobs from now on, also when the sweeper validates them."""
        from logitlab.sweeps.composition import Composer

        loader: Any = hydra_context.config_loader
        if isinstance(loader, Composer):
            loader = loader.loader
        self.config = config
        self.hydra_context = HydraContext(loader, hydra_context.callbacks)  # the sweeper's own gets the composer
        self.task_function = task_function
        self.composer = Composer(loader, config, self.compose_exactly)
        if not self.compose_exactly:
            hydra_context.config_loader = self.composer  # type: ignore[assignment]

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; return what each of them returned, in their order."""
        from hydra_plugins.logitlab_batched_launcher import _core

        return _core.launch(self, list(enumerate(job_overrides, initial_job_idx)))
