"""Checkpoints that are whole or not there, hold no code, and are checked when they are read."""

import hashlib
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from logreg.errors import RunError, UserError

SEAL = b"sha256:"


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
            _write_synced(temporary, _sealed(buffer.getvalue()))
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

    torch.load looks at no checksum: flipped bits load as other weights, in silence. Even the CRC-32 of each record, which
    torch.save writes, is not enough: one bit of the archive's directory makes torch take a record for a folder and leave a
    tensor's memory as it happens to be. So the file carries a SHA-256 of all of itself; one from elsewhere, that has none, is
    checked by its CRC-32s.

    Raises:
        UserError: there is no such file, it is damaged, or it holds code.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        _check_bytes(content)
        return torch.load(io.BytesIO(content), map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise UserError(f"There is no checkpoint {path}.") from None
    except pickle.UnpicklingError as error:
        raise UserError(
            f"The checkpoint {path} is refused: it holds more than tensors and plain values, and loading it could run code."
            " Checkpoints that this project writes never do."
        ) from error
    except Exception as error:  # zlib, lzma, struct, torch: there is no end to what damaged bytes are taken for
        raise UserError(f"The checkpoint {path} is damaged or is no checkpoint ({error}).") from error


def previous(path: str | Path) -> Path:
    """Return where the checkpoint before this one is kept."""
    return Path(f"{path}.previous")


def _sealed(archive: bytes) -> bytes:
    """Return a zip archive with a SHA-256 over all of it as its comment, which every reader of zip files passes over."""
    body = archive[:-2] + len(_seal(b"")).to_bytes(2, "little")  # the last field of an archive is the comment's length
    return body + _seal(body)


def _seal(body: bytes) -> bytes:
    return SEAL + hashlib.sha256(body).hexdigest().encode()


def _check_bytes(content: bytes) -> None:
    body, seal = content[: -len(_seal(b""))], content[-len(_seal(b"")) :]
    if seal.startswith(SEAL):
        if seal != _seal(body):
            raise zipfile.BadZipFile("its bytes do not match its SHA-256")
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if broken := archive.testzip():
            raise zipfile.BadZipFile(f"{broken} does not match its CRC-32")


def _write_synced(path: Path, content: bytes) -> None:
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
