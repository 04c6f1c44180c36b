"""Parsing of the rows of an ARFF file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix

from mlc.config.errors import DataError
from mlc.config.texts import counted
from mlc.data.arff_grammar import (
    BLANKS,
    Attribute,
    Malformed,
    Token,
    in_braces,
    shown,
    tokens,
    until_brace,
)

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?", re.ASCII)
# Not handled by the fast paths: quotes, comments, and text that Python's float accepts and Weka refuses.
_NOT_PLAIN = re.compile(r"""['"{}%\\_]|[^\t-\r\x20-\x7e]""")
_PLAIN_SPARSE = re.compile(
    r"""\{[ \t]*(?:\d+[ \t]+[^\x00-\x20,'"{}%\\_]+[ \t]*
        (?:,[ \t]*\d+[ \t]+[^\x00-\x20,'"{}%\\_]+[ \t]*)*)?\}""",
    re.VERBOSE | re.ASCII,
)
# Rows that are split at a time, to limit the memory of their words.
_CHUNK = 512


def read_rows(
    path: Path, rows: Sequence[str], attributes: Sequence[Attribute]
) -> NDArray[np.float64] | csc_matrix:
    """Parse the rows to values (N, D), sparse if the first row is sparse.

    Missing values are NaN, and names are their indices in the attribute.

    Raises:
        DataError: a row breaks the grammar or does not fit the attributes, or there is no row.
    """
    if not rows:
        raise DataError(f"{path}: there is no row after @data: the file is empty or cut off.")
    reader = _RowReader(path, attributes)
    return reader.sparse(rows) if rows[0].lstrip(BLANKS)[0] == "{" else reader.dense(rows)


class _Numbers(dict[str, float]):
    """Map words to numbers; the numbers of short words are cached."""

    def __missing__(self, text: str) -> float:
        if _NUMBER.fullmatch(text) is None:
            raise Malformed(f"{shown(text)} is not a number")
        value = float(text.rstrip("fFdD"))
        if len(text) < 5:
            self[text] = value
        return value


class _RowReader:
    """Parser of rows, with fast paths for plain rows."""

    def __init__(self, path: Path, attributes: Sequence[Attribute]) -> None:
        self._path, self._attributes = path, attributes
        self._names = [
            None if values is None else {value: float(i) for i, value in enumerate(values)}
            for values in (attribute.values for attribute in attributes)
        ]
        numbers = _Numbers({"?": np.nan})
        self._plain: list[Callable[[str], float]] = [
            numbers.__getitem__ if names is None else {**names, "?": np.nan}.__getitem__
            for names in self._names
        ]
        self._of_numbers = numbers

    def dense(self, rows: Sequence[str]) -> NDArray[np.float64]:
        values = np.zeros((len(rows), len(self._attributes)))
        for first in range(0, len(rows), _CHUNK):
            chunk = rows[first : first + _CHUNK]
            block = values[first : first + len(chunk)]
            if not self._fill_plain(chunk, block):
                for i, row in enumerate(chunk):
                    columns, entries = self._entries(row, first + i + 1)
                    block[i] = 0
                    block[i, columns] = entries
        return values

    def sparse(self, rows: Sequence[str]) -> csc_matrix:
        columns: list[int] = []
        values: list[float] = []
        starts = [0]
        for number, row in enumerate(rows, 1):
            row_columns, row_values = self._plain_entries(row) or self._entries(row, number)
            columns += row_columns
            values += row_values
            starts.append(len(columns))
        shape = len(rows), len(self._attributes)
        parts = np.array(values), np.array(columns, dtype=np.int64), np.array(starts)
        return csr_matrix(parts, shape=shape).tocsc()

    def _fill_plain(self, rows: Sequence[str], block: NDArray[np.float64]) -> bool:
        """Parse rows without quotes, comments and empty values; return False for other rows."""
        if _NOT_PLAIN.search("\n".join(rows)):
            return False
        cells = [row.split(",") for row in rows]
        if any(len(row) != len(self._attributes) for row in cells):
            return False
        for j, column in enumerate(zip(*cells, strict=True)):
            try:
                if self._names[j] is None:
                    block[:, j] = list(map(float, column))
                    if np.isfinite(block[:, j]).all():
                        continue
            except ValueError:
                pass
            try:
                block[:, j] = [self._plain[j](cell.strip(BLANKS)) for cell in column]
            except (Malformed, KeyError):
                return False
        return True

    def _plain_entries(self, row: str) -> tuple[list[int], list[float]] | None:
        row = row.strip(BLANKS)
        if _PLAIN_SPARSE.fullmatch(row) is None:
            return None
        words = row[1:-1].replace(",", " ").split()
        try:
            columns = list(map(int, words[::2]))
            values = [self._plain[j](word) for j, word in zip(columns, words[1::2], strict=True)]
        except (Malformed, KeyError, IndexError, ValueError):
            return None
        return None if len(set(columns)) < len(columns) else (columns, values)

    def _entries(self, row: str, number: int) -> tuple[list[int], list[float]]:
        """Parse a row by its tokens; return its column indices and values."""
        try:
            row_tokens = list(tokens(row))
            if row_tokens[0][0] == "{":
                words, rest = in_braces(row_tokens)
                columns = self._indices(words[::2], len(words))
                values = words[1::2]
            else:
                values, rest = until_brace(row_tokens)
                columns = list(range(len(values)))
                if len(values) != len(self._attributes):
                    raise Malformed(
                        f"it has {counted(len(values), 'value')}, and there are"
                        f" {counted(len(self._attributes), 'attribute')};"
                        " a missing value is written ?"
                    )
            _check_weight(rest)
            pairs = zip(columns, values, strict=True)
            return columns, [self._value(j, token, number) for j, token in pairs]
        except Malformed as error:
            raise DataError(
                f"{self._path}: data row {number} cannot be read ({error}): correct it, or fetch the"
                " file again if it is cut off."
            ) from error

    def _indices(self, words: Sequence[Token], n_words: int) -> list[int]:
        if n_words % 2:
            raise Malformed("a sparse row must hold pairs of an index and a value")
        n_columns = len(self._attributes)
        columns: dict[int, None] = {}
        for _, text in words:
            index = int(text) if re.fullmatch(r"\d{1,15}", text, re.ASCII) else n_columns
            if index >= n_columns:
                raise Malformed(f"{shown(text)} is not an index from 0 to {n_columns - 1}")
            if index in columns:
                raise Malformed(f"it has the index {index} twice")
            columns[index] = None
        return list(columns)

    def _value(self, j: int, token: Token, number: int) -> float:
        kind, text = token
        if kind == "missing":
            return float("nan")
        names = self._names[j]
        if names is not None:
            if text not in names:
                raise Malformed(
                    f"{shown(text)} is not a value of the attribute {self._attributes[j].name!r}"
                )
            return names[text]
        if text.strip("+-").lower() in ("nan", "inf", "infinity"):
            raise DataError(
                f"{self._path}: the attribute {self._attributes[j].name!r} is {text.lower()} in data"
                f" row {number}: give a finite number, or ? for a missing one."
            )
        return self._of_numbers[text] if text != "?" else self._of_numbers.__missing__(text)


def _check_weight(rest: Sequence[Token]) -> None:
    rest = [token for token in rest if token[0] != ","]
    if not rest:
        return
    values, remainder = in_braces(rest) if rest[0][0] == "{" else ([], rest)
    if len(values) != 1 or remainder:
        raise Malformed(f"{shown(rest[0][1])} follows after its values")
    if _Numbers()[values[0][1]] != 1:
        raise Malformed(
            f"it has the weight {values[0][1]}, and weights are not supported: remove it"
        )
