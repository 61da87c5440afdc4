"""A second device on a machine that has one CPU: torch's lazy tensors, which compute, and refuse to be mixed with others."""

import functools
from typing import Any

import lightning.pytorch as pl
import torch
import torch._lazy
import torch._lazy.ts_backend
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.strategies import SingleDeviceStrategy

DEVICE = torch.device("lazy:0")


begin = functools.cache(torch._lazy.ts_backend.init)
"""Makes the device; torch takes this once."""


class LazyAccelerator(Accelerator):
    """What Lightning asks of a device, for `DEVICE`."""

    def setup_device(self, device: torch.device) -> None: ...

    def teardown(self) -> None: ...

    def get_device_stats(self, device: Any) -> dict[str, Any]:
        return {}

    @staticmethod
    def parse_devices(devices: Any) -> list[torch.device]:
        return [DEVICE]

    @staticmethod
    def get_parallel_devices(devices: Any) -> list[torch.device]:
        return [DEVICE]

    @staticmethod
    def auto_device_count() -> int:
        return 1

    @staticmethod
    def is_available() -> bool:
        return True

    @staticmethod
    def name() -> str:
        return "lazy"


class LazyTrainer(pl.Trainer):
    """A Trainer that trains on `DEVICE`, whatever it is asked for."""

    def __init__(self, *, accelerator: str, devices: int, **settings: Any) -> None:
        begin()
        super().__init__(strategy=SingleDeviceStrategy(DEVICE, accelerator=LazyAccelerator()), **settings)
