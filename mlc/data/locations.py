"""Locations of data rows in files, for messages."""

from __future__ import annotations

from collections.abc import Sequence


class FileName(str):
    """The name of a file, with the line on which each of its data rows ends.

    Args:
        name: the name.
        lines: line numbers from 1, (N,).
    """

    lines: Sequence[int]

    def __new__(cls, name: str, lines: Sequence[int] = ()) -> FileName:
        """Create the name as a string with line numbers."""
        file_name = super().__new__(cls, name)
        file_name.lines = lines
        return file_name


def location_of(where: str, row: int) -> str:
    """Describe a data row (counted from 0), with its line if that is not the expected one.

    >>> location_of("toy.csv", 2), location_of(FileName("toy.csv", [2, 3, 7]), 2)
    ('data row 3', 'data row 3 (line 7)')
    """
    lines = where.lines if isinstance(where, FileName) else ()
    if row < len(lines) and lines[row] != row + 2:
        return f"data row {row + 1} (line {lines[row]})"
    return f"data row {row + 1}"
