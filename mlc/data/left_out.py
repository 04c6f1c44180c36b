"""Columns of a table that cannot be features."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from mlc.config.errors import DataError
from mlc.config.texts import listed, shown
from mlc.data.places import place_of

_UNNAMED = re.compile(r"\s*(?:Unnamed: \d+(?:\.\d+)*|__index_level_\d+__)?\s*")
# In a table of fewer rows whole numbers may count up by chance.
_FEW_ROWS = 20


def without_row_numbers(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The columns that do not number the rows, and a note of those that do.

    A column without a name numbers the rows where its values are different whole numbers, as in the
    index that pandas writes; one with a name where they count up from 0 or 1. If no other column is
    left, they stay.
    """
    found = [name for name in frame.columns if _numbers_rows(frame[name])]
    if not found or len(found) == len(frame.columns):
        return frame, ()
    named = [f"{str(name)!r}" for name in found]
    return frame.drop(columns=found), (f"Row numbers, which are no features: {listed(named, 5)}.",)


def _numbers_rows(column: pd.Series[Any]) -> bool:
    if len(column) < 2 or pd.api.types.is_bool_dtype(column):
        return False
    unnamed = _UNNAMED.fullmatch(str(column.name)) is not None
    if not unnamed and len(column) < _FEW_ROWS:
        return False
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(numbers).all() or (numbers != np.rint(numbers)).any():
        return False
    if unnamed and len(np.unique(numbers)) == len(numbers):
        return True
    return bool(numbers[0] in (0, 1) and (np.diff(numbers) == 1).all())


def refuse_nested(frame: pd.DataFrame, where: str) -> None:
    """Raise DataError for a column of vectors or structures, as Parquet may hold them."""
    for name in frame.columns:
        if frame[name].dtype != object:
            continue
        for row, value in enumerate(frame[name]):
            if isinstance(value, (list, tuple, dict, set, np.ndarray)):
                raise DataError(
                    f"{where}: the column {str(name)!r} holds {shown(value)} in"
                    f" {place_of(where, row)}, no single value: write a column for each, or name it in"
                    " data.ignore."
                )
