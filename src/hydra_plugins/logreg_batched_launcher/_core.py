"""What the batched launcher does: compose, set apart what is finished, group, train, write, note."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, run_job, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from logreg import checks, cli, combinations, signals
from logreg.batched.grouping import group_key, why_alone
from logreg.errors import RunError, UserError
from logreg.run_directory import RunDirectory
from logreg.sweeps import member
from logreg.sweeps.composition import Base, Composer, Job, YamlTemplate
from logreg.sweeps.member import FAILED, FINISHED, RUNNING, Status
from logreg.sweeps.run_member import clear, leads_on

if TYPE_CHECKING:
    from hydra_plugins.logreg_batched_launcher.batched_launcher import BatchedLauncher

log = logging.getLogger(__name__)

REASONS_LOOKED_FOR = 100

OWN_SUBDIR = "${sweep_subdir:${hydra.job.override_dirname}}"
"""hydra.sweep.subdir as conf/config.yaml has it."""


class SharedConfigLoader:
    """Hydra's config loader, but that a sweeper's look at every job costs one composition for all jobs of one form.

    A sweeper composes each job before it launches them, throws the configs away, and takes a minute for a thousand.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self.composer: Composer | None = None

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Return the config of a job of this form: not necessarily with this job's own values."""
        assert self.composer is not None
        return self.composer.job(sweep_overrides, 0).base.cfg

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def hydras_loader(context: HydraContext) -> ConfigLoader:
    """Return the loader that Hydra itself made."""
    loader = context.config_loader
    return loader._loader if isinstance(loader, SharedConfigLoader) else loader


def composer(context: HydraContext, config: DictConfig, exact: bool) -> Composer:
    """Return the composer of a sweep's jobs, and let the sweeper use it too."""
    loader = hydras_loader(context)
    parser = OverridesParser.create(config_loader=loader)

    made = Composer(
        compose=lambda overrides: loader.load_sweep_config(config, overrides),
        is_group=lambda key: any(source.is_group(key) for source in loader.get_sources()),
        parse=lambda text: parser.parse_override(f"key={text}").value(),
        exact=exact,
    )
    if not exact:
        shared = SharedConfigLoader(loader)
        shared.composer = made
        context.config_loader = shared  # type: ignore[assignment]
    return made


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

    def note(self, status: str, **rest: Any) -> None:
        """Write the run's status."""
        member.write(self.directory, Status(status, self.digest, self.job.overrides, **rest))


@dataclass
class Sorted:
    """The jobs of a sweep, by what is to be done with them.

    Attributes:
        jobs: all of them, in their order.
        returns: what those returned that were finished before, by number.
        groups: that can be trained together.
        alone: that are run one by one.
    """

    jobs: list[Job]
    returns: dict[int, JobReturn]
    groups: dict[str, list[Planned]]
    alone: list[Job]


def launch(launcher: "BatchedLauncher", numbered: Sequence[tuple[int, Sequence[str]]]) -> list[JobReturn]:
    """Run jobs of a sweep, given with their numbers; see BatchedLauncher."""
    begin(launcher.config)
    found = sort(launcher, numbered)
    returns = found.returns
    reasons = {reason for job in found.alone[:REASONS_LOOKED_FOR] if (reason := _why_alone(launcher, job))}
    _tell_plan(len(found.jobs), len(returns), found.groups, found.alone, reasons)
    for group in found.groups.values():
        for start in range(0, len(group), launcher.members):
            part = group[start : start + launcher.members]
            returns |= _train_group(part) or {plan.job.number: _run_alone(launcher, plan.job) for plan in part}
    for job in found.alone:
        returns[job.number] = _run_alone(launcher, job)
    return [returns[job.number] for job in found.jobs]


