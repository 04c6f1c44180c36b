"""The grammar of ARFF, and the parser of a file's header.

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

Values are separated by a comma or by characters up to the blank (U+0000 to U+0020), which may also
surround commas. A line ends with LF, CR or CR LF, and no value continues in the next line. A comment
may follow anything outside quotes. A word has no separator, quote, brace or "%". Text in quotes, ' or
", may contain the escapes of Java: \\t, \\n, \\r, \\a, \\b, \\f, \\v, octal numbers, and any other
character for itself. "integer" means "numeric". A value that a sparse row omits is 0, or the first
name of the type.

Accepted beyond Weka's grammar: a quote behind a backslash in a word; sparse indices in any order.
Refused: types that cannot be features (string, date, relational); weights other than 1; NaN and
infinity; an empty value between two commas, which Weka skips; a quote that begins within a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.data.label_bits import BINARY_WORDS

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
    """The reason why a line cannot be parsed."""


@dataclass(frozen=True)
class Attribute:
    """A column of the file; `values` is None for a numeric attribute."""

    name: str
    values: tuple[str, ...] | None

    def as_binary(self) -> NDArray[np.float64] | None:
        """Return 0 or 1 for each nominal value, or None if a value is neither or two mean the same."""
        if self.values is None:
            return None
        words = [str(value).strip().lower() for value in self.values]
        meanings = {word: BINARY_WORDS.get(word) for word in words}
        if None in meanings.values() or len(set(meanings.values())) < len(meanings):
            return None
        return np.array([BINARY_WORDS[word] for word in words], dtype=np.float64)


def lines_of(text: str) -> list[str]:
    """Split a text into lines, at any of the three line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def read_header(path: Path, lines: Sequence[str]) -> tuple[str, tuple[Attribute, ...], list[str]]:
    """Return the relation's name, the attributes, and the lines of rows without comments and blanks.

    Raises:
        DataError: a line breaks the grammar; the message quotes it.
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
    """Yield the tokens of a line: values ("value" or "missing", text) and marks (mark, mark).

    Raises:
        Malformed: a quote is not closed, or stands within a value.
    """
    position, follows = 0, False
    while True:
        match = _TOKEN.match(line, position)
        kind = match.lastgroup if match else None
        if match is None or kind is None or kind == "comment":
            return
        text = match[kind]
        if kind == "mark":
            yield text, text
        elif kind == "open":
            raise Malformed("a quote is not closed: close it, or put a backslash before it")
        elif follows and line[position] not in BLANKS:
            raise Malformed("a quote is inside a value: quote the whole value")
        elif kind == "word":
            yield ("missing" if text == "?" else "value"), re.sub(r"\\(['\"])", r"\1", text)
        else:
            yield "value", _ESCAPE.sub(_unescaped, text)
        position, follows = match.end(), kind != "mark"


def in_braces(line_tokens: Sequence[Token]) -> tuple[list[Token], Sequence[Token]]:
    """Return the values between a { and its }, and the tokens after the }."""
    kinds = [kind for kind, _ in line_tokens]
    if "}" not in kinds:
        raise Malformed("a { is not closed by a } in the same line")
    end = kinds.index("}")
    values, rest = until_brace(line_tokens[1:end])
    if rest:
        raise Malformed("a { is inside another: quote it")
    return values, line_tokens[end + 1 :]


def until_brace(line_tokens: Sequence[Token]) -> tuple[list[Token], Sequence[Token]]:
    """Return the values before the first brace, and the tokens from the brace on."""
    values: list[Token] = []
    separated = True
    for index, token in enumerate(line_tokens):
        if token[0] in "{}":
            return values, line_tokens[index:]
        if token[0] != ",":
            values.append(token)
        elif separated:
            raise Malformed("a value is empty: write ? for a missing one")
        separated = token[0] == ","
    return values, []


def _relation(word: str, rest: str) -> str:
    if word != "@relation":
        raise Malformed("@relation must stand here")
    line_tokens = list(tokens(rest))
    if len(line_tokens) != 1 or line_tokens[0][0] not in ("value", "missing"):
        raise Malformed("@relation must be followed by one name: put quotes around it")
    return line_tokens[0][1]


def _declaration(rest: str) -> Iterator[Token]:
    """Yield the tokens of an attribute up to the end of its type."""
    n_words = 0
    for token in tokens(rest):
        yield token
        n_words += token[0] != ","
        if n_words == 2 and token[1].lower() in ("numeric", "real", "integer"):
            return


def _attribute(line_tokens: list[Token]) -> Attribute:
    while line_tokens and line_tokens[0][0] == ",":
        line_tokens = line_tokens[1:]
    if len(line_tokens) < 2 or line_tokens[0][0] not in ("value", "missing"):
        raise Malformed("@attribute must be followed by a name and a type")
    name, kind, word = line_tokens[0][1], line_tokens[1][0], line_tokens[1][1]
    if kind == "{":
        values, rest = in_braces(line_tokens[1:])
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
    description = f"type {word.upper()}" if known else f"the unknown type {shown(word)}"
    raise Malformed(
        f"the attribute {name!r} is of {description}, which is neither numeric nor nominal: convert or"
        " remove it"
    )


def _rows(lines: Sequence[str]) -> list[str]:
    rows = []
    for line in lines:
        stripped = line.lstrip(BLANKS)
        if stripped and stripped[0] != "%":
            rows.append(line)
    return rows


def _unescaped(match: re.Match[str]) -> str:
    text = match[1]
    return chr(int(text, 8)) if text[0] in "01234567" else _ESCAPED.get(text, text)


def shown(text: str) -> str:
    """Format a text for a message: quoted, without control characters, shortened."""
    quoted = repr(text) if text.isprintable() else ascii(text)
    return quoted if len(quoted) <= _LONGEST_SHOWN else f"{quoted[:_LONGEST_SHOWN]}..."
