"""Files whose data rows have lines."""

from __future__ import annotations

from collections.abc import Sequence


class Place(str):
    """A file's name for messages, with the line in which each of its data rows ends.

    Args:
        name: the file's.
        lines: (N,), from 1.
    """

    lines: Sequence[int]

    def __new__(cls, name: str, lines: Sequence[int] = ()) -> Place:
        """The name, which is a text as any other."""
        made = super().__new__(cls, name)
        made.lines = lines
        return made


def place_of(where: str, row: int) -> str:
    """A data row from 0, as messages count it, with its line where that is another than expected.

    >>> place_of("toy.csv", 2), place_of(Place("toy.csv", [2, 3, 7]), 2)
    ('data row 3', 'data row 3 (line 7)')
    """
    lines = where.lines if isinstance(where, Place) else ()
    if row < len(lines) and lines[row] != row + 2:
        return f"data row {row + 1} (line {lines[row]})"
    return f"data row {row + 1}"
