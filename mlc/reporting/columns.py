"""Numbers in columns, of which rows may lack some."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from math import nan

import numpy as np
from numpy.typing import NDArray


class Columns:
    """Rows that are added one by one, each with a key of words; 8 bytes a number.

    Attributes:
        keys: of the rows.
    """

    def __init__(self) -> None:
        self.keys: list[tuple[str, ...]] = []
        self._columns: dict[str, array[float]] = {}

    def add(self, key: tuple[str, ...], values: Mapping[str, float | None]) -> None:
        """Add a row; None is NaN, as is a value that other rows alone have."""
        for name, value in values.items():
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = array("d")
            column.extend([nan] * (len(self.keys) - len(column)))
            column.append(nan if value is None else value)
        self.keys.append(key)

    def value(self, row: int, name: str) -> float:
        """Return a number; NaN where the row lacks it."""
        column = self._columns.get(name, ())
        return column[row] if row < len(column) else nan

    @property
    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Each column, (N,), in the order of its first value; no row can be added to these any more."""
        for column in self._columns.values():
            column.extend([nan] * (len(self.keys) - len(column)))
        return {name: np.frombuffer(column) for name, column in self._columns.items()}
