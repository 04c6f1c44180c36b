"""Columns of a table that cannot be features: row numbers and nested values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.quoting import setting
from mlc.config.texts import as_written, counted_of, listed, shown
from mlc.data.byte_columns import refuse_bytes
from mlc.data.locations import location_of

_UNNAMED = re.compile(r"\s*(?:Unnamed: \d+(?:\.\d+)*|__index_level_\d+__)?\s*")
_IDENTIFIER = re.compile(
    r"(?:.*[ _.-])?(?:id|ID|Id|uid|uuid|UUID)|.*[a-z]I[Dd]|rowid"
    r"|(?i:(?:.*[ _.-])?(?:patient|customer|client|user|mrn|sku|ean|gtin|isbn)"
    r"(?:[ _.-]?(?:no|nr|number|code))?)"
)
# In a table with fewer rows, integers may count up by chance.
_FEW_ROWS = 20
# Columns of codes, such as those of a kind, have more rows of each value.
_MOST_REPEATS = 20
# Distinct numbers among this many times as many are no chance.
_DENSE = 2
_NESTED = list, tuple, dict, set, np.ndarray


def ignored(names: Sequence[str], frame: pd.DataFrame) -> list[str]:
    """Return the names in data.ignore as the columns are written, whatever the form of accents."""
    return as_written(names, frame.columns)


def require_ignored(names: Sequence[str], frame: pd.DataFrame, where: str) -> None:
    """Raise DataError for a name in data.ignore that is no column: the one meant would be a feature.

    The index of a Parquet file may be named, which is left out already.
    """
    columns = list(map(str, frame.columns))
    for name in ignored(names, frame):
        if name not in (*columns, *frame.index.names):
            there = listed([column or repr(column) for column in columns], 8, 40)
            raise DataError(f"{where}: there is no column {name!r}: data.ignore may name {there}.")


def without_row_numbers(
    frame: pd.DataFrame, test_is_drawn: bool = True
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Drop the columns that number the rows; return the others, and notes on these and on identifiers.

    A column without a name numbers the rows if its values are distinct integers, such as the index that
    pandas writes; so does one called id or the like. A column with another name does if they count up
    from 0 or 1. The columns stay if there is no other. `test_is_drawn` says whether the test rows are
    drawn from this table.
    """
    numbering = [name for name in frame.columns if _numbers_rows(frame[name])]
    notes = [
        note
        for name in frame.columns
        for note in (
            *_note_on_repeats(frame[name], test_is_drawn),
            *(() if name in numbering else _note_on_numbers(frame[name])),
        )
    ]
    if not numbering or len(numbering) == len(frame.columns):
        return frame, tuple(notes)
    named = [f"{str(name)!r}" for name in numbering]
    return frame.drop(columns=numbering), (
        f"Row numbers or identifiers, which are not features: {listed(named, 5)}.",
        *notes,
    )


def _note_on_repeats(column: pd.Series[Any], test_is_drawn: bool) -> list[str]:
    """Warn of a feature that is called id or the like and has each of many values in a few rows."""
    if not _repeats(column):
        return []
    at_risk, cure = "several parts", ""
    if test_is_drawn:
        at_risk, cure = (
            "training and in test",
            ", and give test rows of other values (data.test_path)",
        )
    return [
        f"Warning: {str(column.name)!r} looks like an identifier, of {column.nunique():,} values in"
        f" {column.count():,} rows, and is taken as a feature; rows of one value may be in {at_risk}:"
        f" leave it out by {setting('data.ignore', [column.name])}{cure}."
    ]


def repeated_identifiers(frame: pd.DataFrame) -> tuple[str, ...]:
    """Warn of identifiers among columns that are no features, where test rows are drawn by chance.

    Leaving such a column out leaves the rows of a patient in training and in test.
    """
    return tuple(
        f"Warning: {str(name)!r} looks like an identifier, of {frame[name].nunique():,} values in"
        f" {frame[name].count():,} rows: rows of one value may be in training and in test, which makes"
        " the results on test rows too good if new rows have other values: give test rows of other"
        " values (data.test_path)."
        for name in frame.columns
        if _repeats(frame[name])
    )


def _repeats(column: pd.Series[Any]) -> bool:
    return identifies(column) and column.nunique() < column.count()


