"""Text that strangers wrote, as a terminal, a log, Markdown and a spreadsheet can show it safely."""

from __future__ import annotations

import logging
import re
import sys

# What may move the cursor, turn the reading direction or break a line: C0 and C1 control characters,
# marks of direction, line separators; and surrogates, which no encoding knows.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
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


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
