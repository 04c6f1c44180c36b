"""Columns of a table that cannot be features: row numbers and nested values."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from mlc.config.errors import DataError
from mlc.config.quoting import setting
from mlc.config.texts import listed, shown
from mlc.data.byte_columns import refuse_bytes
from mlc.data.locations import location_of

_UNNAMED = re.compile(r"\s*(?:Unnamed: \d+(?:\.\d+)*|__index_level_\d+__)?\s*")
_IDENTIFIER = re.compile(r"(?:.*[ _.-])?(?:id|ID|Id|uid|uuid|UUID)|.*[a-z]I[Dd]|rowid")
# In a table with fewer rows, integers may count up by chance.
_FEW_ROWS = 20
# Columns of codes, such as those of a kind, have more rows of each value.
_MOST_REPEATS = 20


def without_row_numbers(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Drop the columns that number the rows; return the others, and notes on these and on identifiers.

    A column without a name numbers the rows if its values are distinct integers, such as the index that
    pandas writes; so does one called id or the like. A column with another name does if they count up
    from 0 or 1. The columns stay if there is no other.
    """
    numbering = [name for name in frame.columns if _numbers_rows(frame[name])]
    repeating = [note for name in frame.columns for note in _note_on_repeats(frame[name])]
    if not numbering or len(numbering) == len(frame.columns):
        return frame, tuple(repeating)
    named = [f"{str(name)!r}" for name in numbering]
    return frame.drop(columns=numbering), (
        f"Row numbers or identifiers, which are not features: {listed(named, 5)}.",
        *repeating,
    )


def _note_on_repeats(column: pd.Series[Any]) -> list[str]:
    """Warn of a column that is called id or the like and has each of many values in a few rows."""
    if _IDENTIFIER.fullmatch(str(column.name).strip()) is None:
        return []
    n_values, n_rows = column.nunique(), column.count()
    if not (_FEW_ROWS <= n_values < n_rows <= _MOST_REPEATS * n_values):
        return []
    return [
        f"Warning: {str(column.name)!r} looks like an identifier, of {n_values:,} values in {n_rows:,}"
        " rows, and is taken as a feature; rows of one value may be in training and in test: leave it"
        f" out by {setting('data.ignore', [column.name])}, and give test rows of other values"
        " (data.test_path)."
    ]


def _numbers_rows(column: pd.Series[Any]) -> bool:
    if len(column) < 2 or pd.api.types.is_bool_dtype(column):
        return False
    unnamed = _UNNAMED.fullmatch(str(column.name)) is not None
    if not unnamed and len(column) < _FEW_ROWS:
        return False
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(numbers).all() or (numbers != np.rint(numbers)).any():
        return False
    names_rows = unnamed or _IDENTIFIER.fullmatch(str(column.name).strip()) is not None
    if names_rows and len(np.unique(numbers)) == len(numbers):
        return True
    return bool(numbers[0] in (0, 1) and (np.diff(numbers) == 1).all())


def refuse_nested(frame: pd.DataFrame, where: str) -> None:
    """Raise DataError for a column of vectors, structures or bytes, as a Parquet file may have."""
    for name in frame.columns:
        if frame[name].dtype != object:
            continue
        refuse_bytes(frame[name], where)
        for row, value in enumerate(frame[name]):
            if isinstance(value, (list, tuple, dict, set, np.ndarray)):
                raise DataError(
                    f"{where}: the column {str(name)!r} holds {shown(value)} in"
                    f" {location_of(where, row)}, no single value: write a column for each, or name it"
                    " in data.ignore."
                )
