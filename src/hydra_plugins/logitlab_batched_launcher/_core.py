"""What the batched launcher does: set apart what is finished, group, train, note."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, run_job, setup_globals
from omegaconf import DictConfig, OmegaConf, open_dict

from logitlab.batched.grouping import group_key, why_alone
from logitlab.batched.member import Member
from logitlab.cli import checks, combinations, run_command
from logitlab.errors import End, RunError, UserError
from logitlab.log.summary import count
from logitlab.runs import signals
from logitlab.sweeps import callback, member
from logitlab.sweeps.composition import Job
from logitlab.sweeps.member import FAILED, Status
from logitlab.sweeps.places import places
from logitlab.sweeps.run_member import is_resumable
from logitlab.sweeps.same_rows import SameRows

if TYPE_CHECKING:
    from hydra_plugins.logitlab_batched_launcher.batched_launcher import BatchedLauncher

log = logging.getLogger(__name__)

REASONS_LOOKED_FOR = 100

SECONDS_BETWEEN_NOTES = 1.0
"""Between two times that runs are noted as finished: what kill -9 loses of those that are written. A sync takes 5 ms or so."""

SHARE_OF_NOTES = 20
"""Where the disk has other things to do and a sync takes long, noting takes a twentieth of the time."""

OWN_SUBDIR = "${sweep_subdir:${hydra.job.override_dirname}}"
"""hydra.sweep.subdir as conf/config.yaml has it."""


@dataclass
class Sorted:
    """The jobs of a sweep, by what is to be done with them.

    Attributes:
        jobs: all of them, in their order.
        returns: what those returned that were finished before, by number.
        groups: that can be trained together.
        alone: that are run one by one.
        repeats: number of a job -> that of the one which is the same run.
    """

    jobs: list[Job]
    returns: dict[int, JobReturn]
    groups: dict[str, list[Member]]
    alone: list[Job]
    repeats: dict[int, int] = field(default_factory=dict)


def launch(launcher: "BatchedLauncher", numbered: Sequence[tuple[int, Sequence[str]]]) -> list[JobReturn]:
    """Run jobs of a sweep, given with their numbers; see BatchedLauncher."""
    begin(launcher.config)
    found = sort(launcher, numbered)
    returns = found.returns
    reasons = {reason for job in found.alone[:REASONS_LOOKED_FOR] if (reason := _why_alone(launcher, job))}
    _log_plan(found, reasons)
    for group in found.groups.values():
        for start in range(0, len(group), launcher.members):
            part = group[start : start + launcher.members]
            returns |= _train_group(part) or {plan.job.number: _run_alone(launcher, plan.job) for plan in part}
    for job in found.alone:
        returns[job.number] = _run_alone(launcher, job)
    returns |= {number: returns[first] for number, first in found.repeats.items()}
    return [returns[job.number] for job in found.jobs]


def begin(config: DictConfig) -> None:
    """Set up Hydra's resolvers and its log, and make the sweep's directory."""
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    directory = Path(str(config.hydra.sweep.dir))
    directory.mkdir(parents=True, exist_ok=True)
    callback.mask(directory)


def sort(launcher: "BatchedLauncher", numbered: Sequence[tuple[int, Sequence[str]]]) -> Sorted:
    """Set apart what is finished, and find what can be trained together."""
    found = Sorted([launcher.composer.job(overrides, number) for number, overrides in numbered], {}, {}, [])
    first: dict[Path, int] = {}
    for job in found.jobs:
        plan = _plan(launcher, job)
        if isinstance(plan, Member) and first.setdefault(plan.directory, job.number) != job.number:
            found.repeats[job.number] = first[plan.directory]
        elif isinstance(plan, Member):
            found.groups.setdefault(group_key(plan.config), []).append(plan)
        elif plan is None:
            found.alone.append(job)
        else:
            found.returns[job.number] = plan
    return found


def run_directory(job: Job) -> Path:
    """Return the directory that Hydra would give a run."""
    base = job.base
    if base.sweep_subdir == OWN_SUBDIR:  # worked out here, for OmegaConf takes 2 ms for it
        return Path(base.sweep_dir, member.directory_name(base.dirname(job.overrides))).absolute()
    cfg = base.hydra(job)
    HydraConfig.instance().set_config(cfg)
    return Path(base.sweep_dir, str(cfg.hydra.sweep.subdir)).absolute()


def _why_alone(launcher: "BatchedLauncher", job: Job) -> str | None:
    """Return what keeps a job from being trained with others."""
    task = launcher.task_function
    if not isinstance(task, run_command.Job) or task.job != run_command.TRAINING:
        return "program"
    if job.base.is_private:
        return "a secret, or a reference to the environment"
    return why_alone(job.config())


def _plan(launcher: "BatchedLauncher", job: Job) -> Member | JobReturn | None:
    """Return how a job is to be trained with others, what it returned when it was run before, or None to run it alone."""
    if _why_alone(launcher, job) is not None:
        return None
    task, config = launcher.task_function, job.config()
    assert isinstance(task, run_command.Job)
    rows = SameRows(config, run_command.describe_data)
    directory, before = places(job.base.sweep_dir).find(run_directory(job), config, rows.is_moved)
    if before is not None and before.done:
        rows.check(directory)
        return _returned(job, before.value)
    if before is not None and not before.together and is_resumable(directory / "checkpoints" / "last.ckpt"):
        return None  # begun by another launcher: it goes on from its checkpoint
    try:
        _check(task, job, config)
    except UserError:
        return None  # it fails alone, and says why
    return Member(job, config, directory)


def _check(task: run_command.Job, job: Job, config: Mapping[str, Any]) -> None:
    """Check the whole config once for all jobs of a form, and the values that are a job's own."""
    if not job.base.is_checked:
        task.check(OmegaConf.create(dict(config)))
        job.base.is_checked = True
    checks.check_values(job.values)
    combinations.check_folds(config)


