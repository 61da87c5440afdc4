"""Who runs the chunks. Each executor yields the place of a chunk and its end; closed, it stops the rest."""

import os
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from hydra.core.utils import JobReturn

from hydra_plugins.logitlab_parallel_launchers._chunk import Chunk
from logitlab.runs import signals

End = tuple[int, list[JobReturn] | Exception]
Ends = Generator[End, None, None]
SECONDS_BETWEEN_LOOKS = 0.2


def _tried(place: int, get: Callable[[], Any]) -> End:
    try:
        return place, get()
    except Exception as error:
        return place, error


def run_joblib(chunks: Sequence[Chunk], workers: int, **options: Any) -> Ends:
    """Run them in loky's processes."""
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    tasks = (delayed(_tried)(place, chunk) for place, chunk in enumerate(chunks))
    left = set(range(len(chunks)))
    try:
        for end in Parallel(n_jobs=workers, backend="loky", batch_size=1, return_as="generator_unordered", **options)(tasks):
            left.discard(end[0])
            yield end
    except TerminatedWorkerError as error:  # loky ends them all
        yield from ((place, error) for place in sorted(left))
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=bool(left))


def run_ray(chunks: Sequence[Chunk], workers: int, *, address: str | None, num_cpus: float, num_gpus: float) -> Ends:
    """Run them as Ray's tasks; a Ray that this process is connected to already is used and left as it is."""
    import logging

    import ray

    is_ours = not ray.is_initialized()
    if is_ours:
        own: dict[str, Any] = {} if address else {"num_cpus": max(1, round(workers * num_cpus)), "include_dashboard": False}
        with signals.kept():  # Ray would leave with exit code 15 at a SIGTERM, and leave its processes behind
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    places: dict[Any, int] = {}
    try:
        task = ray.remote(num_cpus=num_cpus, num_gpus=num_gpus, max_retries=0)(Chunk.__call__)
        waiting = list(enumerate(chunks))[::-1]
        while waiting or places:
            while waiting and len(places) < workers:
                place, chunk = waiting.pop()
                places[task.remote(chunk)] = place
            for reference in ray.wait(list(places), timeout=1)[0]:
                yield _tried(places.pop(reference), partial(ray.get, reference))
    finally:
        for reference in places:
            ray.cancel(reference, force=True)
        if is_ours:
            ray.shutdown()


def run_submitit_local(chunks: Sequence[Chunk], workers: int, *, folder: str, **options: Any) -> Ends:
    """Run each in a process of its own, so many at a time.

    They are not cancelled, which submitit does by a KeyboardInterrupt with its traceback: they end with this process.
    """
    import submitit

    executor = submitit.AutoExecutor(folder=folder, cluster="local")
    executor.update_parameters(**_given(options))
    waiting = list(enumerate(chunks))[::-1]
    running: dict[int, Any] = {}
    while waiting or running:
        while waiting and len(running) < workers:
            place, chunk = waiting.pop()
            running[place] = executor.submit(chunk)
        yield from _ended(running)


def run_submitit_slurm(
    chunks: Sequence[Chunk],
    workers: int,
    *,
    folder: str,
    partition: str | None,
    account: str | None,
    setup: Sequence[str],
    additional_parameters: dict[str, Any],
    **options: Any,
) -> Ends:
    """Submit them as one array of Slurm and wait for it."""
    import submitit

    executor = submitit.AutoExecutor(folder=folder, cluster="slurm")
    slurm = {
        "partition": partition,
        "account": account,
        "setup": list(setup) or None,
        "additional_parameters": dict(additional_parameters) or None,
        "array_parallelism": workers,
    }
    executor.update_parameters(
        name="logitlab", **_given(options), **{f"slurm_{key}": value for key, value in _given(slurm).items()}
    )
    with executor.batch():
        jobs = [executor.submit(chunk) for chunk in chunks]
    running: dict[int, Any] = dict(enumerate(jobs))
    try:
        while running:
            yield from _ended(running)
    finally:
        for job in running.values():
            job.cancel()


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _ended(running: dict[int, Any]) -> Ends:
    """Yield the jobs that have ended, or wait a moment."""
    for place in [place for place, job in running.items() if job.done()]:
        job = running.pop(place)
        yield _tried(place, job.result)
    time.sleep(SECONDS_BETWEEN_LOOKS)


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


RUN: dict[str, Callable[..., Ends]] = {
    "joblib": run_joblib,
    "ray": run_ray,
    "submitit_local": run_submitit_local,
    "submitit_slurm": run_submitit_slurm,
}
