"""A job that is to be trained with others: where its run lives, and what is written there before it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from logitlab.runs import files
from logitlab.runs.run_directory import RunDirectory
from logitlab.sweeps import member
from logitlab.sweeps.composition import Base, Job, YamlTemplate
from logitlab.sweeps.member import RUNNING, Status
from logitlab.sweeps.run_member import clear

OWN_SUBDIR = "${sweep_subdir:${hydra.job.override_dirname}}"
"""hydra.sweep.subdir as conf/config.yaml has it."""


@dataclass
class Planned:
    """A job that is to be trained with others.

    Attributes:
        job: what Hydra was asked for.
        config: the job's part of its config, resolved, as plain values.
        directory: where the run lives.
        digest: of the config.
    """

    job: Job
    config: dict[str, Any]
    directory: Path
    digest: str

    def status(self, status: str, **rest: Any) -> Status:
        """Return what is to be noted of the run."""
        return Status(status, self.digest, self.job.overrides, paths=member.data_paths(self.config), **rest)

    def text(self) -> str:
        """Return the run's config as YAML, resolved."""
        if self.job.base.has_interpolations:
            return OmegaConf.to_yaml(OmegaConf.create(self.config))
        return _template(self.job.base, "config").fill(list(self.job.values.values()))

    def write_config(self) -> None:
        """Begin the run directory: its status, and `.hydra/` as Hydra itself would have written it."""
        if (self.directory / ".hydra").exists():
            clear(RunDirectory(self.directory))
        member.write(self.directory, self.status(RUNNING, together=True))
        folder = self.directory / ".hydra"
        files.make_folder(folder)
        base, job = self.job.base, self.job
        files.write(folder / "config.yaml", _template(base, "config").fill(list(job.values.values())))
        own = [str(job.number), job.number, base.dirname(job.overrides), str(self.directory), *job.overrides]
        files.write(folder / "hydra.yaml", _template(base, "hydra").fill(own))
        files.write(folder / "overrides.yaml", _template(base, "overrides").fill(job.overrides))


def run_directory(job: Job) -> Path:
    """Return the directory that Hydra would give the run."""
    base = job.base
    if base.sweep_subdir == OWN_SUBDIR:  # worked out here, for OmegaConf takes 2 ms for it
        return Path(base.sweep_dir, member.directory_name(base.dirname(job.overrides))).absolute()
    cfg = base.hydra(job)
    HydraConfig.instance().set_config(cfg)
    return Path(base.sweep_dir, str(cfg.hydra.sweep.subdir)).absolute()


def _template(base: Base, name: str) -> YamlTemplate:
    """Return one of the three texts of `.hydra/` for the jobs of a base."""
    if name not in base.templates:
        items = [str(place) for place in range(len(base.cfg.hydra.overrides.task))]
        hydra_keys = ["job.id", "job.num", "job.override_dirname", "runtime.output_dir"]
        hydra_keys += [f"overrides.task.{item}" for item in items]
        base.templates = {
            "config": YamlTemplate(base.job, base.keys),
            "hydra": YamlTemplate(_with_output_dir(base.cfg), [f"hydra.{key}" for key in hydra_keys]),
            "overrides": YamlTemplate(base.cfg.hydra.overrides.task, items),
        }
    return base.templates[name]


def _with_output_dir(cfg: DictConfig) -> dict[str, Any]:
    content: Any = OmegaConf.to_container(OmegaConf.masked_copy(cfg, "hydra"), enum_to_str=True)
    content["hydra"]["runtime"]["output_dir"] = None
    return content