def _train_group(group: Sequence[Member]) -> dict[int, JobReturn] | None:
    """Train runs together and note how each ended; None where they have to be run one by one after all."""
    from logitlab.batched.experiment import train_together
    from logitlab.batched.stacked import CannotStackError

    ends: list[Status] = []
    noted, due = 0, time.monotonic() + SECONDS_BETWEEN_NOTES

    def note() -> None:
        nonlocal noted
        pairs = zip(group[noted : len(ends)], ends[noted:], strict=True)
        member.write_all({plan.directory: end for plan, end in pairs}, synced=True)
        noted = len(ends)

    HydraConfig.instance().set_config(group[0].job.base.hydra(group[0].job))
    try:
        for end in train_together(group):
            ends.append(end)
            if (began := time.monotonic()) > due:
                note()
                now = time.monotonic()
                due = now + max(SECONDS_BETWEEN_NOTES, SHARE_OF_NOTES * (now - began))
    except (UserError, RunError) as error:
        is_users = isinstance(error, UserError)
        ends += [plan.status(FAILED, reason=str(error), mistake=is_users, seconds=0.0) for plan in group[len(ends) :]]
    except End:
        raise
    except CannotStackError as error:
        log.info(f"{len(group)} runs are trained one by one: {error}")
        return None
    except (Exception, SystemExit) as error:
        signals.reraise()
        log.warning(f"{len(group)} runs cannot be trained together and are run one by one: {type(error).__name__}: {error}")
        return None
    finally:
        note()
    return {plan.job.number: _returned(plan.job, end.value) for plan, end in zip(group, ends, strict=True)}


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


def _log_plan(found: Sorted, reasons: set[str]) -> None:
    batched = sum(map(len, found.groups.values()))
    because = f" ({', '.join(sorted(reasons))})" if reasons else ""
    parts = [
        (len(found.returns), "finished already"),
        (batched, f"in {count(len(found.groups), 'tensor program')}"),
        (len(found.alone), f"one by one{because}"),
        (len(found.repeats), "named before"),
    ]
    plan = ", ".join(f"{number:,} {words}" for number, words in parts if number)
    log.info(f"Launching {count(len(found.jobs), 'job')}{f': {plan}' if plan else ''}")
