"""Checkpoints that are whole or not there, hold no code, and are checked when they are read."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from logreg.errors import RunError, UserError


class AtomicCheckpointIO(CheckpointIO):
    """Writes a temporary file in the checkpoint's own folder, syncs it, and puts it in place in one step.

    Lightning's own way goes through $TMPDIR: where that is another file system, a kill -9 leaves half a file and a full disk
    destroys the previous good one. The one before stays beside each checkpoint as NAME.previous.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            RunError: the disk is full or the folder cannot be written; the checkpoint that was there is untouched.
        """
        path = Path(path)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            _write_synced(temporary, buffer.getbuffer())
            _keep_previous(path)
            temporary.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise RunError(
                f"The checkpoint {path} cannot be written: {error.strerror}. The one before it is untouched. Make room or"
                f" mend the permissions, then go on with ckpt_path={path.parent.parent}."
            ) from error

    def load_checkpoint(self, path: str | Path, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint after checking every byte of it against its checksum; tensors and plain values only.

        Raises:
            UserError: there is no such file, it is damaged, or it holds code.
        """
        return load(path, map_location)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint and the one before it."""
        for each in (Path(path), previous(path)):
            each.unlink(missing_ok=True)


def load(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Return the content of a checkpoint.

    torch.save writes a CRC-32 for every record and torch.load does not look at it: flipped bits load as other weights, in
    silence. The zip library of Python does look.

    Raises:
        UserError: there is no such file, it is damaged, or it holds code.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken:
            raise zipfile.BadZipFile(f"{broken} does not match its checksum")
        return torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise UserError(f"There is no checkpoint {path}.") from None
    except pickle.UnpicklingError as error:
        raise UserError(
            f"The checkpoint {path} is refused: it holds more than tensors and plain values, and loading it could run code."
            " Checkpoints that this project writes never do."
        ) from error
    except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError, ValueError, KeyError, EOFError) as error:
        raise UserError(f"The checkpoint {path} is damaged or is no checkpoint ({error}).") from error


def previous(path: str | Path) -> Path:
    """Return where the checkpoint before this one is kept."""
    return Path(f"{path}.previous")


def _write_synced(path: Path, content: memoryview) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _keep_previous(path: Path) -> None:
    """Link the present file under its second name, so that at no moment neither is there."""
    if path.exists():
        link = path.with_name(f".{path.name}.link.tmp")
        link.unlink(missing_ok=True)
        link.hardlink_to(path)
        link.replace(previous(path))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
