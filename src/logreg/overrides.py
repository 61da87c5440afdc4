"""Values and texts as a person types them in an override, and Hydra reads them back."""

from collections.abc import Mapping
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString


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
