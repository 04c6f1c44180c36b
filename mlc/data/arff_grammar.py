"""The grammar of ARFF, and what a file's header declares.

The grammar is Weka's (weka.core.converters.ArffLoader, which reads by java.io.StreamTokenizer):

    file       = relation attribute+ "@data" row*       keywords in either case, "%" begins a comment
    relation   = "@relation" name EOL
    attribute  = "@attribute" name type EOL
    type       = ("numeric" | "real" | "integer") anything, such as a range, is passed over
               | "{" name ("," name)* "}"
    row        = value{n} weight? EOL
               | "{" (index value ("," index value)*)? "}" weight? EOL
    weight     = "{" number "}"
    name       = word | quoted
    value      = number | name of the type | "?", which is a missing value if it is not quoted

Values are separated by a comma or by characters up to the blank (U+0000 to U+0020), which may stand
around commas, too. A line ends with LF, CR or CR LF, and nothing goes on in the next one. A comment may
follow anything that is not in quotes. A word has no separator, quote, brace or "%". What is quoted, by
' or ", knows the escapes of Java: \\t, \\n, \\r, \\a, \\b, \\f, \\v, octal numbers, and any other
character for itself. "integer" is "numeric". What a sparse row does not name is 0, or the first name
of the type.

More than Weka takes: a word may hold a quote behind a backslash; sparse indices in any order.
Less: types that are no features here (string, date, relational); weights other than 1; NaN and infinity;
an empty value between two commas, which Weka passes over; a quote that begins within a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import DataError

_BINARY_WORDS = {
    "0": 0, "1": 1, "0.0": 0, "1.0": 1, "no": 0, "yes": 1, "n": 0, "y": 1,
    "false": 0, "true": 1, "f": 0, "t": 1,
}  # fmt: skip
BLANKS = "".join(map(chr, range(33)))
_KEYWORD = re.compile(r"[\x00-\x20,]*(@\w+)")
_TOKEN = re.compile(
    r"""[\x00-\x20]* (?:
        (?P<word> (?: \\['"] | [^\x00-\x20,%'"{}] )+ )
      | ' (?P<single> (?: [^'\\] | \\. )* ) '
      | " (?P<double> (?: [^"\\] | \\. )* ) "
      | (?P<mark> [,{}] ) | (?P<comment> % ) | (?P<open> ['"] ) | $ )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\([0-3][0-7]{0,2}|[4-7][0-7]?|.)", re.DOTALL)
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_LONGEST_SHOWN = 80

Token = tuple[str, str]


class Malformed(Exception):
    """Why a line cannot be read."""


@dataclass(frozen=True)
class Attribute:
    """A column of the file; `values` is None for a numeric one."""

    name: str
    values: tuple[str, ...] | None

    def as_binary(self) -> NDArray[np.float64] | None:
        """What each nominal value means as 0 or 1, where all of them can be read so."""
        if self.values is None:
            return None
        words = [str(value).strip().lower() for value in self.values]
        if not all(word in _BINARY_WORDS for word in words):
            return None
        return np.array([_BINARY_WORDS[word] for word in words], dtype=np.float64)


def lines_of(text: str) -> list[str]:
    """The lines, whichever of the three line ends they have."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def read_header(path: Path, lines: Sequence[str]) -> tuple[str, tuple[Attribute, ...], list[str]]:
    """The relation's name, the attributes, and the lines of rows, without comments and empty ones.

    Raises:
        DataError: a line breaks the grammar, which the message quotes.
    """
    relation: str | None = None
    attributes: dict[str, Attribute] = {}
    for number, line in enumerate(lines, 1):
        keyword = _KEYWORD.match(line)
        word, rest = (keyword[1].lower(), line[keyword.end() :]) if keyword else ("", line)
        try:
            if not word and not list(tokens(line)):
                continue
            if relation is None:
                relation = _relation(word, rest)
            elif word == "@attribute":
                attribute = _attribute(list(_declaration(rest)))
                if attribute.name in attributes:
                    raise Malformed(f"there are two attributes {attribute.name!r}: rename one")
                attributes[attribute.name] = attribute
            elif word == "@data" and attributes:
                return relation, tuple(attributes.values()), _rows([rest, *lines[number:]])
            else:
                expected = "@attribute or @data" if attributes else "@attribute"
                raise Malformed(f"{expected} must stand here")
        except Malformed as error:
            raise DataError(
                f"{path}: the header cannot be read: {error}, in line {number}: {shown(line)}."
            ) from error
    raise DataError(
        f"{path}: the header cannot be read: there is no line @data, which ends it: fetch the file"
        " again if it is cut off."
    )


def tokens(line: str) -> Iterator[Token]:
    """The words, quoted values ("value", text) and marks (mark, mark) of a line.

    Raises:
        Malformed: a quote is not closed, or stands within a value.
    """
    at, follows = 0, False
    while True:
        found = _TOKEN.match(line, at)
        kind = found.lastgroup if found else None
        if found is None or kind is None or kind == "comment":
            return
        text = found[kind]
        if kind == "mark":
            yield text, text
        elif kind == "open":
            raise Malformed("a quote is not closed: close it, or put a backslash before it")
        elif follows and line[at] not in BLANKS:
            raise Malformed("a quote stands within a value: quote the whole value")
        elif kind == "word":
            yield ("missing" if text == "?" else "value"), re.sub(r"\\(['\"])", r"\1", text)
        else:
            yield "value", _ESCAPE.sub(_unescaped, text)
        at, follows = found.end(), kind != "mark"


def in_braces(found: Sequence[Token]) -> tuple[list[Token], Sequence[Token]]:
    """The values from a { to its }, and the tokens after that."""
    kinds = [kind for kind, _ in found]
    if "}" not in kinds:
        raise Malformed("a { is not closed by a } in the same line")
    end = kinds.index("}")
    values, rest = until_brace(found[1:end])
    if rest:
        raise Malformed("a { stands within another: quote it")
    return values, found[end + 1 :]


def until_brace(found: Sequence[Token]) -> tuple[list[Token], Sequence[Token]]:
    """The values before a brace, if there is one, and the tokens from it on."""
    values: list[Token] = []
    separated = True
    for place, token in enumerate(found):
        if token[0] in "{}":
            return values, found[place:]
        if token[0] != ",":
            values.append(token)
        elif separated:
            raise Malformed("a value is empty: write ? for a missing one")
        separated = token[0] == ","
    return values, []


def _relation(word: str, rest: str) -> str:
    if word != "@relation":
        raise Malformed("@relation must stand here")
    found = list(tokens(rest))
    if len(found) != 1 or found[0][0] not in ("value", "missing"):
        raise Malformed("@relation must be followed by one name: put quotes around it")
    return found[0][1]


def _declaration(rest: str) -> Iterator[Token]:
    """The tokens of an attribute up to its type's end."""
    n_found = 0
    for token in tokens(rest):
        yield token
        n_found += token[0] != ","
        if n_found == 2 and token[1].lower() in ("numeric", "real", "integer"):
            return


def _attribute(found: list[Token]) -> Attribute:
    while found and found[0][0] == ",":
        found = found[1:]
    if len(found) < 2 or found[0][0] not in ("value", "missing"):
        raise Malformed("@attribute must be followed by a name and a type")
    name, kind, word = found[0][1], found[1][0], found[1][1]
    if kind == "{":
        values, rest = in_braces(found[1:])
        if rest:
            raise Malformed("after the } there must be nothing but a comment")
        texts = [text for _, text in values]
        if not texts or len(set(texts)) < len(texts):
            raise Malformed(
                f"the values of {name!r} must be different, and one at least: correct them"
            )
        return Attribute(name, tuple(texts))
    if word.lower() in ("numeric", "real", "integer"):
        return Attribute(name, None)
    known = word.upper() in ("STRING", "DATE", "RELATIONAL")
    told = f"is of type {word.upper()}," if known else f"is of the unknown type {shown(word)},"
    raise Malformed(
        f"the attribute {name!r} {told} which is neither numeric nor nominal: convert or remove it"
    )


def _rows(lines: Sequence[str]) -> list[str]:
    kept = []
    for line in lines:
        begun = line.lstrip(BLANKS)
        if begun and begun[0] != "%":
            kept.append(line)
    return kept


def _unescaped(found: re.Match[str]) -> str:
    text = found[1]
    return chr(int(text, 8)) if text[0] in "01234567" else _ESCAPED.get(text, text)


def shown(text: str) -> str:
    """A text for a message: in quotes, without control characters, not too long."""
    told = repr(text) if text.isprintable() else ascii(text)
    return told if len(told) <= _LONGEST_SHOWN else f"{told[:_LONGEST_SHOWN]}..."
