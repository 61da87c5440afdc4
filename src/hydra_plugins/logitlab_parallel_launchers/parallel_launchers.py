"""The launchers as Hydra sees them, and their configs; what they do is in _core.py, imported when it is used."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import MISSING, DictConfig

from hydra_plugins.logitlab_batched_launcher.batched_launcher import BatchedLauncher

HERE = "hydra_plugins.logitlab_parallel_launchers.parallel_launchers"


@dataclass
class ParallelConf:
    """The arguments of all of these launchers.

    Attributes:
        workers: processes at a time; null: one for each core. On a cluster, jobs at a time.
        members: runs at most in one tensor program, and so in one job.
        alone: runs in one job where they cannot be trained together.
        compose_exactly: let Hydra compose every run by itself.
    """

    _target_: str = f"{HERE}.ParallelLauncher"
    executor: str = MISSING
    workers: int | None = None
    members: int = 1000
    alone: int = 1
    compose_exactly: bool = False


@dataclass
class RayConf(ParallelConf):
    """A Ray cluster.

    Attributes:
        address: of the cluster, or "auto"; null: a Ray of this machine, for as long as the sweep takes.
        num_cpus: of a job.
        num_gpus: of a job; a part of 1 lets several share a GPU.
    """

    executor: str = "ray"
    address: str | None = None
    num_cpus: float = 1
    num_gpus: float = 0


@dataclass
class SubmititConf(ParallelConf):
    """Submitit's jobs, each a process that begins anew.

    Attributes:
        timeout_min: minutes after which a job is ended.
        cpus_per_task: cores of a job; null: those of this machine, shared out (local), or the cluster's default.
        gpus_per_node: GPUs of a job.
        folder: of the jobs' logs.
    """

    executor: str = "submitit_local"
    timeout_min: int = 60
    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    folder: str = "${hydra.sweep.dir}/.submitit/%j"


@dataclass
class SlurmConf(SubmititConf):
    """Slurm.

    Attributes:
        workers: jobs of the array that may run at a time.
        mem_gb: memory of a job.
        additional_parameters: any other option of sbatch, by name.
        setup: shell lines before the job, such as `module load python`.
    """

    executor: str = "submitit_slurm"
    workers: int | None = 16
    partition: str | None = None
    account: str | None = None
    mem_gb: float | None = None
    additional_parameters: dict[str, Any] = field(default_factory=dict)
    setup: list[str] = field(default_factory=list)


for _name, _node in {
    "joblib": ParallelConf(executor="joblib"),  # processes of this machine that are kept from one job to the next
    "ray": RayConf,
    "submitit_local": SubmititConf,
    "submitit_slurm": SlurmConf,
}.items():
    ConfigStore.instance().store(group="hydra/launcher", name=_name, node=_node, provider="logitlab")


class ParallelLauncher(BatchedLauncher):
    """Distributes a sweep's unfinished runs to an executor's processes, each of which works as the batched launcher."""

    def __init__(
        self, executor: str, workers: int | None, members: int, alone: int, compose_exactly: bool, **options: Any
    ) -> None:
        super().__init__(members, compose_exactly)
        self.executor = executor
        self.workers = workers
        self.alone = alone
        self.options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over.

        Raises:
            ArgumentError: the executor's package is not installed.
        """
        from logitlab.cli.arguments import ArgumentError
        from logitlab.errors import how_to_install

        package = self.executor.partition("_")[0]
        if find_spec(package) is None:
            raise ArgumentError(
                f"hydra/launcher={self.executor} needs the package {package}, which is not installed: type"
                f" {how_to_install(package)}, or take hydra/launcher=batched, which needs nothing."
            )
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; return what each of them returned, in their order."""
        from hydra_plugins.logitlab_parallel_launchers import _core

        return _core.launch(self, job_overrides, initial_job_idx)
