"""Checkpoints that are whole or not there: how Lightning writes and reads them here."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.plugins.io import CheckpointIO

from logitlab.errors import RunError
from logitlab.overrides import suggestion
from logitlab.runs import files, storage
from logitlab.runs.checkpoint_file import load, previous, sealed


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
        torch.save(move_data_to_device(checkpoint, torch.device("cpu")), buffer)  # to be read where there is no GPU, too
        temporary = None
        try:
            temporary = files.prepared(path, sealed(buffer.getvalue()), synced=True)
            if path.exists():
                storage.second_name(path, previous(path))
            temporary.replace(path)
            storage.sync_folder(path.parent)
        except OSError as error:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            raise RunError(
                f"The checkpoint {path} cannot be written: {error.strerror}. The one before it is untouched. Make room or"
                f" correct the permissions, then resume with {suggestion('ckpt_path', str(path.parent.parent))}."
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
