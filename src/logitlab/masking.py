"""What is written of a config: references to the environment as they were typed, and secrets as ***.

A run trains with the real values; what it leaves behind (checkpoint, event files, .hydra/, environment.json, status.json) is
copied, shared and committed.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

MASK = "***"

SECRET_PARTS = re.compile(
    r"passw(or)?d|passphrase|secret(?!ar)|credential|api_?key|access_?key|private_?key|auth_?key", re.IGNORECASE
)
SECRET_WORDS = {"token", "pwd", "auth", "authorization", "bearer", "cookie"}
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
IN_URL = re.compile(r"(?<=://)([^\s/:@]*):[^\s/@]+(?=@)")
OVERRIDE = re.compile(r"([+~]*[\w./@:-]+)=(.*)", re.DOTALL)
ITEM = re.compile(r"""(["']?)([\w.-]+)\1(\s*[:=]\s*)("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s,{}\[\]]+)""")
REFERENCE = re.compile(r"\$\{[^{}]*oc\.env:")
WHOLE_REFERENCE = re.compile(r"""["']?\$\{.*\}["']?""", re.DOTALL)
SLOT = re.compile(r"__reference_(\d+)__")


def is_secret(key: str) -> bool:
    """Return whether what stands under a key is most likely a password, a token or the like."""
    name = key.rpartition(".")[2]
    return bool(SECRET_PARTS.search(name)) or not SECRET_WORDS.isdisjoint(word.lower() for word in WORD.findall(name))


def masked(node: Any, secret: bool = False) -> Any:
    """Return plain values with *** for what stands under a secret's key, and for the password in a URL.

    A null, and a reference (`${oc.env:TOKEN}`), stays: it tells nothing.
    """
    if isinstance(node, Mapping):
        return {key: masked(value, secret or is_secret(str(key))) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [masked(each, secret) for each in node]
    if isinstance(node, str):
        return masked_text(node) if not secret or WHOLE_REFERENCE.fullmatch(node) else MASK
    return node if node is None or isinstance(node, bool) or not secret else MASK


def masked_text(text: str) -> str:
    """Return an override, a word of a command or another text with *** for the secrets in it."""
    typed = OVERRIDE.fullmatch(text)
    if typed and is_secret(typed[1]) and typed[2] not in ("", "null") and not WHOLE_REFERENCE.fullmatch(typed[2]):
        return f"{typed[1]}={MASK}"
    return masked_items(text)


def _masked_item(match: re.Match[str]) -> str:
    quote, key, sign, value = match.groups()
    if not is_secret(key) or value in ("null", "$") or WHOLE_REFERENCE.fullmatch(value):  # ITEM ends at the brace behind $
        return match[0]
    return f"{quote}{key}{quote}{sign}{MASK}"


def masked_items(text: str) -> str:
    """Return a text that holds `key=value` and `key: value` in it with *** for the values of secrets."""
    return ITEM.sub(_masked_item, IN_URL.sub(rf"\1:{MASK}", text))


def masked_texts(texts: Iterable[str]) -> list[str]:
    """Return overrides, or the words of a command, each as `masked_text` has it."""
    return [masked_text(str(text)) for text in texts]


def as_typed(cfg: Any) -> Any:
    """Return a config as plain values, unresolved and masked: for `.hydra/`."""
    return masked(OmegaConf.to_container(cfg, resolve=False, enum_to_str=True))


def as_recorded(cfg: DictConfig) -> dict[str, Any]:
    """Return a config as plain values, resolved but for what comes from the environment, and masked: for the checkpoint.

    A value that is made of another one, which refers to the environment, is made of the reference.
    """
    raw: Any = OmegaConf.to_container(cfg, resolve=False)
    references: list[str] = []
    marked = _marked(raw, references, False)
    if not references:
        return masked(OmegaConf.to_container(cfg, resolve=True))
    resolved = OmegaConf.to_container(OmegaConf.create(marked), resolve=True)
    return masked(_put_back(resolved, references))


def _marked(node: Any, references: list[str], secret: bool) -> Any:
    """Return plain values with a word in place of each secret and of each reference to the environment; these are noted."""
    if isinstance(node, dict):
        return {key: _marked(value, references, secret or is_secret(str(key))) for key, value in node.items()}
    if isinstance(node, list):
        return [_marked(each, references, secret) for each in node]
    is_reference = isinstance(node, str) and bool(REFERENCE.search(node))
    if not is_reference and (not secret or masked(node, secret) == node):
        return node
    references.append(node if is_reference else MASK)
    return f"__reference_{len(references) - 1}__"


def _put_back(node: Any, references: list[str]) -> Any:
    if isinstance(node, dict):
        return {key: _put_back(value, references) for key, value in node.items()}
    if isinstance(node, list):
        return [_put_back(each, references) for each in node]
    return SLOT.sub(lambda match: references[int(match[1])], node) if isinstance(node, str) else node
