"""A checkpoint as a file: sealed by a checksum, and read whole or refused, tensors and plain values only.

Without Lightning, which a prediction can spare.
"""

import hashlib
import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from logitlab.errors import UserError
from logitlab.runs import versions
from logitlab.runs.run_directory import previous as previous

SEAL = b"sha256:"


def load(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Return the content of a checkpoint.

    torch.load looks at no checksum: flipped bits load as other weights, without a word. Even the CRC-32 of each record, which
    torch.save writes, is not enough: one bit of the archive's directory makes torch take a record for a folder and leave a
    tensor's memory as it happens to be. So the file carries a SHA-256 of all of itself; one from elsewhere, that has none, is
    checked by its CRC-32s.

    Raises:
        UserError: there is no such file, it is damaged, holds code, or is of a later version.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        _check_bytes(content)
        checkpoint = torch.load(io.BytesIO(content), map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise UserError(f"There is no checkpoint {path}.") from None
    except pickle.UnpicklingError as error:
        raise UserError(
            f"The checkpoint {path} is refused: it holds more than tensors and plain values, and loading it could run code."
            " Checkpoints that this project writes never do."
        ) from error
    except Exception as error:  # zlib, lzma, struct, torch: there is no end to what damaged bytes are taken for
        raise UserError(f"The checkpoint {path} is damaged or is no checkpoint ({error}).") from error
    if isinstance(checkpoint, dict):
        versions.check_schema(checkpoint, path)
        if isinstance(hparams := checkpoint.get("hyper_parameters"), Mapping):
            checkpoint["hyper_parameters"] = versions.with_current_names(hparams)
    return checkpoint


def sealed(archive: bytes) -> bytes:
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
    _check_end(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if broken := archive.testzip():
            raise zipfile.BadZipFile(f"{broken} does not match its CRC-32")


def _check_end(content: bytes) -> None:
    """Refuse bytes behind the archive, or a comment cut short: with them a sealed file would pass for one without a seal."""
    start = content.rfind(b"PK\x05\x06")  # the end of the directory: 22 bytes, the last two of them the comment's length
    if start < 0:
        return  # no archive, which zipfile says better
    length = int.from_bytes(content[start + 20 : start + 22], "little")
    if len(content) != start + 22 + length:
        raise zipfile.BadZipFile(f"{abs(len(content) - start - 22 - length)} bytes at its end are too many or missing")
