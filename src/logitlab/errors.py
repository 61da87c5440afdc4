"""The ways in which a run ends early, each with its exit code, and the words for them."""

import difflib
import re
import shlex
import signal
import sys
import textwrap
from collections.abc import Iterable

from logitlab.console import printable

ITEM = "\n- "
"""Before each item of a list in a message."""


class UserError(Exception):
    """The user's mistake, in the config or the data, found before training: exit code 2.

    The message is one short paragraph: what came, where, what is allowed, what to type instead; or a line and a list behind
    it, each item behind ITEM.

    Attributes:
        advice: (key of data, value, ...): what the message says to type first, for the command line that cures several faults.
    """

    exit_code = 2

    def __init__(self, message: str = "", advice: tuple[str, ...] | None = None) -> None:
        super().__init__(message)
        self.advice = advice


class RunError(Exception):
    """Something failed while running (a full disk, a loss that is no number): exit code 1.

    The message is one short paragraph: what happened, what is still safe, what to do.
    """

    exit_code = 1


class Pruned(Exception):  # noqa: N818 (an end, no error)
    """A search has ended a run early, by its pruner; the run is saved, with the results of the epochs that it had.

    Attributes:
        value: of the monitored metric.
    """

    def __init__(self, value: float | None) -> None:
        super().__init__("ended early by hydra/sweeper/pruner")
        self.value = value


class End(SystemExit):
    """Ends the command: of a sweep all runs, where an Exception would end one."""


class Interrupted(End):
    """A signal asked the run to stop and it has saved its state: exit code 128 + the signal's number."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(128 + signal_number)
        self.signal_name = signal.Signals(signal_number).name


class Unwritable(End):
    """A sweep cannot note how its runs stand, on a full disk, say: exit code 1."""

    def __init__(self, reason: str) -> None:
        super().__init__(RunError.exit_code)
        self.reason = reason


class DataChangedError(UserError):
    """The rows are not those that a run was trained on."""


class Changed(End):
    """The data of a sweep are not those that its runs were trained on: exit code 2."""

    def __init__(self, reason: str) -> None:
        super().__init__(UserError.exit_code)
        self.reason = reason


TYPED = re.compile(r"""(?<!\S)'(?:[^'\n]|'"'"')*'""")
"""What stands in a shell's quotes, as in `overrides.suggestion`, is typed."""


def print_error(error: Exception) -> None:
    """Print what went wrong, as a paragraph, and as a list where there is one."""
    for number, item in enumerate(f"Error: {error}".split(ITEM)):
        text = TYPED.sub(lambda typed: typed[0].replace(" ", "\0"), printable(item))  # is pasted, and so stays in one line
        first, others = ("- ", "  ") if number else ("", "")
        filled = textwrap.fill(
            text, 110, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
        )
        print(filled.replace("\0", " "), file=sys.stderr)


def how_to_install(extra: str) -> str:
    """Return what to type for the packages of an extra: the packages themselves, as the project is on no package index."""
    from importlib.metadata import requires  # takes 30 ms

    marked = [each.partition(";") for each in requires("logitlab") or ()]
    packages = [package.strip() for package, _, marker in marked if re.search(rf"extra == .{extra}.", marker)]
    return f"pip install {shlex.join(packages)}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'lr'?" for the known name nearest to `name`, or "" where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else ""
