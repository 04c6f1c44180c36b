"""Lines above the header of a delimited file, such as the title of an export."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Sequence

from mlc.config.errors import DataError
from mlc.config.texts import listed, shown

# Lines of titles and blanks that a header may be below, and lines that are looked at.
_MOST_TITLES, _LINES = 20, 60
# Excel's statement of the delimiter.
_STATED = re.compile(r"\ufeff?\"?sep=.\"?\r?(?=\n)", re.IGNORECASE)


def without_statement(text: str) -> str:
    """Empty a first line such as sep=; by which Excel knows the delimiter; lines keep their numbers."""
    return _STATED.sub("", text, count=1) if _STATED.match(text) else text


def refuse_title(text: str, marks: Collection[str], wanted: Collection[str], where: str) -> None:
    """Refuse a file whose header is below a title.

    A header has several distinct names, none of them a number, and as many as the rows below it have
    fields. What is above it has fewer. The header has a wanted column, or the title is one field.

    Raises:
        DataError: a later line is the header.
    """
    lines = text.splitlines(keepends=True)
    for mark in marks:
        stream = io.StringIO("".join(lines[:_LINES]), newline="")
        reader = csv.reader(stream, delimiter=mark, skipinitialspace=True)
        try:
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
        except csv.Error:
            continue
        if len(lines) > _LINES:
            # The last one may be cut.
            rows = rows[:-1]
        for k in range(1, min(_MOST_TITLES + 1, len(rows) - 1)):
            titles, (number, names) = [row for _, row in rows[:k]], rows[k]
            if not _is_header(names, [row for _, row in rows[k + 1 :]], titles):
                continue
            if set(wanted) & set(names) or all(_filled(title) == 1 for title in titles):
                raise DataError(
                    f"{where}: line {number} names the columns {listed(names, 5)}, and above it is"
                    f" {shown(mark.join(titles[0]).strip(mark))}: remove what is above line {number}."
                )


def _is_header(
    names: Sequence[str], rows: Sequence[Sequence[str]], titles: Sequence[Sequence[str]]
) -> bool:
    n = len(names)
    return (
        n > 1
        and all(names)
        and len(set(names)) == n
        and not any(map(is_number, names))
        and all(len(row) == n for row in rows)
        and all(_filled(title) < n for title in titles)
    )


def _filled(row: Sequence[str]) -> int:
    return sum(map(bool, row))


def is_number(cell: str) -> bool:
    """Whether a cell is a number, perhaps with a decimal comma."""
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
