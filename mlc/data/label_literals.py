"""Lists in cells, as JSON, Python and numpy write them."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import Any

from mlc.config.texts import whole_characters

_CALL = re.compile(r"^(?:np\.|numpy\.)?(?:set|frozenset|array|tuple|list)\((.*)\)$", re.DOTALL)
_DTYPE = re.compile(r",\s*dtype=[^\])]*$")
_SCALAR = re.compile(r"""\bnp\.\w+\(('[^'\\]*'|"[^"\\]*"|-?\d+)\)""")  # As NumPy 2 shows it.
_CONSTANTS = {"null": "None", "nan": "None", "NaN": "None", "true": "True", "false": "False"}
_PAIRS = {"[": "]", "(": ")", "{": "}"}


def is_bracketed(text: str) -> bool:
    """Whether a text is in brackets, or a call such as set([...])."""
    text = text.strip()
    return bool(_CALL.match(text)) or (len(text) > 1 and _PAIRS.get(text[0]) == text[-1])


def literal(text: str) -> list[Any] | None:
    """A list, tuple, set or array as JSON, Python or numpy write it; None where it is none."""
    text = text.strip()
    if not is_bracketed(text):
        return None
    call = _CALL.match(text)
    if call is not None:
        text = _DTYPE.sub("", call.group(1).strip()) or "[]"
    try:
        value = ast.literal_eval(_with_commas(_SCALAR.sub(r"\1", text)))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, tokenize.TokenError):
        return None
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if not isinstance(value, (list, tuple)):
        return None
    # JSON in ASCII writes an emoji as two escapes.
    return [whole_characters(item) if isinstance(item, str) else item for item in value]


def _with_commas(text: str) -> str:
    """Insert the commas that numpy omits, and replace the constants of JSON by those of Python."""
    written, before = [], False
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.INDENT):
            continue
        is_value = token.type in (tokenize.STRING, tokenize.NUMBER, tokenize.NAME)
        starts = is_value or token.string in ("[", "(", "{", "-")
        written += [", "] if starts and before else []
        written.append(_CONSTANTS.get(token.string, token.string) if is_value else token.string)
        before = is_value or token.string in ("]", ")", "}")
    return "".join(written)


def bare_words(text: str) -> list[Any] | None:
    """Parse a list of words without quotes, such as [wet, cold]."""
    inner = text.strip()[1:-1]
    if re.search(r"[\[\]{}()\"':]|[.][.][.]", inner):
        return None
    return [piece.strip() for piece in inner.split(",")]
