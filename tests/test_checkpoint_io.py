"""Checkpoints on the disk: whole or refused, never code, and the one before is still there."""

import os
import pickle
import random
import re
import resource
import subprocess
from pathlib import Path

import pytest
import torch

from logitlab.errors import RunError, UserError
from logitlab.runs.checkpoint_io import AtomicCheckpointIO, load, previous

CONTENT = {
    "state_dict": {"weight": torch.tensor([[3.2534, 1.5181]]), "bias": torch.tensor([-14.4839])},
    "epoch": 7,
    "hyper_parameters": {"features": ["x1", "x2"], "target": "y", "nothing": None, "flag": True},
}


def equal(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return one == other


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "run/checkpoints/last.ckpt"
    target.parent.mkdir(parents=True)
    AtomicCheckpointIO().save_checkpoint(CONTENT, target)
    return target


def test_what_was_saved_is_loaded(path: Path) -> None:
    assert equal(load(path), CONTENT)
    assert equal(AtomicCheckpointIO().load_checkpoint(path), CONTENT)
    assert [each.name for each in path.parent.iterdir()] == ["last.ckpt"]


def test_the_one_before_stays(path: Path) -> None:
    for epoch in 8, 9:
        AtomicCheckpointIO().save_checkpoint({**CONTENT, "epoch": epoch}, path)
    assert load(path)["epoch"] == 9
    assert load(previous(path))["epoch"] == 8
    assert sorted(each.name for each in path.parent.iterdir()) == ["last.ckpt", "last.ckpt.previous"]
    AtomicCheckpointIO().remove_checkpoint(path)
    assert list(path.parent.iterdir()) == []


def test_no_flipped_bit_goes_unnoticed(path: Path) -> None:
    """A seeded bit of every byte: refused, or what is loaded is what was saved."""
    whole, chance = path.read_bytes(), random.Random(2)
    refused = 0
    for bit in (8 * position + chance.randrange(8) for position in range(len(whole))):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            loaded = load(path)
        except UserError:
            refused += 1
        else:
            assert equal(loaded, CONTENT), f"bit {bit}"
    assert refused > 0.99 * len(whole)


def test_a_bit_that_makes_torch_take_a_tensor_for_a_folder_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    attributes = [match.start() + 38 for match in re.finditer(b"PK\x01\x02", whole)]  # of each record in the directory
    assert len(attributes) >= 5
    for position in attributes:
        damaged = bytearray(whole)
        damaged[position] ^= 0x10  # MS-DOS: a folder. Every CRC-32 still holds
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="do not match its SHA-256"):
            load(path)


def test_a_checkpoint_from_elsewhere_is_checked_by_its_crcs(path: Path) -> None:
    torch.save(CONTENT, path)
    assert equal(load(path), CONTENT)
    content = bytearray(path.read_bytes())
    content[content.index(CONTENT["state_dict"]["weight"].numpy().tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="does not match its CRC-32"):
        load(path)


def test_other_readers_still_read_it(path: Path) -> None:
    assert equal(torch.load(path, weights_only=True), CONTENT)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_half_a_file_is_refused(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError, match="is damaged or is no checkpoint"):
        load(path)


def test_a_missing_file_and_a_text_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no checkpoint"):
        load(tmp_path / "missing.ckpt")
    (tmp_path / "text.ckpt").write_text("weights")
    with pytest.raises(UserError, match="is damaged or is no checkpoint"):
        load(tmp_path / "text.ckpt")


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("force", ["0", "1"])
@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: str, zipped: bool) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", force)
    mark, path = tmp_path / "ran", tmp_path / "evil.ckpt"
    if zipped:
        torch.save({"state_dict": Payload(mark)}, path)
    else:
        path.write_bytes(pickle.dumps({"state_dict": Payload(mark)}))
    for reader in load, AtomicCheckpointIO().load_checkpoint:
        with pytest.raises(UserError, match="is refused: it holds more than tensors" if zipped else "is no checkpoint"):
            reader(path)
    assert not mark.exists()
    subprocess.run(["python3", "-c", f"import pickle; pickle.loads({pickle.dumps(Payload(mark))!r})"], check=True)
    assert mark.exists()  # the payload does run where it is let


def test_a_full_disk_leaves_the_good_one(path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # half of the checkpoint finds room
    try:
        with pytest.raises(RunError, match=r"cannot be written: File too large.*ckpt_path=.*/run\."):
            AtomicCheckpointIO().save_checkpoint({**CONTENT, "epoch": 8}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert equal(load(path), CONTENT)
    assert [each.name for each in path.parent.iterdir()] == ["last.ckpt"]


def test_a_folder_that_is_gone_is_told(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    with pytest.raises(RunError, match="No such file or directory"):
        AtomicCheckpointIO().save_checkpoint(CONTENT, path)


def test_bytes_behind_the_end_or_missing_there_are_damage(path: Path) -> None:
    whole = path.read_bytes()
    for damaged in whole + b"junk", whole[:-1], whole[: -len("sha256:") - 64], whole + whole[-22:]:
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="is damaged"):
            load(path)


def test_a_checkpoint_of_torchs_own_has_no_seal_and_is_loaded(path: Path) -> None:
    torch.save(CONTENT, path)
    assert equal(load(path), CONTENT)
    path.write_bytes(path.read_bytes() + b"junk")
    with pytest.raises(UserError, match="4 bytes at its end are too many or missing"):
        load(path)
