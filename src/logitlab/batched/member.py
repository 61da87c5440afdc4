"""One run among those that are trained together: its job, where it lives, and what is written there before it is trained."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from logitlab.runs import files
from logitlab.runs.run_directory import RunDirectory
from logitlab.sweeps import member
from logitlab.sweeps.composition import Job
from logitlab.sweeps.member import RUNNING, Status
from logitlab.sweeps.run_member import clear


@dataclass
class Member:
    """A job that is to be trained with others.

    Attributes:
        job: what Hydra was asked for.
        config: the job's part of its config, resolved, as plain values.
        directory: where the run lives.
    """

    job: Job
    config: dict[str, Any]
    directory: Path

    @cached_property
    def digest(self) -> str:
        """The digest of the config."""
        return member.digest(self.config)

    def status(self, status: str, **rest: Any) -> Status:
        """Return what is to be noted of the run."""
        return Status(status, self.digest, self.job.overrides, paths=member.data_paths(self.config), **rest)

    def text(self) -> str:
        """Return the run's config as YAML, resolved."""
        if self.job.base.has_interpolations:
            return OmegaConf.to_yaml(OmegaConf.create(self.config))
        return self._typed()

    def _typed(self) -> str:
        return self.job.base.config_template.fill(list(self.job.values.values()))

    def write_config(self) -> None:
        """Begin the run directory: its status, and `.hydra/` as Hydra itself would have written it."""
        folder, base, job = self.directory / ".hydra", self.job.base, self.job
        if folder.exists():
            clear(RunDirectory(self.directory))
        member.write(self.directory, self.status(RUNNING, together=True))
        files.make_folder(folder)
        own = [str(job.number), job.number, base.dirname(job.overrides), str(self.directory), *job.overrides]
        files.write(folder / "config.yaml", self._typed())
        files.write(folder / "hydra.yaml", base.hydra_template.fill(own))
        files.write(folder / "overrides.yaml", base.overrides_template.fill(job.overrides))
