"""From which checkpoint a run is resumed, and whether it is still the same run."""

import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from logitlab.errors import UserError
from logitlab.overrides import typed
from logitlab.runs import identity
from logitlab.runs.checkpoint_io import load, previous
from logitlab.runs.run_directory import RunDirectory
from logitlab.runs.small_files import or_note, read_json, read_yaml

SAME_RUN = ("data", "model", "loss", "penalty", "optimizer", "lr_scheduler", "seed")
"""The parts of the config that make a run the run it is; epochs, accelerator, callbacks and loggers may change."""

MOST_NAMED = 5
"""Differences between two runs that a message names."""


def whole(path: Path) -> Path:
    """Return the checkpoint to resume from: this one, or the one before it where this one is damaged.

    Raises:
        UserError: neither is whole.
    """
    try:
        load(path)
    except UserError as error:
        before = previous(path)
        if not before.exists():
            raise
        load(before)
        print(f"Note: {error} The run resumes from the one saved before it, {before}.", file=sys.stderr)
        return before
    return path


def check_same_run(checkpoint: Mapping[str, Any], hparams: Mapping[str, Any], max_epochs: int, rerun: str | None) -> None:
    """Refuse to resume with another lr, model or data than the run began with: torch would keep the old lr without a word.

    Args:
        checkpoint: the loaded checkpoint.
        hparams: the plain config of the run that is to be resumed.
        max_epochs: of that run.
        rerun: the overrides that the run was given last, to type again; None if unknown.

    Raises:
        UserError: the config differs, the checkpoint has other weights, or is beyond `max_epochs`, or cannot be resumed.
    """
    if "optimizer_states" not in checkpoint:
        raise UserError("This checkpoint holds weights alone (best.ckpt does): resume from last.ckpt, in the same folder.")
    hyper_parameters = checkpoint.get("hyper_parameters")
    saved = hyper_parameters.get("config") if isinstance(hyper_parameters, Mapping) else None
    saved = saved if isinstance(saved, Mapping) else {}
    parts = [part for part in SAME_RUN if part in saved or part in hparams]
    differences = [line for part in parts for line in _part_differences(part, saved.get(part), hparams.get(part))]
    if differences:
        cure = f" Type the run's own settings again: {rerun}" if rerun else " Give the run's own settings again"
        if rerun is not None and set(shlex.split(rerun)) <= set(sys.argv[1:]):  # to type that again would not help
            cure = " What was typed is what the run was given, so conf/ has changed since: type each old value as KEY=VALUE"
        more = [f"and {len(differences) - MOST_NAMED} more"] if len(differences) > MOST_NAMED else []
        raise UserError(
            f"This is another run than the one that was saved: {'; '.join(differences[:MOST_NAMED] + more)}.{cure}; or leave"
            " ckpt_path out to start anew."
        )
    if checkpoint["epoch"] > max_epochs:
        raise UserError(
            f"The checkpoint has {checkpoint['epoch']} epochs behind it and trainer.max_epochs={max_epochs}: nothing is"
            " left to train. Type a larger trainer.max_epochs."
        )


def rows_of(checkpoint: Mapping[str, Any], run: Path) -> Mapping[str, Any] | None:
    """Return what a run has noted of its rows: in its checkpoint, or, by an earlier version, in environment.json."""
    noted = checkpoint.get("hyper_parameters", {}).get("data")
    if noted is not None:
        return noted
    known = or_note(lambda: read_json(run / "environment.json", dict), lambda words: None) or {}
    return {"fingerprint": known.get("data_fingerprint")}


def latest_overrides(run: RunDirectory, epochs: int) -> str | None:
    """Return the overrides that the run in this directory was given last, as one line to type; None if unknown.

    Args:
        run: the run's directory; each resume has left its overrides in `.hydra/resumed-N/`.
        epochs: that the checkpoint has behind it: fewer are never proposed.
    """
    folder = run.path / ".hydra"
    numbers = (path.name.rpartition("-")[2] for path in folder.glob("resumed-*"))
    last = max((int(number) for number in numbers if number.isdecimal()), default=None)
    path = (folder if last is None else folder / f"resumed-{last}") / "overrides.yaml"
    overrides = or_note(lambda: read_yaml(path, list), lambda words: None)
    if overrides is None:
        return None
    kept = [each for each in map(str, overrides) if not each.startswith("ckpt_path=")]
    return " ".join(shlex.quote(_at_least(each, epochs)) for each in [*kept, f"ckpt_path={run.path}"])


def _at_least(override: str, epochs: int) -> str:
    """Return the override with as many epochs as the checkpoint has, where it asks for fewer."""
    key, _, value = override.partition("=")
    few = key == "trainer.max_epochs" and value.isdigit() and int(value) < epochs
    return f"{key}={epochs}" if few else override


def _part_differences(part: str, saved: Any, now: Any) -> Iterator[str]:
    return _differences(part, saved, now, identity.part(part, saved), identity.part(part, now))


def _differences(key: str, saved: Any, now: Any, before: Any, after: Any) -> Iterator[str]:
    """Yield the values that differ in what decides numbers, `before` and `after`, in the words of the configs."""
    if isinstance(saved, Mapping) and isinstance(now, Mapping):
        for name in [*saved, *(name for name in now if name not in saved)]:
            deciding = (each.get(name, ...) if isinstance(each, Mapping) else ... for each in (before, after))
            yield from _differences(f"{key}.{name}", saved.get(name), now.get(name), *deciding)
    elif before != after:
        yield f"{key} was {typed(saved)} and is {typed(now)}"
