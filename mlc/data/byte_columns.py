"""Columns of bytes in Parquet files, in which some programs store texts without saying so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from mlc.config.errors import DataError
from mlc.config.texts import shown
from mlc.data.locations import location_of


def with_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the bytes of a column, or of its lists, as texts where all are UTF-8."""
    decoded: dict[str, pd.Series[Any]] = {}
    for name, kind in frame.dtypes.items():
        if not pd.api.types.is_object_dtype(kind):
            continue
        if any(True for value in frame[name] for _ in _bytes_in(value)):
            try:
                values = [_as_text(value) for value in frame[name]]
            except UnicodeDecodeError:
                # It may be a column that nobody uses, such as one of pictures.
                continue
            decoded[str(name)] = pd.Series(values, index=frame.index, dtype=object)
    return frame.assign(**decoded) if decoded else frame


def refuse_bytes(column: pd.Series[Any], where: str) -> None:
    """Raise DataError if a column that is used holds bytes that are no text."""
    if column.dtype != object:
        return
    for row, value in enumerate(column):
        for content in _bytes_in(value):
            try:
                content.decode()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{where}: the column {str(column.name)!r} holds the bytes {shown(content)} in"
                    f" {location_of(where, row)}, which are no text in UTF-8: write text, or name the"
                    " column in data.ignore."
                ) from error


def _bytes_in(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, list) or (isinstance(value, np.ndarray) and value.dtype == object):
        for each in value:
            yield from _bytes_in(each)


def _as_text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.dtype == object):
        return [_as_text(each) for each in value]
    return value
