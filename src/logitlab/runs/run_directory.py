"""The folder of one run: chosen so that no two runs share it, locked while a run lives, written whole or not at all."""

import contextlib
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from logitlab import masking
from logitlab.errors import RunError, UserError
from logitlab.runs import files, storage

CHECKPOINTS = "checkpoints"


def choose(ckpt_path: str | None, fresh: str) -> str:
    """Return the directory for a run (the `run_dir` resolver of conf/config.yaml).

    A resumed run continues in the directory of its checkpoint, so that its curve stays one. Any other gets `fresh` with the
    process's number behind it: two runs that start in one second differ in that.

    Args:
        ckpt_path: what the user gave: None, "last", a run directory, or a checkpoint in one.
        fresh: the directory's name for a new run.
    """
    if ckpt_path and (path := Path(ckpt_path)).exists():
        if path.is_dir():
            return str(path)
        if path.parent.name == CHECKPOINTS:
            return str(path.parent.parent)
    return f"{fresh}-{os.getpid()}"


def previous(checkpoint: str | Path) -> Path:
    """Return where the checkpoint before this one is kept."""
    return Path(f"{checkpoint}.previous")


def find_checkpoint(ckpt_path: str | None, run_directory: Path) -> Path | None:
    """Return the file that `ckpt_path` means, or whose predecessor is there alone; None where a run starts anew.

    Args:
        ckpt_path: None, a checkpoint, a run directory (its last.ckpt), or "last" (that of `run_directory`).
        run_directory: the directory of the run at hand.

    Raises:
        UserError: there is no such file.
    """
    if not ckpt_path:
        return None
    path = run_directory if ckpt_path == "last" else Path(ckpt_path)
    if path.is_dir():
        path = path / CHECKPOINTS / "last.ckpt"
    if not path.is_file() and not previous(path).is_file():
        raise UserError(
            f"ckpt_path={ckpt_path}: there is no checkpoint {path} to resume from. Give a run directory, as in"
            " ckpt_path=outputs/<run>, or leave ckpt_path out to start anew."
        )
    return path


class RunDirectory:
    """One run's folder: `.hydra/`, `checkpoints/`, event files, metrics.json, coefficients.csv, environment.json."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def checkpoints(self) -> Path:
        """The folder of last.ckpt and best.ckpt."""
        return self.path / CHECKPOINTS

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for this process.

        Raises:
            UserError: it cannot be written, holds a symbolic link, or a living process holds it.
        """
        try:
            files.make_folder(self.checkpoints)
            files.refuse_links(self.path)
            lock = files.open_lock(self.path / ".lock")
        except OSError as error:
            raise _unwritable(self.path, error) from error
        with lock:
            if not storage.hold(lock, self.path):
                raise UserError(
                    f"Another process is training in {self.path} at this moment. Wait for it, or give this run a"
                    " directory of its own with hydra.run.dir=<folder>."
                )
            try:
                self._prepare()
                yield
            except UserError:
                self._forget_if_empty()
                raise

    def _prepare(self) -> None:
        """Remove what a killed process has left half written; refuse folders that cannot be written, at once and not later."""
        own = [folder for folder in (self.path, self.checkpoints, self.path / ".hydra") if folder.is_dir()]
        storage.remove_left_overs(*own)
        for folder in own:
            try:
                files.prepared(folder / "probe", b"").unlink()
            except OSError as error:
                raise _unwritable(folder, error) from error
        for path in self.path.iterdir():
            if path.suffix in (".json", ".csv") and path.is_dir():
                raise UserError(f"{path} is a folder, and a file of that name is to be written: remove it, or rename it.")

    def _forget_if_empty(self) -> None:
        """Leave no trace of a run that never began; what holds more than our own empty folder stays."""
        with contextlib.suppress(OSError):
            self.checkpoints.rmdir()
            (self.path / ".lock").unlink()

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write `content` as a JSON file, as `as_json` has it."""
        self.write_text(name, as_json(content))

    def write_text(self, name: str, text: str) -> None:
        """Write a text file whole or not at all.

        Raises:
            RunError: the disk is full or the folder cannot be written; the file that was there is untouched.
        """
        with _told(self.path / name):
            files.write(self.path / name, text)

    def write_config(self, cfg: DictConfig, hydra_cfg: DictConfig) -> None:
        """Write `.hydra/` as Hydra itself would, all of it or nothing; a resumed run adds `.hydra/resumed-N/` to its first one.

        Raises:
            RunError: the disk is full or the folder cannot be written.
        """
        folder = self.path / ".hydra"
        if folder.exists():
            folder = folder / f"resumed-{len(list(folder.glob('resumed-*'))) + 1}"
        temporary = folder.with_name(f".{folder.name.lstrip('.')}.{secrets.token_hex(8)}.tmp")
        with _told(folder):
            temporary.mkdir(parents=True)
            files.write(temporary / "config.yaml", typed_yaml(cfg))
            files.write(temporary / "hydra.yaml", typed_yaml(OmegaConf.masked_copy(hydra_cfg, "hydra")))
            files.write(temporary / "overrides.yaml", typed_yaml(hydra_cfg.hydra.overrides.task))
            temporary.replace(folder)


def typed_yaml(cfg: Any) -> str:
    """Return a config as YAML: as it was typed, with *** for secrets."""
    return OmegaConf.to_yaml(OmegaConf.create(masking.as_typed(cfg)))


def as_json(content: Mapping[str, Any]) -> str:
    """Return `content` as the text of a JSON file; NaN and infinity, which JSON lacks, become null."""
    return json.dumps(_finite(content), indent=2, allow_nan=False) + "\n"


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"The run directory {folder} cannot be written: {error.strerror}. Give another one with hydra.run.dir=<folder>, or"
        " correct its permissions."
    )


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{path} cannot be written: {error.strerror}. What was saved before is untouched: make room or correct the"
            " permissions, then resume with ckpt_path=<the run directory>."
        ) from error


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
