"""Fonts for names in figures, in any script."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font

from mlc.config.texts import fitted, readable


@dataclass(frozen=True)
class Lettering:
    """Fonts and escapes for names.

    Attributes:
        families: font families that together have the characters of the names, the default one first.
        escapes: replacements, by code point, of characters that no installed font has.
    """

    families: list[str]
    escapes: dict[int, str]

    def fitted(self, name: str, width: int) -> str:
        """Shorten the name to about `width` columns."""
        # An escape is at least three times as wide as a character.
        known = name.translate(self.escapes) == name
        return fitted(name, width if known else width // 3).translate(self.escapes)


def lettering(names: Sequence[str]) -> Lettering:
    """Choose fonts for these names."""
    default = FontProperties()
    return _of_missing(frozenset(readable("".join(names), 10**6)) - _characters(findfont(default)))


@cache
def _of_missing(absent: frozenset[str]) -> Lettering:
    """Choose fonts for characters that the default font lacks."""
    families, missing = list(FontProperties().get_family()), set(absent)
    # Only upright fonts of normal weight; "Last Resort" draws a box for every character.
    usable = (
        font
        for font in fontManager.ttflist
        if font.style == "normal" and font.weight in (400, "normal", "regular")
        if not font.name.startswith("Last Resort")
    )
    for font in usable:
        if missing and (covered := missing & _characters(font.fname)):
            families.append(font.name)
            missing -= covered
    escapes = {ord(char): char.encode("unicode_escape").decode("ascii") for char in missing}
    return Lettering(families, escapes)


@cache
def _characters(path: str) -> frozenset[str]:
    """Return the characters of a scalable font; none if the font cannot be used."""
    # Installed fonts may be damaged or unsupported by FreeType.
    with suppress(RuntimeError, OSError):
        font = FT2Font(path)
        if font.scalable:
            return frozenset(map(chr, font.get_charmap()))
    return frozenset()
