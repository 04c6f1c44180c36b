"""Files of labelled texts without a header, in the formats of fastText and LibMultiLabel."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

PREFIX = "__label__"


@dataclass(frozen=True)
class LabelledTexts:
    """The content of a file.

    Attributes:
        labels: labels of each row.
        texts: text of each row.
        lines: line number of each row, from 1.
        form: the program whose format it is.
    """

    labels: list[list[str]]
    texts: list[str]
    lines: list[int]
    form: str


def read_labelled_texts(text: str) -> LabelledTexts | None:
    """Parse a file in one of these formats; return None for other files.

    fastText (https://fasttext.cc/docs/en/supervised-tutorial.html): every word that begins with
    __label__ is a label. LibMultiLabel (documentation of its command line): labels separated by
    blanks, a tab, a text; a first column may hold the names of the rows.
    """
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    labelled = sum(line.lstrip().startswith(PREFIX) for _, line in lines)
    if lines and 2 * labelled >= len(lines):
        return _fasttext(lines)
    rows = [(n, line.split("\t")) for n, line in lines]
    widths = {len(row) for _, row in rows}
    if len(widths) != 1 or widths & {2, 3} != widths or _has_header([row for _, row in rows]):
        return None
    return LabelledTexts(
        [row[-2].split() for _, row in rows],
        [row[-1] for _, row in rows],
        [n for n, _ in rows],
        "LibMultiLabel",
    )


def plain_texts(text: str) -> LabelledTexts:
    """Parse each line as a text without labels."""
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    return _fasttext(lines)


def _fasttext(lines: list[tuple[int, str]]) -> LabelledTexts:
    words = [line.split() for _, line in lines]
    return LabelledTexts(
        [
            [w.removeprefix(PREFIX) for w in row if w.startswith(PREFIX) and w != PREFIX]
            for row in words
        ],
        [" ".join(w for w in row if not w.startswith(PREFIX)) for row in words],
        [n for n, _ in lines],
        "fastText",
    )


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first row seems to name columns, or the last column holds single words."""
    texts = Counter(row[-1] for row in rows)
    of_words = sum(len(row[-1].split()) > 1 for row in rows)
    first = rows[0][-1]
    return 2 * of_words < len(rows) or (len(first.split()) < 2 and texts[first] < 2)
