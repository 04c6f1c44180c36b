"""Text from files and users, made safe for a terminal, a log, Markdown and a spreadsheet."""

from __future__ import annotations

import logging
import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from typing import Any

# Characters that may move the cursor, change the text direction or break a line: C0 and C1 control
# characters, direction marks, line separators; invisible ones; and surrogates, which cannot be encoded.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\u200b\u2060\ufeff]"
)
_MARKDOWN = re.compile(r"([\\`\[\]<|])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LONGEST_WORD, LONGEST_NAME, _LONGEST_MESSAGE = 300, 200, 1500
LONGEST_NOTE = 100_000  # For example, a list of all unfinished runs.


def escaped(text: str) -> str:
    r"""Replace control characters by escapes such as \x1b, except tabs and line feeds."""
    return _UNSAFE.sub(lambda match: _escape(match[0]), text)


def readable(text: str, longest: int = LONGEST_NAME) -> str:
    """Return the text in one line without control characters; if it is too long, its middle is cut."""
    # Cut first, since the text may be very long.
    cut = shortened(text, 4 * longest)
    return shortened(escaped(re.sub(r"[ \t]*[\r\n]+[ \t]*", " ", cut).replace("\t", " ")), longest)


def message(text: str) -> str:
    """Return an error's sentence in one line, with long words shortened so that its end stays."""
    words = re.sub(
        rf"\S{{{_LONGEST_WORD + 1},}}", lambda match: shortened(match[0], _LONGEST_WORD // 2), text
    )
    return readable(words, _LONGEST_MESSAGE)


def shortened(text: str, longest: int) -> str:
    """Cut the middle of a text that is longer; two thirds of the rest are its beginning."""
    if len(text) <= longest:
        return text
    end = (longest - 3) // 3
    return f"{text[: longest - 3 - end]}...{text[len(text) - end :]}"


def cause(error: BaseException, longest: int = 120) -> str:
    """Return what another library says of an error, shortened; the error's type if that is nothing."""
    return shortened(str(error) or type(error).__name__, longest)


def display_width(text: str) -> int:
    """Return the text's width in terminal columns, at most: wide characters 2, combining marks 0."""
    return sum(map(_columns, text))


def fitted(text: str, width: int) -> str:
    """Return the text in one line without control characters; if it is too wide, its middle is cut."""
    line = readable(text, 4 * width)
    if display_width(line) <= width:
        return line
    end = _prefix(line[::-1], (width - 3) // 3)[::-1]
    return f"{_prefix(line, width - 3 - display_width(end))}...{end}"


def fold(text: str, width: int) -> list[str]:
    """Break a text into lines of at most `width` columns; longer words are split."""
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
    """List the first names, each of at most `width` columns, and the number of the others.

    A name that could be read as two is in double quotes.
    """
    each = [fitted(name, width) for name in names[:n_shown]]
    first = ", ".join(f'"{name}"' if ", " in name else name for name in each)
    return first if len(names) <= n_shown else f"{first}, and {len(names) - n_shown:,} more"


def whole_characters(text: str) -> str:
    r"""Join the halves of characters, two surrogates each.

    >>> whole_characters("\ud83d\ude00") == "\U0001f600"
    True
    """
    both = "utf-16", "surrogatepass"
    return text.encode(*both).decode(*both)


def counted(number: float, noun: str) -> str:
    """A number with its noun, in the plural but for 1.

    >>> counted(1, "row"), counted(1200, "row"), counted(0.5, "minute")
    ('1 row', '1,200 rows', '0.5 minutes')
    """
    digits = f"{int(number):,}" if number == int(number) else f"{number:g}"
    return f"{digits} {noun}{'s' * (digits != '1')}"


def counted_of(number: int, total: int, noun: str, verb: str) -> str:
    """A number of all with its verb, which is given in the plural.

    >>> counted_of(1, 1200, "row", "have"), counted_of(2, 3, "text", "repeat")
    ('1 of 1,200 rows has', '2 of 3 texts repeat')
    """
    singular = {"are": "is", "have": "has"}.get(verb, f"{verb}s")
    return f"{number:,} of {counted(total, noun)} {singular if number == 1 else verb}"


def composed(value: object) -> str:
    """Return a name without blanks around it, in which each accent is part of its letter.

    >>> composed(" u\\u0308ber ")
    'über'
    """
    return unicodedata.normalize("NFC", str(value).strip())


def as_written(names: Sequence[str], known: Iterable[Any]) -> list[str]:
    """Return each name as it is known, where only its accents are written otherwise.

    An accent may be a character of its own, as in names of macOS. A known name that is given itself
    stands for no other.
    """
    exact = {name for name in known if isinstance(name, str)}
    others = as_known(set(names) - exact, sorted(exact - set(names)))
    return [others.get(name, name) for name in names]


def as_known(words: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """Return the known word for each word that differs from it by the form of accents, or by nothing.

    >>> list(as_known(["u\\u0308ber", "alt"], ["\\u00fcber"]).values())
    ['über']
    """
    by_composed = {composed(word): word for word in known}
    found = {word: word if word in known else by_composed.get(composed(word)) for word in words}
    return {word: other for word, other in found.items() if other is not None}


def spelled_alike(first: str, second: str) -> bool:
    """Whether two names differ at most by case, blanks, or the forms of their characters.

    >>> spelled_alike("Color", "color "), spelled_alike("color", "colour")
    (True, False)
    """
    return folded_name(first) == folded_name(second)


def folded_name(name: str) -> str:
    """Return a name without blanks and case, with the same characters for the same signs."""
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()


def span(low: object, high: object) -> str:
    """The ends of a range as they are printed; once, if they are equal.

    >>> span(1, 3), span("0.50", "0.50")
    ('1 to 3', '0.50')
    """
    return str(low) if str(low) == str(high) else f"{low} to {high}"


def named_choices(names: Iterable[str], longest: int = 180) -> str:
    """List the names that can be chosen in about `longest` characters, and how to see the others."""
    every = list(names)
    lengths = accumulate(len(name) + len(", ") for name in every)
    n_shown = sum(length <= longest + len(", ") for length in lengths)
    text = listed(every, n_shown, longest)
    return text if n_shown == len(every) else f"{text} (mlc-train --help)"


def shown(value: object, longest: int = 60) -> str:
    """Return the value's repr, shortened; for a number with too many digits, a description."""
    if type(value).__module__ == "numpy" and hasattr(value, "item") and not value.shape:  # type: ignore[attr-defined]
        value = value.item()
    try:
        return shortened(repr(value), longest)
    except ValueError:
        # Python refuses to format numbers of more than 4300 digits.
        kind = "whole number" if isinstance(value, int) else type(value).__name__
        return f"a {kind} of too many digits"


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign; what rounds to 0 has none.

    >>> signed(0.0124), signed(-0.0004), signed(-0.5, 1)
    ('+0.012', '0.000', '-0.5')
    """
    text = f"{value:+.{digits}f}"
    return text if float(text) else text[1:]


def markdown(text: str, longest: int = LONGEST_NAME) -> str:
    """Escape the characters that have a meaning in Markdown or HTML."""
    return _MARKDOWN.sub(r"\\\1", readable(text, longest))


def cell(value: object) -> object:
    """Return the value for a CSV cell; an apostrophe goes before text that could be a formula.

    Numbers stay as they are, also numbers in text.
    """
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def never_fail_to_print() -> None:
    """Let stdout, stderr and warnings escape characters that their encoding lacks, as under LC_ALL=C."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(LogFormatter())


_WIDTH = 80  # Columns of a folded record.


class LogFormatter(logging.Formatter):
    """A formatter that escapes control characters, and folds records with extra={"folded": True}."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of the record."""
        text = escaped(super().format(record))
        if not getattr(record, "folded", False) or "\n" in text:
            return text
        first, *more = fold(text, _WIDTH)
        rest = fold(" ".join(more), _WIDTH - 2) if more else []
        return "\n".join([first, *(f"  {line}" for line in rest)])


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        # The variation selector for emoji may widen the character before it.
        return int(character == "\ufe0f")
    return 1 + (unicodedata.east_asian_width(character) in "WF")


def _prefix(text: str, width: int) -> str:
    """Return the longest beginning that fits into `width` columns, at least one character."""
    end, used = 0, 0
    while end < len(text) and (used := used + _columns(text[end])) <= width:
        end += 1
    return text[: max(end, 1)]


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
