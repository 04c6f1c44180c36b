"""Zeros and ones written as text: words for them, and vectors in one cell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from mlc.config.texts import composed

# Words for 0 and for 1 of one language each; those of another may name something else, as da and no name
# languages.
_LANGUAGES = (
    ("no n false f", "yes y true t"),
    ("unchecked unselected", "checked selected"),
    ("nein n falsch", "ja j wahr"),
    ("non faux", "oui vrai"),
    ("no falso", "si sí verdadero"),
    ("no falso", "si sì vero"),
    ("não nao falso", "sim verdadeiro"),
    ("nee onwaar", "ja waar"),
    ("nej nei falskt", "ja sant"),
    ("nie fałsz", "tak prawda"),
    ("ne", "ano da"),
    ("nem hamis", "igen igaz"),
    ("ei", "kyllä"),
    ("hay\u0131r hayir yanl\u0131ş yanliş", "evet doğru"),
    ("нет ложь", "да истина"),
    ("ні", "так"),
    ("не", "да"),
    ("όχι ψευδές", "ναι αληθές"),  # noqa: RUF001
    ("nu fals", "da adevărat"),
    ("ei väär", "jah tõene"),
    ("nē", "jā"),
    ("ne", "taip"),
    ("nei ósatt", "já satt"),
    ("không", "có"),
    ("tidak", "ya"),
    ("לא", "כן"),
    ("لا", "نعم"),
    ("नहीं", "हाँ"),
    ("否", "是"),
    ("いいえ", "はい"),
    ("아니오 아니요", "예 네"),
)
BINARY_WORDS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1} | {
    word: value for pair in _LANGUAGES for value in (0, 1) for word in pair[value].split()
}
# An accent may be a character of its own, as in texts of macOS.
BINARY_WORDS |= {unicodedata.normalize("NFD", word): value for word, value in BINARY_WORDS.items()}
_OF_ONE_LANGUAGE = [
    {word for word in BINARY_WORDS if composed(word) in f"{no} {yes}".split()}
    for no, yes in _LANGUAGES
]
_BITS = re.compile(r"[01](?:(?P<mark>[ ;,|/#\t])\s*[01](?:(?P=mark)\s*[01])*)|[01]{2,}")


def binary_value(value: Any) -> int | None:
    """Return 0 or 1 for a number, a truth value or a word that means it, and None for other values."""
    return BINARY_WORDS.get(str(value).strip().lower())


def of_one_language(words: Iterable[str]) -> bool:
    """Whether the words for 0 and 1 among some words are of one language; numbers are of each."""
    known = {word for word in words if word in BINARY_WORDS and not word[0].isdecimal()}
    return not known or any(known <= language for language in _OF_ONE_LANGUAGE)


def note_on_words(column: Sequence[Any], name: str) -> str | None:
    """Say which words of a column are taken as 1 and as 0, if they are not those of English."""
    words = {word: str(cell).strip() for cell in column if (word := str(cell).strip().lower())}
    known = {word for word in words if word in BINARY_WORDS and not word[0].isdecimal()}
    if not known or known <= _OF_ONE_LANGUAGE[0]:
        return None
    taken = {value: sorted(words[w] for w in known if BINARY_WORDS[w] == value) for value in (1, 0)}
    said = [f"{' or '.join(map(repr, of))} as {value}" for value, of in taken.items() if of]
    return f"The words in {name!r} are taken as yes and no: {' and '.join(said)}."


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
