"""Deal a sweep's unfinished runs out to processes, log the progress, and note what no process could finish."""

import contextlib
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from hydra_plugins.logitlab_batched_launcher import _core as batched
from hydra_plugins.logitlab_batched_launcher.batched_launcher import BatchedLauncher
from hydra_plugins.logitlab_parallel_launchers._chunk import Chunk
from hydra_plugins.logitlab_parallel_launchers._executors import RUN, cores
from logitlab.batched.member import Member
from logitlab.cli import run_command
from logitlab.errors import RunError
from logitlab.log.summary import count
from logitlab.sweeps import member
from logitlab.sweeps.composition import Job
from logitlab.sweeps.member import FAILED
from logitlab.sweeps.places import places
from logitlab.sweeps.run_member import reason

if TYPE_CHECKING:
    from hydra_plugins.logitlab_parallel_launchers.parallel_launchers import ParallelLauncher

log = logging.getLogger(__name__)


def launch(launcher: "ParallelLauncher", job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
    """Run the jobs of a sweep; see ParallelLauncher."""
    batched.begin(launcher.config)
    found = batched.sort(launcher, list(enumerate(job_overrides, first)))
    returns = found.returns
    workers = launcher.workers or cores()
    dealt = deal([[plan.job for plan in group] for group in found.groups.values()], found.alone, launcher, workers)
    log.info(
        f"Launching {count(len(found.jobs), 'job')}: {len(returns):,} finished already, {sum(map(len, dealt)):,} in"
        f" {count(len(dealt), 'chunk')} by {launcher.executor}, {workers} at a time"
    )
    if not dealt:
        return [returns[job.number] for job in found.jobs]
    chunks = [_chunk(launcher, jobs, place, workers) for place, jobs in enumerate(dealt)]
    options: Any = {key: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for key, v in launcher.options.items()}
    with contextlib.closing(RUN[launcher.executor](chunks, workers, **options)) as ends:
        for number, (place, end) in enumerate(ends, 1):
            returns |= _taken(launcher, dealt[place], end)
            failure = f", {reason(end)}" if isinstance(end, Exception) else ""
            log.info(f"Chunk {number:,} of {len(chunks):,}: {count(len(dealt[place]), 'run')}{failure}")
    returns |= {number: returns[first] for number, first in found.repeats.items() if first in returns}
    return [returns.get(job.number) or _lost(launcher, job, "its process was lost") for job in found.jobs]


def deal(groups: Sequence[Sequence[Job]], alone: Sequence[Job], launcher: "ParallelLauncher", workers: int) -> list[list[Job]]:
    """Return the runs of each chunk: groups are shared out evenly, so that every worker has as much of them."""
    dealt = []
    for group in groups:
        size = min(launcher.members, math.ceil(len(group) / workers))
        dealt += [list(group[start : start + size]) for start in range(0, len(group), size)]
    return dealt + [list(alone[start : start + launcher.alone]) for start in range(0, len(alone), launcher.alone)]


def _chunk(launcher: "ParallelLauncher", jobs: Sequence[Job], place: int, workers: int) -> Chunk:
    local = launcher.executor != "submitit_slurm" and not launcher.options.get("address")
    per_job = launcher.options.get("cpus_per_task") or launcher.options.get("num_cpus") if not local else None
    keeps_log = launcher.executor.startswith("submitit")
    return Chunk(
        numbered=[(job.number, job.overrides) for job in jobs],
        launcher=BatchedLauncher(launcher.members, launcher.compose_exactly),
        setup={key: getattr(launcher, key) for key in ("hydra_context", "task_function", "config")},
        singletons=Singleton.get_state(),
        directory=Path.cwd(),
        threads=max(1, cores() // workers) if local else per_job and max(1, int(per_job)),
        log=None
        if keeps_log
        else Path(str(launcher.config.hydra.sweep.dir)).absolute() / ".chunks" / f"{os.getpid()}-{place}.log",
        parent=os.getpid() if local else None,
    )


def _taken(launcher: "ParallelLauncher", jobs: Sequence[Job], end: list[JobReturn] | Exception) -> dict[int, JobReturn]:
    if isinstance(end, Exception):
        return {job.number: _lost(launcher, job, reason(end)) for job in jobs}
    return {job.number: done for job, done in zip(jobs, end, strict=True)}


def _lost(launcher: "ParallelLauncher", job: Job, why: str) -> JobReturn:
    """Note that a run failed with its process, unless it was finished before that."""
    task = launcher.task_function
    done = JobReturn(overrides=job.overrides, task_name=job.base.cfg.hydra.job.name)
    if not isinstance(task, run_command.Job) or task.job != run_command.TRAINING:
        done.status, done.return_value = JobStatus.FAILED, RunError(why)
        return done
    config = job.config()
    directory, before = places(job.base.sweep_dir).find(batched.run_directory(job), config)
    done.status, done.return_value = JobStatus.COMPLETED, float("nan")
    if before is not None and before.done:
        done.return_value = before.value
    elif before is None or before.status != FAILED:
        member.write(directory, Member(job, config, directory).status(FAILED, reason=why))
    return done
