"""Accelerators: what is said of the GPU that is not there agrees with what torch finds."""

from pathlib import Path

import pytest
import torch

from logitlab.cli import accelerators


def test_agrees_with_torch() -> None:
    reason = accelerators.why_no_gpu()
    if torch.cuda.is_available():
        assert reason is None
    elif torch.version.cuda is None and torch.version.hip is None:
        assert reason is not None
        assert "a build for the CPU alone" in reason


@pytest.mark.parametrize("value", ["", "-1"])
def test_a_hidden_device(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setattr(accelerators, "_torch_was_built_for_gpus", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert accelerators.why_no_gpu() == f"CUDA_VISIBLE_DEVICES={value!r} hides every device."


@pytest.mark.parametrize(
    ("text", "built"),
    [("cuda = None\nhip = None\n", False), ("cuda: Optional[str] = '12.8'\n", True), ("cuda = None\nhip = '6.4'\n", True)],
)
def test_reads_torchs_version_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, built: bool) -> None:
    (tmp_path / "version.py").write_text(text)

    class Spec:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(accelerators.importlib.util, "find_spec", lambda name: Spec)
    assert accelerators._torch_was_built_for_gpus() is built
