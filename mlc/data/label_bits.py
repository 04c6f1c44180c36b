"""Zeros and ones written as text: words for them, and vectors in one cell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

BINARY_WORDS = {
    "0": 0, "1": 1, "0.0": 0, "1.0": 1, "no": 0, "yes": 1, "n": 0, "y": 1,
    "false": 0, "true": 1, "f": 0, "t": 1,
    "nein": 0, "ja": 1, "non": 0, "oui": 1, "não": 0, "nao": 0, "sim": 1, "si": 1, "sí": 1, "sì": 1,
    "falsch": 0, "wahr": 1, "faux": 0, "vrai": 1, "falso": 0, "verdadero": 1, "verdadeiro": 1, "vero": 1,
    "j": 1, "nee": 0, "nej": 0, "nei": 0, "waar": 1, "onwaar": 0, "sant": 1, "falskt": 0,
    "tak": 1, "nie": 0, "prawda": 1, "fałsz": 0, "ano": 1, "ne": 0, "da": 1, "igen": 1, "nem": 0,
    "igaz": 1, "hamis": 0, "kyllä": 1, "ei": 0, "evet": 1, "hay\u0131r": 0, "hayir": 0, "doğru": 1,
    "yanl\u0131ş": 0, "yanliş": 0, "да": 1, "нет": 0, "истина": 1, "ложь": 0,
    "是": 1, "否": 0, "はい": 1, "いいえ": 0,
}  # fmt: skip
# An accent may be a character of its own, as in texts of macOS.
BINARY_WORDS |= {unicodedata.normalize("NFD", word): value for word, value in BINARY_WORDS.items()}
_BITS = re.compile(r"[01](?:(?P<mark>[ ;,|/#\t])\s*[01](?:(?P=mark)\s*[01])*)|[01]{2,}")


def binary_value(value: Any) -> int | None:
    """Return 0 or 1 for a number, a truth value or a word that means it, and None for other values."""
    return BINARY_WORDS.get(str(value).strip().lower())


def as_bits(cells: Sequence[Any], separator: str | None) -> list[Any] | None:
    """Parse cells such as "0 1 0" or "010" as vectors of 0 and 1; return None for other cells.

    Label sets look alike: "0 1" may be the labels 0 and 1, and "10" the label 10. But a label set
    repeats no label, which most vectors do, and a number does not begin with 0. So without a repeated
    value there must be two distinct cells, no empty cell and no given separator; without separators in
    the cells, one cell must begin with 0.
    """
    if any(isinstance(cell, list) for cell in cells):
        return None
    different = {cell for cell in cells if cell is not None}
    parsed = {text: bits(text) for text in different if isinstance(text, str)}
    vectors = [vector for vector in parsed.values() if vector is not None]
    if not different or len(vectors) < len(different) or len(set(map(len, vectors))) > 1:
        return None
    joined = all(len(text) == len(vector or ()) for text, vector in parsed.items())
    if separator is not None and not all(separator in text for text in parsed):
        return None
    repeats = any(len(set(vector)) < len(vector) for vector in vectors)
    if joined and not any(text.startswith("0") for text in parsed):
        return None
    if not repeats and (len(different) < 2 or None in cells or separator is not None):
        return None
    return [None if cell is None else parsed[cell] for cell in cells]


def bits(text: str) -> list[int] | None:
    """Parse one vector of 0 and 1; return None for other text."""
    return [int(bit) for bit in text if bit in "01"] if _BITS.fullmatch(text) else None
