"""What every command of the project shares: Hydra composes, the config is checked, and only then torch is imported.

Hydra's own words and flags stay as they are. What changes is the end: a user's error is one paragraph with exit code 2, a
failure exits with 1, Ctrl-C with 130 and SIGTERM with 143.
"""

import contextlib
import errno
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from logitlab import console
from logitlab.cli import arguments, broken_pipe, checks, composition_errors
from logitlab.cli.primary_configs import groups, top_level_keys
from logitlab.errors import Changed, End, Interrupted, RunError, Unwritable, UserError, print_error
from logitlab.recorded import CONF
from logitlab.runs import run_directory, signals
from logitlab.sweeps import callback as sweep
from logitlab.sweeps import member
from logitlab.sweeps.run_member import run_member

TRAINING = "logitlab.experiment:train"
"""The job whose sweeps can be resumed."""

OmegaConf.register_new_resolver("run_dir", run_directory.choose, replace=True)
OmegaConf.register_new_resolver("sweep_dir", member.resume_directory, replace=True)
OmegaConf.register_new_resolver("sweep_subdir", member.subdirectory, replace=True)


def main(job: str, config_name: str, begin: Callable[[], object] = lambda: None) -> None:
    """Run `job` once, or once for each job of a sweep, on the config that the command line composes; exit.

    Args:
        job: "module:function", imported once the config is known to be good; the function takes the config.
        config_name: the primary config in conf/.
        begin: called when there is something to lose: before the job, or before a sweep.
    """
    want_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    console.guard()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then lets its errors through to us instead of printing them
    try:
        _find_conf(config_name)
        multirun = not composition_errors.MULTIRUN.isdisjoint(sys.argv)
        sys.argv[1:] = arguments.prepared(sys.argv[1:], groups(config_name, CONF), multirun)
        task = Job(job, config_name, None if multirun else begin)
        if multirun:
            begin()
        with signals.raised() if multirun else contextlib.nullcontext():
            hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(task)()
    except End as end:
        if isinstance(end, Unwritable | Changed):
            print_error(RunError(end.reason))
        if not isinstance(end, Changed):
            sweep.print_interrupted()
        raise
    except BrokenPipeError:  # `python train.py --help | head`
        _end_without_output()
    except arguments.ArgumentError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except (UserError, RunError) as error:  # of a sweep's job, printed when it happened
        sys.exit(error.exit_code)
    except Exception as error:
        explained: UserError | RunError | None = composition_errors.explain(error, sys.argv[1:], CONF, config_name)
        if explained is None and isinstance(error, OSError) and (multirun or not task.has_begun):
            explained = _unwritable(error, multirun)
        if explained is None or want_traceback:
            raise
        print_error(explained)
        sys.exit(explained.exit_code)
    finally:
        sweep.forget_empty()


class Job:
    """What Hydra calls with a composed config: checks it, then imports and runs the job.

    A class, not a closure, so that a launcher can send it to another process, which finds everything by importing this module.
    """

    def __init__(self, job: str, config_name: str, begin: Callable[[], object] | None = None) -> None:
        """Take "module:function", the name of the primary config, and what to call first."""
        self.job = job
        self.config_name = config_name
        self.begin = begin
        self.has_begun = False
        self.__name__ = self.__qualname__ = job.partition(":")[2]

    def __call__(self, cfg: DictConfig) -> Any:
        """Run the job: alone, so that its failure ends the process, or as one run of a sweep, which goes on."""
        self.has_begun = True
        console.guard()  # this may be another process than that of `main`
        if self.begin is not None:
            self.begin()
        if self.job == TRAINING:
            broken_pipe.ignore_broken_pipe()
        if HydraConfig.get().mode is RunMode.MULTIRUN and self.job == TRAINING:
            return run_member(cfg, self.run, print_error, describe_data)
        try:
            with signals.raised():
                return self.run(cfg)
        except (UserError, RunError) as error:
            _forget_empty_directory()
            print_error(error)
            sys.exit(error.exit_code)  # past Hydra, which would print the overrides first
        except BrokenPipeError:  # `python explain.py run=... | head -1`
            _end_without_output()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            print_error(RunError(f"{error.filename or 'The answer'} cannot be written: {error.strerror}. Make room."))
            _end_without_output(RunError.exit_code)
        except Interrupted as stop:
            if self.job == TRAINING:
                print(_how_to_resume(stop), file=sys.stderr)
            raise

    def check(self, cfg: DictConfig) -> None:
        """Raise UserError for a config that cannot be run; give the groups that were left out the value null."""
        known = top_level_keys(self.config_name, CONF)
        with open_dict(cfg):
            for key in known.difference(map(str, cfg), ("defaults", "hydra", "experiment", "debug")):
                cfg[key] = None
        checks.check(cfg, known, _example(self.config_name))

    def run(self, cfg: DictConfig) -> Any:
        """Check the config, then import and run the job.

        Raises:
            UserError: the config cannot be run; or what the job raises.
        """
        self.check(cfg)
        self._refuse_resume(cfg)
        run_directory.find_checkpoint(cfg.get("ckpt_path"), Path(HydraConfig.get().runtime.output_dir))
        return _load(self.job)(cfg)

    def _refuse_resume(self, cfg: DictConfig) -> None:
        """Raise UserError for a single run that is given a sweep to resume."""
        if self.job == TRAINING and cfg.sweep and cfg.sweep.resume and HydraConfig.get().mode is not RunMode.MULTIRUN:
            raise UserError(
                f"sweep.resume={cfg.sweep.resume} resumes a sweep, and this command is one run: type python train.py -m and"
                " the sweep's own values, or, to resume a run, ckpt_path=<its directory>."
            )


