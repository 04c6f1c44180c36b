"""Text that strangers wrote, as a terminal, a log, Markdown and a spreadsheet can show it safely."""

from __future__ import annotations

import logging
import re
import sys
import unicodedata
from collections.abc import Sequence

# What may move the cursor, turn the reading direction or break a line: C0 and C1 control characters,
# marks of direction, line separators; what nobody sees; and surrogates, which no encoding knows.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\u200b\u2060\ufeff]"
)
_MARKDOWN = re.compile(r"([\\`\[\]<|])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LONGEST_WORD, LONGEST_NAME, _LONGEST_MESSAGE = 300, 200, 1500
LONGEST_NOTE = 100_000  # Such as a list of all unfinished runs.


def escaped(text: str) -> str:
    r"""Control characters as escapes such as \x1b; tabs and line feeds stay."""
    return _UNSAFE.sub(lambda match: _escape(match[0]), text)


def readable(text: str, longest: int = LONGEST_NAME) -> str:
    """In one line, without control characters, cut in its middle where it is longer."""
    # Cut before all else: what is cut off may be very long.
    cut = shortened(text, 4 * longest)
    return shortened(escaped(re.sub(r"[ \t]*[\r\n]+[ \t]*", " ", cut).replace("\t", " ")), longest)


def message(text: str) -> str:
    """An error's sentence: as `readable`, with room for its beginning and its end."""
    words = re.sub(
        rf"\S{{{_LONGEST_WORD + 1},}}", lambda match: shortened(match[0], _LONGEST_WORD // 2), text
    )
    return readable(words, _LONGEST_MESSAGE)


def shortened(text: str, longest: int) -> str:
    """Its first two thirds and its end, with ... between them, where it is longer."""
    if len(text) <= longest:
        return text
    end = (longest - 3) // 3
    return f"{text[: longest - 3 - end]}...{text[len(text) - end :]}"


def display_width(text: str) -> int:
    """Columns of a terminal, at most: East Asian wide signs take two, combining marks none."""
    return sum(map(_columns, text))


def fitted(text: str, width: int) -> str:
    """In one line without control characters; its beginning and its end where it is wider."""
    line = readable(text, 4 * width)
    if display_width(line) <= width:
        return line
    end = _prefix(line[::-1], (width - 3) // 3)[::-1]
    return f"{_prefix(line, width - 3 - display_width(end))}...{end}"


def fold(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, at least one; words are parted where they are wider."""
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".lstrip()
        if display_width(joined) <= width:
            lines[-1] = joined
            continue
        lines += [""] if lines[-1] else []
        while display_width(word) > width:
            lines[-1] = _prefix(word, width)
            word = word[len(lines[-1]) :]
            lines.append("")
        lines[-1] = word
    return lines


def listed(names: Sequence[str], n_shown: int, width: int = 30) -> str:
    """The first names, each of at most `width` columns, and how many more there are."""
    shown = ", ".join(fitted(name, width) for name in names[:n_shown])
    return shown if len(names) <= n_shown else f"{shown}, and {len(names) - n_shown:,} more"


def shown(value: object, longest: int = 60) -> str:
    """A value as it is written in Python, in a readable length; its type where it has no such text."""
    if type(value).__module__ == "numpy" and hasattr(value, "item") and not value.shape:  # type: ignore[attr-defined]
        value = value.item()
    try:
        return shortened(repr(value), longest)
    except ValueError:
        # Python writes no number of more than 4300 digits.
        kind = "whole number" if isinstance(value, int) else type(value).__name__
        return f"a {kind} of too many digits"


def markdown(text: str, longest: int = LONGEST_NAME) -> str:
    """Text whose characters mean nothing to Markdown or HTML."""
    return _MARKDOWN.sub(r"\\\1", readable(text, longest))


def cell(value: object) -> object:
    """A CSV's value; text that a spreadsheet would take for a formula begins with an apostrophe.

    Numbers stay as they are, as text too.
    """
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def never_fail_to_print() -> None:
    """Let this process's output escape what its encoding lacks, as under LC_ALL=C."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


class LogFormatter(logging.Formatter):
    """Lines of a log, free of control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's text."""
        return escaped(super().format(record))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        # The mark that makes the sign before it an emoji may widen it.
        return int(character == "\ufe0f")
    return 1 + (unicodedata.east_asian_width(character) in "WF")


def _prefix(text: str, width: int) -> str:
    """As much of its beginning as fits into `width` columns, at least one sign."""
    end, used = 0, 0
    while end < len(text) and (used := used + _columns(text[end])) <= width:
        end += 1
    return text[: max(end, 1)]


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