def begin(config: DictConfig) -> None:
    """Set up Hydra's resolvers and its log, and make the sweep's directory."""
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    Path(str(config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)


def sort(launcher: "BatchedLauncher", numbered: Sequence[tuple[int, Sequence[str]]]) -> Sorted:
    """Set apart what is finished, and find what can be trained together."""
    found = Sorted([launcher.composer.job(overrides, number) for number, overrides in numbered], {}, {}, [])
    for job in found.jobs:
        plan = _plan(launcher, job)
        if isinstance(plan, Planned):
            found.groups.setdefault(group_key(plan.config), []).append(plan)
        elif plan is None:
            found.alone.append(job)
        else:
            found.returns[job.number] = plan
    return found


def _why_alone(launcher: "BatchedLauncher", job: Job) -> str | None:
    """Return what keeps a job from being trained with others."""
    task = launcher.task_function
    if not isinstance(task, cli.Job) or task.job != cli.TRAINING:
        return "program"
    return why_alone(job.config())


def _plan(launcher: "BatchedLauncher", job: Job) -> Planned | JobReturn | None:
    """Return how a job is to be trained with others, what it returned when it was run before, or None to run it alone."""
    if _why_alone(launcher, job) is not None:
        return None
    task, config = launcher.task_function, job.config()
    assert isinstance(task, cli.Job)
    digest = member.digest(config)
    directory, before = member.place(run_directory(job), digest)
    if before is not None and before.finished:
        return _returned(job, before.value)
    if before is not None and leads_on(directory / "checkpoints" / "last.ckpt", config["trainer"]["max_epochs"]):
        return None  # begun by another launcher: it goes on from its checkpoint
    try:
        _check(task, job, config)
    except UserError:
        return None  # it fails alone, and says why
    return Planned(job, config, directory, digest)


def _check(task: cli.Job, job: Job, config: Mapping[str, Any]) -> None:
    """Check the whole config once for all jobs of a form, and the values that are a job's own."""
    if not job.base.is_checked:
        task.check(OmegaConf.create(dict(config)))
        job.base.is_checked = True
    checks.check_values(job.values)
    combinations.check_folds(config["data"])


def run_directory(job: Job) -> Path:
    """Return the directory that Hydra would give the run."""
    base = job.base
    if base.sweep_subdir == OWN_SUBDIR:  # worked out here, for OmegaConf takes 2 ms for it
        return Path(base.sweep_dir, member.directory_name(base.dirname(job.overrides))).absolute()
    cfg = base.hydra(job)
    HydraConfig.instance().set_config(cfg)
    return Path(base.sweep_dir, str(cfg.hydra.sweep.subdir)).absolute()


def _train_group(group: Sequence[Planned]) -> dict[int, JobReturn] | None:
    """Train runs together and note how each ended; None where they have to be run one by one after all."""
    from logreg.batched.experiment import train_together
    from logreg.batched.member import Member, Outcome

    members = [
        Member(plan.config, plan.job.base.choices, partial(_text, plan), plan.directory, partial(_write_config, plan))
        for plan in group
    ]
    outcomes: list[Outcome] = []
    HydraConfig.instance().set_config(group[0].job.base.hydra(group[0].job))
    try:
        for outcome in train_together(members):
            outcomes.append(outcome)
    except (UserError, RunError) as error:
        outcomes.extend([Outcome(None, str(error), 0.0, mistake=isinstance(error, UserError))] * (len(group) - len(outcomes)))
    except Exception as error:
        signals.reraise()
        log.warning(f"{len(group)} runs cannot be trained together and are run one by one: {type(error).__name__}: {error}")
        return None
    finally:
        _note(group[: len(outcomes)], outcomes)
    return {plan.job.number: _returned(plan.job, end.value) for plan, end in zip(group, outcomes, strict=True)}


def _note(group: Sequence[Planned], outcomes: Sequence[Any]) -> None:
    """Note how runs ended, once all that they wrote is on the disk: what is called finished survives a power cut."""
    if outcomes:
        os.sync()
    for plan, end in zip(group, outcomes, strict=True):
        plan.directory.mkdir(parents=True, exist_ok=True)
        seconds = round(end.seconds, 4)
        if end.reason is None:
            plan.note(FINISHED, value=end.value, seconds=seconds)
        else:
            plan.note(FAILED, reason=end.reason, mistake=end.mistake, seconds=seconds)


def _write_config(plan: Planned) -> None:
    """Begin the run directory: its status, and `.hydra/` as Hydra itself would have written it."""
    if (plan.directory / ".hydra").exists():
        clear(RunDirectory(plan.directory))
    plan.note(RUNNING)
    folder = plan.directory / ".hydra"
    folder.mkdir(parents=True)
    base, job = plan.job.base, plan.job
    (folder / "config.yaml").write_text(_template(base, "config").fill(list(job.values.values())), encoding="utf-8")
    own = [str(job.number), job.number, base.dirname(job.overrides), str(plan.directory), *job.overrides]
    (folder / "hydra.yaml").write_text(_template(base, "hydra").fill(own), encoding="utf-8")
    (folder / "overrides.yaml").write_text(_template(base, "overrides").fill(job.overrides), encoding="utf-8")


def _text(plan: Planned) -> str:
    """Return the run's config as YAML, resolved."""
    if plan.job.base.has_interpolations:
        return OmegaConf.to_yaml(OmegaConf.create(plan.config))
    return _template(plan.job.base, "config").fill(list(plan.job.values.values()))


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


def _returned(job: Job, value: float | None) -> JobReturn:
    done = JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED, task_name=job.base.cfg.hydra.job.name)
    done.return_value = float("nan") if value is None else value
    return done


def _run_alone(launcher: "BatchedLauncher", job: Job) -> JobReturn:
    """Run a job as the basic launcher does."""
    log.info(f"\t#{job.number} : {' '.join(filter_overrides(job.overrides))}")
    config = launcher.composer.compose(job.overrides)
    with open_dict(config):
        config.hydra.job.id = str(job.number)
        config.hydra.job.num = job.number
    done = run_job(
        hydra_context=launcher.hydra_context,
        task_function=launcher.task_function,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
    configure_log(launcher.config.hydra.hydra_logging, launcher.config.hydra.verbose)
    return done


def _tell_plan(
    jobs: int, finished: int, groups: Mapping[str, Sequence[Planned]], alone: Sequence[Job], reasons: set[str]
) -> None:
    parts = [f"{finished:,} finished already"] if finished else []
    parts += (
        [f"{sum(map(len, groups.values())):,} in {len(groups):,} tensor program{'' if len(groups) == 1 else 's'}"]
        if groups
        else []
    )
    because = f" ({', '.join(sorted(reasons))})" if reasons else ""
    parts += [f"{len(alone):,} one by one{because}"] if alone else []
    log.info(f"Launching {jobs:,} jobs: {', '.join(parts)}")