def describe_data(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the description of the rows of a run's config (`logitlab.data.description.describe`)."""
    return _load("logitlab.build:describe_data")(config)


def _end_without_output(code: int = 128 + signal.SIGPIPE) -> NoReturn:
    """Exit where nobody reads on, or nothing more can be written; what is still to be printed goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _find_conf(config_name: str) -> None:
    if not (CONF / f"{config_name}.yaml").is_file():
        raise arguments.ArgumentError(
            f"There is no {CONF / config_name}.yaml, and without its configs no command knows what to do. In a clone `git"
            " checkout conf src/logitlab/conf` puts them back; an installed logitlab has to be installed again."
        )


def _example(config_name: str) -> str:
    """Return the whole command that the first line of the config names, or of the data that was chosen."""
    path = CONF / f"{config_name}.yaml"
    if "data" in groups(config_name, CONF):
        if not HydraConfig.initialized():  # a launcher that checks runs before any of them is begun
            return ""
        choices: Any = HydraConfig.get().runtime.choices
        path = CONF / "data" / f"{choices.get('data')}.yaml"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    example = next((line.removeprefix("# ") for line in lines if line.startswith("# python")), "")
    return example.replace("train.py", f"{config_name}.py") if config_name != "config" else example


def _load(job: str) -> Callable[[Any], Any]:
    """Import the job. Importing makes a million objects that live to the end: the collector is kept from walking them."""
    module, _, name = job.partition(":")
    gc.disable()
    try:
        return getattr(importlib.import_module(module), name)
    finally:
        gc.freeze()
        gc.enable()


def _forget_empty_directory() -> None:
    """Remove the output directory that Hydra made for a run that never began; a job without one works where it stands."""
    directory = Path(HydraConfig.get().runtime.output_dir)
    if directory == Path.cwd():
        return
    with contextlib.suppress(OSError):  # not empty, so it is somebody's
        directory.rmdir()
        if directory.parent.parent == Path.cwd() / "outputs":  # ours too; any other folder is the user's
            directory.parent.rmdir()


def _unwritable(error: OSError, multirun: bool) -> UserError | RunError:
    """Return the error for a folder or a file that Hydra could not write, before a run or between the runs of a sweep."""
    if multirun:
        return RunError(
            f"{error.filename or 'A file of the sweep'} cannot be written: {error.strerror}. What is finished stays."
        )
    return UserError(
        f"The run directory {error.filename} cannot be made: {error.strerror}. Give another one with hydra.run.dir=<folder>, or"
        " correct its permissions."
    )


def _how_to_resume(stop: Interrupted) -> str:
    """Return the line that a stopped run ends with: is it saved, and what to type."""
    hydra_cfg = HydraConfig.get()
    directory = Path(hydra_cfg.runtime.output_dir)
    if not (directory / run_directory.CHECKPOINTS / "last.ckpt").exists():
        return f"Stopped by {stop.signal_name}. Nothing was saved."
    shown = directory.relative_to(Path.cwd()) if directory.is_relative_to(Path.cwd()) else directory
    overrides = [each for each in hydra_cfg.overrides.task if not each.startswith("ckpt_path=")]
    command = console.command_line([*overrides, f"ckpt_path={shown}"], Path(sys.argv[0]).name)
    return f"Stopped by {stop.signal_name}. The run is saved; this goes on with it:\n  {command}"
