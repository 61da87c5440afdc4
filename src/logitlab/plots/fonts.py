"""Names of columns in any script: which of this machine's fonts draw them, and which characters none of them has."""

import contextlib
import functools
import logging
import unicodedata
from collections.abc import Iterable

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

LAST = ("Last Resort", "LastResort")
"""Fonts of boxes for every character there is."""

FIRST = "DejaVu Sans"
"""matplotlib's own font, which comes with it."""

PREFERRED = ("Noto Sans CJK", "Noto Sans", "Nanum", "Malgun", "Apple SD Gothic", "Liberation Sans")
"""How the names begin of the fonts that are looked at first; then come the others, in the order of the alphabet."""

MOST_NAMED = 8
"""Characters that the note names."""

EAST_ASIAN = ("HANGUL", "CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO")


def use_for(picture: Figure) -> str:
    """Give each text of a picture fonts that have its characters; return those that no font has, each once.

    To be called before the picture is drawn: matplotlib would warn of every single glyph that is missing.
    """
    absent = ""
    for text in picture.findobj(Text):
        if (words := text.get_text()) and not words.isascii():
            families, missing = _for(words)
            text.set_fontfamily(list(families))
            absent += missing
    return "".join(sorted(set(absent)))


def note(pictures: Iterable[Figure]) -> str | None:
    """Return the sentence that says which characters of the pictures no font of this machine has; None where all are there."""
    absent = "".join(sorted({character for picture in pictures for character in use_for(picture)}))
    if not absent:
        return None
    named = ", ".join(each if each.isprintable() else f"U+{ord(each):04X}" for each in absent[:MOST_NAMED])
    more = f" and {len(absent) - MOST_NAMED} more" if len(absent) > MOST_NAMED else ""
    package = "fonts-noto-cjk" if any(unicodedata.name(each, "").startswith(EAST_ASIAN) for each in absent) else "fonts-noto"
    return (
        f"No font of this machine has {named}{more}: in the pictures an empty box stands for each. Install one that has, such"
        f" as Noto (on Debian and Ubuntu: apt install {package}), and draw again."
    )


@functools.lru_cache(maxsize=1024)
def _for(words: str) -> tuple[tuple[str, ...], str]:
    """Return the names of the fonts that draw a text, matplotlib's own first, and the characters that none of them has."""
    missing, names = {each for each in words if each != "\n"}, []
    for name, path in _fonts():
        font = font_manager.get_font(path)
        there = {each for each in missing if font.get_char_index(ord(each))} if font.scalable else set()
        if there or name == FIRST:
            names.append(name)
            missing -= there
        if not missing:
            break
    return tuple(names), "".join(missing)


@functools.cache
def _fonts() -> list[tuple[str, str]]:
    """Return name and path of each upright font, those installed since matplotlib made its list as well."""
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # "no bold Korean font": 600 will do
    manager = font_manager.fontManager
    for path in sorted({*font_manager.findSystemFonts()} - {font.fname for font in manager.ttflist}):
        with contextlib.suppress(Exception):  # a font that matplotlib cannot read, of which every machine has some
            manager.addfont(path)
    upright = (font for font in manager.ttflist if font.style == "normal" and font.weight in (400, "normal"))
    found = {font.name: font.fname for font in upright if not font.name.lstrip(".").startswith(LAST)}
    found[FIRST] = font_manager.findfont(FIRST)
    return sorted(found.items(), key=lambda each: (each[0] != FIRST, _rank(each[0]), each[0]))


def _rank(name: str) -> int:
    return next((place for place, beginning in enumerate(PREFERRED) if name.startswith(beginning)), len(PREFERRED))
