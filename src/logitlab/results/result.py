"""What is made of a finished fit: one file each in this folder, named in conf/results/."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch

from logitlab.data.datamodule import InMemoryDataModule
from logitlab.log import event_files
from logitlab.monitor import Monitor
from logitlab.networks import LinearNetwork
from logitlab.results import optimum
from logitlab.runs.run_directory import RunDirectory
from logitlab.training.module import LogisticRegression
from logitlab.training.record import TrainingRecord

Row = tuple[str, str]
"""A line of the closing summary: a name and its value in words."""


@dataclass(frozen=True)
class Fit:
    """A finished fit.

    Attributes:
        run: the directory to write into.
        training: what is known of the training.
        module: the trained module, on the CPU.
        datamodule: the data that it was trained on.
        metrics: final metrics by name; a result may add its own, metrics.json is written after the last.
        monitor: the metric that the run is ranked by.
    """

    run: RunDirectory
    training: TrainingRecord
    module: LogisticRegression
    datamodule: InMemoryDataModule
    metrics: dict[str, float]
    monitor: Monitor = Monitor("train/loss")  # noqa: RUF009 (it never changes)

    @property
    def linear_network(self) -> LinearNetwork:
        """The trained network, for results that need a linear one."""
        network = self.module.network
        assert isinstance(network, LinearNetwork)
        return network

    @cached_property
    def optimum(self) -> optimum.Verdict:
        """The optimum of what was aimed at; sought when it is first asked for."""
        network = self.linear_network
        theta = torch.cat([network.weight.detach().reshape(-1), network.bias.detach().reshape(1)]).double().cpu()
        table = optimum.objective(self.module, self.datamodule.examples)
        return optimum.verdict(table, theta if self.training.converged else None)

    @cached_property
    def logged(self) -> set[tuple[str, int]]:
        """Tag and step of what the log of a resumed run holds already, scalars apart: it is not logged twice."""
        return event_files.logged(self.run.path, self.training.resumed_at) if self.training.resumed_at else set()


class Result(ABC):
    """Writes something about a fit into the run directory and says a few lines about it.

    A result is called once, after the fit. What must look on while training continues is a Lightning callback instead.

    Attributes:
        draws: it shows what others have worked out; metrics.json is written before.
        needs_linear_network: it speaks of coefficients, and is left out where the network has none.
    """

    draws = False
    needs_linear_network = False

    @abstractmethod
    def __call__(self, fit: Fit) -> list[Row]:
        """Write what there is to write; return the lines for the summary."""
