"""The small files of a run, read back as data: plain values of the kind that is asked for, or a reason in words.

A run directory may have been cut short by a full disk, edited by hand or sent by a stranger. So what is read here is limited in
size and depth, no name in it is looked up, nothing in it is resolved, and whatever is wrong with it is one kind of error. Who
cannot do without the file lets it through, which ends the command with exit code 2; who can goes without it, with a note.
"""

import csv
import io
import json
import math
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from logitlab.errors import UserError
from logitlab.spreadsheet import plain

T = TypeVar("T")

LARGEST = 64_000_000
"""Bytes of a JSON or CSV file. A coefficients.csv of 100,000 features takes 30 million."""

LARGEST_YAML = 2_000_000
"""Bytes of a YAML file, which is read at a hundredth of that speed. A config that names 10,000 columns takes 200,000."""

DEEPEST = 50
"""Lists and mappings within each other. A config has six."""

KINDS: dict[type, str] = {dict: "a mapping", list: "a list"}


class DamagedFileError(UserError):
    """A small file of a run is not what this project writes."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is damaged ({reason}).")
        self.path = path
        self.reason = reason


def read_json(path: Path, kind: type[T]) -> T | None:
    """Return the content of a JSON file, NaN and infinity in it as None; None where there is no such file.

    Args:
        path: of the file.
        kind: of the whole: dict or list.

    Raises:
        DamagedFileError: it cannot be read, or is something else.
    """
    text = read_text(path)
    if text is None:
        return None
    try:
        content = json.loads(text, parse_constant=lambda name: None, parse_float=_finite)
        json.dumps(content, ensure_ascii=False).encode()  # an escaped half of a character can be read and never written
    except json.JSONDecodeError as error:
        raise DamagedFileError(path, f"no JSON: line {error.lineno}, column {error.colno}") from None
    except UnicodeEncodeError:
        raise DamagedFileError(path, "no JSON: half of a character") from None
    except (RecursionError, ValueError):
        raise DamagedFileError(path, "no JSON that this project writes: too deep, or a number of too many digits") from None
    return _of_kind(path, content, kind)


def read_yaml(path: Path, kind: type[T]) -> T | None:
    """Return the content of a YAML file as plain values, its `${...}` as text; None where there is no such file.

    Aliases (`*name`), by which a few lines become gigabytes, and tags (`!name`) are refused: no config that is saved has any.

    Args:
        path: of the file.
        kind: of the whole: dict or list.

    Raises:
        DamagedFileError: it cannot be read, or is something else.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    text = read_text(path, LARGEST_YAML)
    if text is None:
        return None
    try:
        _check_yaml(path, text, kind)
        content = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DamagedFileError(path, "no YAML" if mark is None else f"no YAML: line {mark.line + 1}") from None
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        raise DamagedFileError(path, f"no config: {type(error).__name__}") from None
    return _of_kind(path, content, kind)


def read_numbers(path: Path) -> dict[str, float | None] | None:
    """Return the content of a JSON file that maps names to numbers, as metrics.json does; None where there is no such file.

    Raises:
        DamagedFileError: it cannot be read, or is something else.
    """
    content = read_json(path, dict)
    for name, value in (content or {}).items():
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise DamagedFileError(path, f"{name!r} is no number")
    return content


def read_csv(path: Path, columns: Sequence[str] = ()) -> list[dict[str, str]] | None:
    """Return the rows of a CSV file by the names of its columns; None where there is no such file.

    An apostrophe that keeps a spreadsheet from running a text is taken off again.

    Args:
        path: of the file.
        columns: that it must have.

    Raises:
        DamagedFileError: it cannot be read, lacks a column, or a row has more or fewer fields than the header.
    """
    text = read_text(path)
    if text is None:
        return None
    try:
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except csv.Error as error:
        raise DamagedFileError(path, f"no CSV: {error}") from None
    except ValueError:
        raise DamagedFileError(path, "no header") from None
    if lacking := [name for name in columns if name not in header]:
        raise DamagedFileError(path, f"it has no column {lacking[0]}")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise DamagedFileError(path, f"row {number} has {len(row)} fields, the header {len(header)}")
    return [dict(zip(map(plain, header), map(plain, row), strict=True)) for row in rows]


def read_text(path: Path, largest: int = LARGEST) -> str | None:
    """Return the text of a file; None where there is no such file.

    Raises:
        DamagedFileError: it is no ordinary file, cannot be read, is larger than `largest` bytes or no UTF-8.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # nobody may ever write into a pipe
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise DamagedFileError(path, _why(error)) from None
    try:
        return _decoded(path, descriptor, largest)
    except OSError as error:
        raise DamagedFileError(path, _why(error)) from None
    finally:
        os.close(descriptor)


def _decoded(path: Path, descriptor: int, largest: int) -> str:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise DamagedFileError(path, "no ordinary file")
    if status.st_size > largest:
        raise DamagedFileError(path, f"{status.st_size:,} bytes, and {largest:,} are the most that is read")
    with open(descriptor, "rb", closefd=False) as file:
        try:
            return file.read(largest).decode("utf-8")
        except UnicodeDecodeError as error:
            raise DamagedFileError(path, f"no UTF-8 text: byte {error.start + 1}") from None


def or_note(read: Callable[[], T | None], note: Callable[[str], object]) -> T | None:
    """Return what `read` returns; None, and a note, where the file is damaged."""
    try:
        return read()
    except DamagedFileError as error:
        note(str(error))
        return None


def _check_yaml(path: Path, text: str, kind: type) -> None:
    """Look at a file piece by piece before anything is built of it."""
    import yaml

    depth, first = 0, None
    wanted: Any = yaml.MappingStartEvent if kind is dict else yaml.SequenceStartEvent
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise DamagedFileError(path, f"an alias in line {event.start_mark.line + 1}")
        if getattr(event, "tag", None) is not None:
            raise DamagedFileError(path, f"a tag in line {event.start_mark.line + 1}")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            first = first or type(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent):
            first = first or type(event)
        if depth > DEEPEST:
            raise DamagedFileError(path, f"more than {DEEPEST} levels deep")
    if first is not wanted:  # OmegaConf makes a mapping of a text
        raise DamagedFileError(path, f"it is not {KINDS[kind]}" if text.strip() else "empty")


def _of_kind(path: Path, content: Any, kind: type[T]) -> T:
    if not isinstance(content, kind):
        raise DamagedFileError(path, f"it is not {KINDS[kind]}")
    return content


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
