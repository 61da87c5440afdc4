"""Values and texts as a person types them in an override, and Hydra reads them back."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

PLAIN = re.compile(r"-?(0|[1-9]\d*)|(?![\d_.+-]*(e[+-]?\d+)?$)(?!([+-]?inf|nan|null)$)\w[\w./-]*|/[\w./-]+", re.I | re.A)
"""A text that the shell and Hydra leave as it is, or read as a whole number that is written so."""


def typed(value: Any) -> str:
    """Return a value as it is typed: null, true, [1,2], not None, True and [1, 2]."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{typed(each)}" for name, each in value.items()) + "}"
    return "[" + ",".join(map(typed, value)) + "]" if isinstance(value, list | tuple) else str(value)


def quoted(text: str) -> str:
    """Return a text as Hydra reads it back whole."""
    return QuotedString(text=text, quote=Quote.single).with_quotes()


def suggestion(key: str, value: str | Sequence[str]) -> str:
    """Return an override as a person can paste it into a shell, of a text or a list of texts: in quotes where it needs some."""
    texts = [value] if isinstance(value, str) else value
    words = [text if PLAIN.fullmatch(text) else _in_double_quotes(text) for text in texts]
    override = f"{key}={words[0]}" if isinstance(value, str) else f"{key}=[{','.join(words)}]"
    return override if words == list(texts) else shlex.quote(override)


def _in_double_quotes(text: str) -> str:
    """Return a text in the quotes that a shell's single ones can stand around; what looks like a reference is none."""
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    return QuotedString(text=escaped, quote=Quote.double).with_quotes()
