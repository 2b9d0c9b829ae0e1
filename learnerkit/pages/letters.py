"""Any name as a picture can show it: letters that no font of the machine has are written as their number."""

import re
import unicodedata
from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from matplotlib import rc_context
from matplotlib.font_manager import findfont, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from learnerkit.core.text import one_line

PLAIN = "DejaVu Sans"  # matplotlib's own
UNSEEN = ("Cf", "Mn", "Me")  # marks without a place of their own: where no font has one it is left out
NO_LETTERS = re.compile("Last ?Resort|Emoji|^cm[a-z]+10|STIXSize|STIXNonUni")  # boxes, colours, other signs


def drawable(text: str, longest: int = 40, file: str = "") -> str:
    """Text that is drawn whole, on one line: letters without a font as U+4E2D+6587, an ellipsis in a long one.

    longest: most letters. file: of the one font that there is; all of the machine's when ''.
    """
    pieces: list[str] = []
    numbered = False
    for letter in one_line(text):
        if ord(letter) in _letters(file) if file else font_with(letter):
            pieces.append(letter)
            numbered = False
        elif unicodedata.category(letter) not in UNSEEN:
            pieces.append(f"{'' if numbered else 'U'}+{ord(letter):04X}")
            numbered = True
    return _shortened(pieces, longest)


def _shortened(pieces: list[str], longest: int) -> str:
    if len("".join(pieces)) <= longest:
        return "".join(pieces)
    front, back = "", ""
    while pieces and len(front) + len(back) + len(pieces[0]) < longest:
        front += pieces.pop(0)
        if pieces and len(front) + len(back) + len(pieces[-1]) < longest:
            back = pieces.pop() + back
    return f"{front}…{back}"


def plain_text(text: str, longest: int = 40) -> str:
    """`drawable` text that matplotlib does not take for a formula."""
    return drawable(text, longest).replace("$", r"\$")


def in_one_font(text: str, longest: int = 40) -> tuple[str, str]:
    """Text for what draws with one font alone, and that font's file: one with all the letters, or matplotlib's own."""
    letters = {ord(letter) for letter in one_line(text)}
    file = next((file for file in _names() if letters <= _letters(file)), findfont(PLAIN))
    return drawable(text, longest, file), file


@lru_cache(maxsize=65536)
def font_with(letter: str) -> str:
    """The file of a font that has a letter, matplotlib's own before others; '' where none has."""
    return next((file for file in _names() if ord(letter) in _letters(file)), "")


def fonts_for(text: str) -> list[str]:
    """The names of fonts that together have the letters of a text, matplotlib's own first."""
    files = dict.fromkeys(filter(None, map(font_with, text)))
    return list(dict.fromkeys([PLAIN, *(_names()[file] for file in files)]))


def set_fonts(artist: Any) -> None:
    """Let the texts of a figure, or of a part of one, use fonts that have their letters."""
    for text in artist.findobj(Text):
        if not text.get_text().isascii():
            text.set_fontfamily(fonts_for(text.get_text()))


def as_written(names: Iterable[str]) -> AbstractContextManager:
    """Within the block what others draw takes no name for a formula, and has fonts with the letters of the names."""
    return rc_context({"text.parse_math": False, "font.family": fonts_for("".join(names))})


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Upright fonts of usual weight, by file."""
    fonts = [font for font in fontManager.ttflist if font.style == "normal" and font.weight in (400, "normal", "book")]
    named = {font.fname: font.name for font in fonts if not NO_LETTERS.search(font.name)}
    return {findfont(PLAIN): PLAIN, **dict(sorted(named.items()))}


@lru_cache(maxsize=1024)
def _letters(file: str) -> frozenset[int]:
    """The letters of a font that can be drawn at any size; none of one that cannot be read."""
    try:
        font = FT2Font(file)
        return frozenset(font.get_charmap()) if font.scalable else frozenset()
    except (OSError, RuntimeError):
        return frozenset()
