"""What a measurement takes beside its seconds, CPU time and memory, and how busy others keep the machine meanwhile."""

import contextlib
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

BUSY = 0.1
"""Of the machine's time: where other programs take more, ratios of what runs one after the other are not to be trusted."""


@dataclass(frozen=True)
class Usage:
    """What a subject took in one round.

    Attributes:
        cpu: seconds on all cores, those of its commands included.
        peak: bytes, the largest resident size of one process.
    """

    cpu: float
    peak: int


class Watch:
    """Measures from its making to `usage()`: this process, or the commands whose peak was `noted` meanwhile."""

    largest_command = 0

    def __init__(self) -> None:
        """Begin. This process's mark of its largest size is put back, where the system lets it be (Linux)."""
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        Watch.largest_command = 0
        self._cpu = own_cpu()

    def usage(self) -> Usage:
        """Return what was taken up to now."""
        return Usage(own_cpu() - self._cpu, Watch.largest_command or _own_peak())

    @staticmethod
    def note(used: resource.struct_rusage) -> None:
        """Note a command that has ended, as os.wait4 tells of it."""
        Watch.largest_command = max(Watch.largest_command, used.ru_maxrss * 1024)


class Others:
    """How much of the machine other programs take from here on, virtual machines beside this one included."""

    def __init__(self) -> None:
        """Begin."""
        self._start = time.monotonic(), own_cpu(), _all_cpu()

    def share(self) -> float:
        """Return it, from 0 to 1; 0 where the system does not tell."""
        started, own, everyone = self._start
        seconds = (time.monotonic() - started) * (os.cpu_count() or 1)
        return max(0.0, (_all_cpu() - everyone) - (own_cpu() - own)) / seconds if everyone else 0.0


def share_of_others(seconds: float = 2.0) -> float:
    """Return how much of the machine other programs take in the next seconds."""
    others = Others()
    time.sleep(seconds)
    return others.share()


def own_cpu() -> float:
    """Return the CPU seconds of this process and of the commands that it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def _all_cpu() -> float:
    """Return the CPU seconds of everybody since the machine started; 0 where there is no /proc."""
    try:
        line = Path("/proc/stat").read_text().partition("\n")[0]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, *others = map(int, line.split()[1:9])
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")


def _own_peak() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