def _note_on_numbers(column: pd.Series[Any]) -> list[str]:
    """Warn of a feature of distinct whole numbers with few gaps, in any order, from any number.

    Measured numbers so close together would repeat some.
    """
    numbers = _whole(column)
    if numbers is None or len(numbers) < _FEW_ROWS or len(np.unique(numbers)) < len(numbers):
        return []
    low, high = int(numbers.min()), int(numbers.max())
    if high - low >= _DENSE * len(numbers):
        return []
    return [
        f"Warning: {str(column.name)!r} seems to number the rows, with a different whole number in each"
        f" of {len(numbers):,}, from {low} to {high}, and is taken as a feature: leave it out by"
        f" {setting('data.ignore', [column.name])} unless its order has a meaning."
    ]


def shared_identifiers(
    train: pd.DataFrame, others: Mapping[str, pd.DataFrame], columns: Sequence[str]
) -> tuple[str, ...]:
    """Warn of identifiers that rows of the training file and rows of other files have.

    Row numbers from 0 or 1, in any order, are no identifiers of what the rows describe.

    Args:
        train: the columns of the training file.
        others: those of other files, by what their rows are called.
        columns: the columns to look at.
    """
    notes = []
    for name in columns:
        if not identifies(train[name]) or _are_row_numbers(train[name]):
            continue
        known = set(_words(train[name]))
        for called, frame in others.items():
            if name not in frame.columns or _are_row_numbers(frame[name]):
                continue
            n_shared = sum(word in known for word in _words(frame[name]))
            if n_shared:
                have = counted_of(n_shared, len(frame), f"{called} row", "have")
                notes.append(
                    f"Warning: {have} the {name!r} of a training row: unless new rows have such values"
                    " too, leave theirs out of one of the files, for what is learned of one value says"
                    " little about others."
                )
    return tuple(notes)


def identifies(column: pd.Series[Any]) -> bool:
    """Whether a column is called id, patient or the like and has each of many values in a few rows."""
    if _IDENTIFIER.fullmatch(str(column.name).strip()) is None or is_nested(column):
        return False
    n_values, n_rows = column.nunique(), column.count()
    return bool(_FEW_ROWS <= n_values <= n_rows <= _MOST_REPEATS * n_values)


def _words(column: pd.Series[Any]) -> list[str]:
    return [str(value).strip() for value in column.dropna() if str(value).strip()]


def _are_row_numbers(column: pd.Series[Any]) -> bool:
    """Whether a column counts from 0 or 1, in any order."""
    return _counts_up(_parsed(column).sort_values())


def _counts_up(column: pd.Series[Any]) -> bool:
    """Whether a column counts up from 0 or 1."""
    numbers = _parsed(column).to_numpy(dtype=float, na_value=np.nan)
    return bool(len(numbers) and numbers[0] in (0, 1) and (np.diff(numbers) == 1).all())


def _parsed(column: pd.Series[Any]) -> pd.Series[Any]:
    return pd.to_numeric(column, errors="coerce")


def _whole(column: pd.Series[Any]) -> NDArray[np.float64] | None:
    """The values of a column if all of them are whole numbers, else None."""
    if pd.api.types.is_bool_dtype(column) or is_nested(column):
        return None
    numbers: NDArray[np.float64] = _parsed(column).to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(numbers).all() or (numbers != np.rint(numbers)).any():
        return None
    return numbers


def _numbers_rows(column: pd.Series[Any]) -> bool:
    if len(column) < 2 or pd.api.types.is_bool_dtype(column):
        return False
    unnamed = _UNNAMED.fullmatch(str(column.name)) is not None
    if not unnamed and len(column) < _FEW_ROWS:
        return False
    numbers = _whole(column)
    if numbers is None:
        return False
    names_rows = unnamed or _IDENTIFIER.fullmatch(str(column.name).strip()) is not None
    if names_rows and len(np.unique(numbers)) == len(numbers):
        return True
    return _counts_up(column)


def is_nested(column: pd.Series[Any]) -> bool:
    """Whether a column holds vectors or structures, as a Parquet file may have."""
    return column.dtype == object and any(isinstance(value, _NESTED) for value in column)


def refuse_nested(frame: pd.DataFrame, where: str) -> None:
    """Raise DataError for a column of vectors, structures or bytes, as a Parquet file may have."""
    for name in frame.columns:
        if frame[name].dtype != object:
            continue
        refuse_bytes(frame[name], where)
        for row, value in enumerate(frame[name]):
            if isinstance(value, _NESTED):
                raise DataError(
                    f"{where}: the column {str(name)!r} holds {shown(value)} in"
                    f" {location_of(where, row)}, no single value: write a column for each, or name it"
                    " in data.ignore."
                )
