"""Delimited text files, whatever the delimiter."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from mlc.config.errors import DataError
from mlc.config.texts import composed, counted, counted_of, listed, shown, spelled_alike
from mlc.data.locations import FileName, location_of
from mlc.data.title_rows import is_number, refuse_title, without_statement

DELIMITERS = (",", "\t", ";", "|")
_SHOWN = {"\t": "tabs"}
# Delimiters in the lines of one field, each as many as between columns, that are hardly part of a text.
_ENOUGH = 3
# Signs that may stand between columns, but also in names and texts.
_UNREAD = {"blanks": r"\s+", "'^'": r"\^", "'~'": "~", "':'": ":", "'¦'": "¦", "'\\x01'": "\x01"}


@dataclass(frozen=True)
class DelimitedRows:
    """The fields of a file.

    Attributes:
        header: names of the columns.
        rows: the fields of each data row, one per column.
        lines: the line on which each row ends, from 1.
        notes: assumptions, one sentence each.
    """

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    notes: tuple[str, ...] = ()


def read_rows(text: str, usual: str, wanted: Collection[str], where: str) -> DelimitedRows:
    """Parse a file by the delimiter that gives all rows the same number of fields.

    Args:
        text: content of the file.
        usual: the delimiter that the file's ending suggests.
        wanted: columns that the file should have; delimiters that yield them are tried first.
        where: the file, for messages.

    Raises:
        DataError: the rows differ in length, a quote is not closed, or the header is below a title.
    """
    text = without_statement(text)
    headers = {mark: _header(text, mark) for mark in (usual, *DELIMITERS)}
    marks = [mark for mark in headers if mark == usual or len(headers[mark]) > 1]
    if wanted:
        most = max(len(_shared(wanted, headers[mark])) for mark in marks)
        marks = [mark for mark in marks if len(_shared(wanted, headers[mark])) == most]
    # A file of one column has no delimiter.
    marks.sort(key=lambda mark: len(headers[mark]) < 2)
    failed: list[DataError] = []
    for mark in marks:
        try:
            rows = _parsed(text, mark, mark != usual, where)
        except DataError as error:
            failed.append(error)
            continue
        if not _shared(wanted, rows.header) and not (len(rows.header) > 1 and all(rows.header)):
            refuse_title(text, headers, wanted, where)
        return rows
    if not any(_shared(wanted, header) for header in headers.values()):
        refuse_title(text, headers, wanted, where)
    _refuse_other_delimiter([text.partition("\n")[0]], wanted, where)
    raise failed[0]


def require_header(rows: DelimitedRows, wanted: Sequence[str], where: str) -> None:
    """Check that the first line names columns.

    Raises:
        DataError: the first line looks like a row of data.
    """
    if not rows.rows or not wanted or _shared(wanted, rows.header):
        return
    _refuse_other_delimiter(rows.header, wanted, where)
    columns = list(zip(*rows.rows, strict=True))
    recurs = any(cell and cell in column for cell, column in zip(rows.header, columns, strict=True))
    is_row = recurs or any(is_number(cell) for cell in rows.header)
    if is_row or len(wanted) > 1:
        n = len(rows.header)
        names = list(wanted) if n == len(wanted) else [f"x{k + 1}" for k in range(n)]
        cells = ", ".join(map(repr, rows.header[:3]))[:80]
        lacking = f"{where} has no header with {', '.join(map(repr, wanted[:5]))}"
        write = f"write the columns' names, such as {','.join(names[:5])}, into a first line above"
        if is_row:
            raise DataError(f"{lacking}: {write} {cells}.")
        alike = [cell for cell in rows.header if any(spelled_alike(cell, each) for each in wanted)]
        if alike:
            there = listed(list(map(repr, alike)), 5, 40)
            raise DataError(f"{lacking}: write {there} as the file does, or rename it there.")
        raise DataError(
            f"{lacking}: give a file with these columns, or {write} {cells} if that is a row of data."
        )


def _refuse_other_delimiter(header: Sequence[str], wanted: Collection[str], where: str) -> None:
    """Raise DataError if a first line of one field has wanted names between signs of `_UNREAD`."""
    for name, pattern in _UNREAD.items() if len(header) == 1 else ():
        if set(wanted) & {cell.strip().strip('"') for cell in re.split(pattern, header[0])}:
            raise DataError(
                f"{where}: the names in its first line are separated by {name}: separate the columns by"
                " commas, semicolons, tabs or |."
            )


def _shared(wanted: Collection[str], header: Sequence[str]) -> set[str]:
    """Return the wanted names of a header, whether their accents are part of the letters or not."""
    return set(map(composed, wanted)) & set(map(composed, header))


def _header(text: str, mark: str) -> list[str]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=True)
    csv.field_size_limit(sys.maxsize)
    try:
        return [name.strip() for name in next((line for line in lines if line), [])]
    except csv.Error:
        return []


def _parsed(text: str, mark: str, unusual: bool, where: str) -> DelimitedRows:
    """Parse by Python's csv: pandas pads short rows, and takes surplus fields as row names."""
    csv.field_size_limit(sys.maxsize)
    stream = io.StringIO(text, newline="")
    lines = csv.reader(stream, delimiter=mark, strict=True, skipinitialspace=True)
    rows: list[list[str]] = []
    line_numbers: list[int] = []
    try:
        header = next((line for line in lines if line), [])
        for row in lines:
            if row and len(row) != len(header):
                raise DataError(
                    f"{where}: the row that ends in line {lines.line_num} has"
                    f" {counted(len(row), 'field')}, and the first line names"
                    f" {len(header)}: correct one of them."
                )
            if row:
                rows.append(row)
                line_numbers.append(lines.line_num)
    except csv.Error as error:
        first = line_numbers[-1] + 1 if line_numbers else 1
        if lines.line_num > first:
            # What follows an open quote is one field, to the end of the file or to a further quote.
            raise DataError(
                f"{where}: a quote is opened in the row that begins in line {first}, and line"
                f" {lines.line_num} is read as part of it ({error}): close it, or double a quote within"
                " a field in quotes."
            ) from error
        raise DataError(f"{where}, line {lines.line_num}: {error}: correct its quotes.") from error
    names = [name.strip() for name in header]
    if "" in names:
        # Spreadsheets write columns that hold nothing, below an empty name.
        used = [
            k
            for k, name in enumerate(names)
            if name or not rows or any(row[k].strip() for row in rows)
        ]
        names, rows = [names[k] for k in used], [[row[k] for k in used] for row in rows]
    notes = (
        [f"The file's columns are separated by {_SHOWN.get(mark, repr(mark))}."] if unusual else []
    )
    notes += _note_on_swallowed(rows, mark, FileName(where, line_numbers))
    return DelimitedRows(names, rows, line_numbers, tuple(notes))


