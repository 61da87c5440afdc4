"""Why there is no GPU to use, from files and the environment, before torch is imported."""

import ctypes.util
import importlib.util
import os
import platform
import re
from pathlib import Path


def why_no_gpu() -> str | None:
    """Return the reason, as a sentence, why this process can use no GPU; None where nothing speaks against one."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return None  # torch's builds for Apple's chips all hold the mps backend
    if not _torch_was_built_for_gpus():
        return "the installed torch is a build for the CPU alone (torch.version.cuda is None)."
    for variable in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        if os.environ.get(variable) in ("", "-1"):
            return f"{variable}={os.environ[variable]!r} hides every device."
    drivers = ("/proc/driver/nvidia", "/dev/kfd")  # NVIDIA's, AMD's
    if ctypes.util.find_library("cuda") is None and not any(Path(driver).exists() for driver in drivers):
        return "no GPU driver is installed (libcuda is not found)."
    return None


def _torch_was_built_for_gpus() -> bool:
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    version = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    return re.search(r"^(cuda|hip)\b[^=]*= *'", version, re.MULTILINE) is not None
