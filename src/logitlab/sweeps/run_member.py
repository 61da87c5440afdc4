"""Run one job of a sweep, whatever launcher called it: skip what is done, go on with what was begun, note how it ends."""

import contextlib
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from logitlab.errors import End, Pruned, RunError, UserError
from logitlab.runs import files, signals
from logitlab.runs.run_directory import CHECKPOINTS, RunDirectory, previous
from logitlab.sweeps import member
from logitlab.sweeps.member import Status
from logitlab.sweeps.places import places
from logitlab.sweeps.same_rows import Describe, SameRows

log = logging.getLogger(__name__)


def run_member(
    cfg: DictConfig, job: Callable[[DictConfig], float | None], print_error: Callable[[Exception], None], describe: Describe
) -> float | None:
    """Run `job` unless its run is finished; never raise for a run that fails, so that the others have their turn.

    Args:
        cfg: the composed config of the job.
        job: trains, and returns the monitored metric.
        print_error: prints why a run failed.
        describe: reads the rows of a run whose table may have changed.

    Returns:
        The monitored metric, of now or of then; NaN for a run that failed.

    Raises:
        End, KeyboardInterrupt: a signal came, the disk is full, or the data have changed; the sweep ends.
    """
    hydra_cfg: Any = HydraConfig.get()
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    chosen, rows = Path(hydra_cfg.runtime.output_dir), SameRows(config, describe)
    directory, before = places(hydra_cfg.sweep.dir).find(chosen, config, rows.is_moved)
    if before is not None and (before.done or (directory / CHECKPOINTS / "last.ckpt").exists()):
        rows.check(directory)
    overrides = list(OmegaConf.to_container(hydra_cfg.overrides.task))  # type: ignore[arg-type]
    started = time.monotonic()

    def note(status: str, **rest: Any) -> None:
        rest |= {"paths": member.data_paths(config), "seconds": round(time.monotonic() - started, 3)}
        member.write(directory, Status(status, member.digest(config), overrides, **rest))

    with _moved(hydra_cfg, chosen, directory):
        if before is not None and before.done:
            print(f"{directory.name} is {before.status} already")
            return before.value
        try:
            files.make_folder(directory)
            if before is not None:
                prepare_resume(cfg, RunDirectory(directory))
            note(member.RUNNING)
            value = job(cfg)
        except (KeyboardInterrupt, End):
            raise
        except Pruned as end:
            note(member.PRUNED, value=end.value)
            return end.value
        except (Exception, SystemExit) as error:
            signals.reraise()
            print_error(error if isinstance(error, UserError | RunError) else RunError(reason(error)))
            log.debug("The run failed.", exc_info=error)
            note(member.FAILED, reason=reason(error), mistake=isinstance(error, UserError))
            return math.nan
        note(member.FINISHED, value=value)
        signals.reraise()
        return value


def reason(error: BaseException) -> str:
    """Return why a run failed, in one line."""
    if isinstance(error, UserError | RunError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"the run called sys.exit({error.code!r})"
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"


@contextlib.contextmanager
def _moved(hydra_cfg: DictConfig, chosen: Path, directory: Path) -> Iterator[None]:
    """Let the run live in another directory than Hydra chose and made, and leave no empty one behind."""
    if directory == chosen:
        yield
        return
    with read_write(hydra_cfg), open_dict(hydra_cfg):
        hydra_cfg.runtime.output_dir = str(directory)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # it is another run's, or holds a log
            chosen.rmdir()


def prepare_resume(cfg: DictConfig, run: RunDirectory) -> None:
    """Let a run that was begun go on from its checkpoint, if only to make its results; without one, clear the way."""
    if cfg.get("ckpt_path") is not None:
        return
    if is_resumable(run.checkpoints / "last.ckpt"):
        with read_write(cfg), open_dict(cfg):
            cfg.ckpt_path = str(run.path)
        return
    with run.locked():
        clear(run)


def clear(run: RunDirectory) -> None:
    """Remove what a run left that did not finish; `.hydra/`, which tells that the rest is a run's, goes last."""
    if (run.path / ".hydra").exists():
        (run.path / "metrics.json").unlink(missing_ok=True)
    for events in run.path.glob("events.out.tfevents.*"):
        events.unlink()
    for folder in (run.checkpoints, run.path / ".hydra"):
        shutil.rmtree(folder, ignore_errors=True)
    run.checkpoints.mkdir(parents=True, exist_ok=True)


def is_resumable(last: Path) -> bool:
    """Return whether a checkpoint, or the one before it, is whole; where nothing is left to train, results are made of it."""
    if not last.exists() and not previous(last).exists():
        return False
    from logitlab.runs.resume import whole

    try:
        whole(last)
    except UserError:
        return False
    return True