def _note_on_swallowed(rows: Sequence[Sequence[str]], mark: str, where: FileName) -> list[str]:
    """Warn of a field in quotes whose lines look like rows, as between quotes of two rows."""
    ends = [1, *where.lines]
    # Rows of three lines or more, or below empty lines.
    tall = [number for number in range(len(rows)) if ends[number + 1] - ends[number] > 2]
    for number in tall:
        for field in rows[number]:
            lines = field.splitlines()[1:-1]
            n_marks = len(rows[number]) - 1
            if n_marks * len(lines) >= _ENOUGH and all(
                line.count(mark) == n_marks for line in lines
            ):
                return [
                    f"Warning: a field in quotes in {location_of(where, number)} holds"
                    f" {counted(len(lines), 'line')} with as many columns as rows have, such as"
                    f" {shown(lines[0])}: if they are rows, a quote is open; close it, or double it."
                ]
    return []


def without_empty_end(rows: DelimitedRows, where: str) -> DelimitedRows:
    """Leave out rows at the end of a file all of whose fields are empty, as spreadsheets write them.

    A note counts them, and another warns of such rows elsewhere. A file of one column keeps all.
    """
    filled = [k for k, row in enumerate(rows.rows) if any(map(str.strip, row))]
    if len(rows.header) < 2 or not filled or len(filled) == len(rows.rows):
        return rows
    end = filled[-1] + 1
    notes = []
    if end < len(rows.rows):
        are = "row is" if len(rows.rows) - end == 1 else "rows are"
        notes.append(f"{len(rows.rows) - end:,} empty {are} left out at the end of the file.")
    if len(filled) < end:
        first = next(k for k, row in enumerate(rows.rows) if not any(map(str.strip, row)))
        n_empty = counted_of(end - len(filled), end, "row", "are")
        notes.append(
            f"Warning: {n_empty} empty in all columns, such as"
            f" {location_of(FileName(where, rows.lines), first)}: remove what is no sample."
        )
    return replace(rows, rows=rows.rows[:end], lines=rows.lines[:end], notes=(*rows.notes, *notes))
