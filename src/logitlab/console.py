"""What reaches a terminal: control characters of names and values are shown, not obeyed.

A column, a category or a folder can be called anything, an escape sequence too, which moves the cursor, renames the window or
writes into the clipboard. Letters of every script stay as they are.
"""

import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any

CONTROLS = "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f"  # C0 without tab and line feed, delete, C1
TURNING = "\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069"  # what turns the direction of writing, and line separators
HALVES = "\\ud800-\\udfff"  # a file name that is no UTF-8: no stream could write it
UNPRINTABLE = re.compile(f"[{CONTROLS}{TURNING}{HALVES}]")
SCRIPT = re.compile(r"(?:python )?(?<![/\w.-])(train|predict|evaluate|explain|export|report|select_penalty)\.py\b")
"""A command as the documentation names it; `logitlab train` is shown as such to a person who typed that."""
BREAKING = re.compile(f"[{CONTROLS}{TURNING}{HALVES}\\t\\n]")


def printable(text: str) -> str:
    """Return a text of one or more lines in which every control character is written out, as in \\x1b."""
    return UNPRINTABLE.sub(_written_out, text)


def one_line(text: str) -> str:
    """Return a text that stays on its line: a line feed and a tab are written out as well."""
    return BREAKING.sub(_written_out, text)


def program() -> str | None:
    """Return "logitlab" or "python -m logitlab" where the command was called so; None for a script such as train.py."""
    called = sys.argv[0].rpartition(" ")[0]
    return called if called in ("logitlab", "python -m logitlab") else None


def command_line(arguments: Sequence[str], script: str | None = None) -> str:
    """Return the command of this process with other arguments, as it is typed; `script`: in place of the script's path."""
    called = sys.argv[0] if program() else shlex.join(["python", script or sys.argv[0]])
    return f"{called} {shlex.join(arguments)}".rstrip()


def as_called(text: str) -> str:
    """Return a text whose commands are named in the way that this process was called."""
    name = program()
    return SCRIPT.sub(rf"{name} \1", text) if name else text


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    known = {9: "\\t", 10: "\\n", 13: "\\r"}
    return known.get(code) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


class Printable:
    """A stream that writes `printable` text, with commands `as_called`, to another one, which is otherwise as it was."""

    def __init__(self, stream: Any) -> None:
        """Stand before `stream`."""
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the text; return its length."""
        self.stream.write(as_called(printable(text)))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each text."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def guard() -> None:
    """Let all that this process prints from now on be printable."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Printable):
            setattr(sys, name, Printable(stream))


def bare(stream: Any) -> Any:
    """Return a stream as it was before `guard`, for what moves the cursor itself."""
    return stream.stream if isinstance(stream, Printable) else stream
