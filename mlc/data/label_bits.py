"""Vectors of 0 and 1 in cells of text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_BITS = re.compile(r"[01](?:(?P<mark>[ ;,|/#\t])\s*[01](?:(?P=mark)\s*[01])*)|[01]{2,}")


def as_bits(cells: Sequence[Any], separator: str | None) -> list[Any] | None:
    """Texts such as "0 1 0" or "010" as lists of 0 and 1; None where they are no vectors.

    A set has no label twice, as most vectors have a 0 or a 1; vectors of two places are known by their
    other order. Without a sign between them they may be numbers of labels, which do not begin with 0.
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
    """The zeros and ones of such a text; None where it is none."""
    return [int(sign) for sign in text if sign in "01"] if _BITS.fullmatch(text) else None
