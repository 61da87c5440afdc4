"""What happens before the first and after the last run of a sweep (hydra.callbacks in conf/config.yaml)."""

import contextlib
import functools
import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from logitlab import masking
from logitlab.console import command_line
from logitlab.errors import RunError, UserError, print_error
from logitlab.log.summary import count
from logitlab.overrides import quoted
from logitlab.runs import files, small_files, storage
from logitlab.sweeps import member

LOCK = ".lock"

_begun: list[tuple[Path, IO[str]]] = []
"""The directories of the sweeps that this process is in, and their locks."""


class SweepCallback(Callback):
    """Pins the sweep's directory, holds it for this process, and prints the sweep's result when it ends.

    Hydra makes a warning of what a callback raises: what ends the command here is a SystemExit.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Resolve the directory once, in Hydra's own override too: jobs compose anew, in processes with other numbers."""
        for note in _twice(config.hydra.overrides.task):
            print(f"Note: {note}", file=sys.stderr)
        with _ending(UserError):
            directory = _directory(config)
            _begun.append((directory, _lock(directory)))
        with read_write(config), open_dict(config):
            config.hydra.sweep.dir = str(directory)
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(str(directory))}")
            if constant := _constant(config):  # they are no part of the names of the runs' folders
                left_out = [*config.hydra.job.config.override_dirname.exclude_keys, *constant]
                config.hydra.job.config.override_dirname.exclude_keys = left_out
                config.hydra.overrides.hydra.append(f"hydra.job.config.override_dirname.exclude_keys={json.dumps(left_out)}")

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Mask what Hydra has written of the sweep's config by then."""
        if config.hydra.mode is RunMode.MULTIRUN:
            mask(Path(config.hydra.sweep.dir))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write and print the result; exit 1 if a run failed, 2 if all did by the user's mistake."""
        from logitlab.sweeps.report import report

        directory, lock = _begun.pop()
        searched = config.hydra.runtime.choices.get("hydra/sweeper") == "optuna"
        with lock, _ending(OSError, "The sweep's result cannot be written, its runs are as they are: "):
            code = report(directory, config, again=not searched)
        if code:
            sys.exit(code)


@functools.cache
def mask(directory: Path) -> None:
    """Put *** in place of the secrets in multirun.yaml, which Hydra's own sweeper writes as it is."""
    path = directory / "multirun.yaml"
    content = small_files.or_note(lambda: small_files.read_yaml(path, dict), lambda words: None)
    if content is not None and (masked := masking.masked(content)) != content:
        files.write(path, OmegaConf.to_yaml(OmegaConf.create(masked)))


@contextlib.contextmanager
def _ending(kind: type[Exception], words: str = "") -> Iterator[None]:
    """Print an error and end the command by its exit code."""
    try:
        yield
    except kind as error:
        print_error(type(error)(f"{words}{error}"))
        sys.exit(getattr(error, "exit_code", RunError.exit_code))


def _directory(config: DictConfig) -> Path:
    """Return the sweep's directory.

    Raises:
        UserError: there is none to resume, or runs would lie outside of it, where they are not found.
    """
    directory, resume = Path(config.hydra.sweep.dir), OmegaConf.select(config, "sweep.resume")
    if resume is not None and directory != Path(resume):
        raise UserError(f"sweep.resume={resume} and hydra.sweep.dir={directory} name two directories: leave one of them out.")
    if resume is not None and not (directory / "multirun.yaml").exists():
        raise UserError(
            f"sweep.resume={resume}: there is no sweep in {directory.absolute()}. Give the directory that the sweep named"
            " when it began, or leave sweep.resume out to begin anew."
        )
    subdir = Path(str(OmegaConf.to_container(config.hydra.sweep, resolve=False)["subdir"]))  # type: ignore[index, call-overload]
    if subdir.is_absolute() or ".." in subdir.parts:
        raise UserError(
            f"hydra.sweep.subdir={subdir} leads out of the sweep's directory: type a name in it, as in"
            " 'hydra.sweep.subdir=${hydra.job.num}', or another hydra.sweep.dir."
        )
    return directory


def _lock(directory: Path) -> IO[str]:
    """Hold a sweep's directory for this process, for as long as the file that is returned is open.

    Raises:
        UserError: a living process holds it, or it cannot be made.
    """
    try:
        files.make_folder(directory)
        files.refuse_links(directory)
        lock = files.open_lock(directory / LOCK)
    except OSError as error:
        raise UserError(
            f"The sweep's directory {directory} cannot be made: {error.strerror}. Give another one with"
            " hydra.sweep.dir=<folder>, or correct its permissions."
        ) from error
    if not storage.hold(lock, directory):
        lock.close()
        raise UserError(
            f"Another process is sweeping in {directory} at this moment. Wait for it, or leave hydra.sweep.dir and"
            " sweep.resume out to begin a sweep of your own."
        )
    storage.remove_left_overs(directory)
    return lock


def _constant(config: DictConfig) -> list[str]:
    """Return the keys that every run of a sweep has alike, as they are typed and without +; none where nothing is varied."""
    parsed = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
    constant = [each for each in parsed if not each.is_sweep_override()]
    if len(constant) == len(parsed) and not OmegaConf.select(config, "hydra.sweeper.params"):
        return []
    return list(dict.fromkeys(key for each in constant for key in (str(each.input_line).partition("=")[0], each.key_or_group)))


def _twice(overrides: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each override that names one value more than once."""
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        sweep = override.value()
        if not isinstance(sweep, ChoiceSweep):
            continue
        values = [str(getattr(value, "text", value)) for value in sweep.list]
        if again := [value for value, number in Counter(values).items() if number > 1]:
            yield f"{override.input_line} names {', '.join(again)} more than once: such a run is trained once."
        if alike := _one_number(dict.fromkeys(values)):
            yield f"{override.input_line} names one number as {' and as '.join(alike)}: two runs with one result."


def _one_number(values: Iterable[str]) -> list[str]:
    """Return the first values that are one number, written in different ways."""
    ways: dict[float, list[str]] = {}
    for value in values:
        with contextlib.suppress(ValueError):
            ways.setdefault(float(value), []).append(value)
    return next((each for each in ways.values() if len(each) > 1), [])


def forget_empty() -> None:
    """Remove the directory of a sweep that ended before there was anything in it but its lock."""
    for directory, _ in _begun:
        with contextlib.suppress(OSError):
            if [path.name for path in directory.iterdir()] == [LOCK]:
                (directory / LOCK).unlink()
                directory.rmdir()


def print_interrupted() -> None:
    """Print how to resume a sweep that a signal has ended."""
    if not _begun:
        return
    directory, _ = _begun[-1]
    done = sum(status.done for _, status in member.statuses(directory))
    command = command_line([word for word in sys.argv[1:] if not word.startswith(("hydra.sweep.dir=", "sweep.resume="))])
    print(
        f"Interrupted: {count(done, 'run')} finished. Go on with: {command} sweep.resume={shlex.quote(str(directory))}",
        file=sys.stderr,
    )
