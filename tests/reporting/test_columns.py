"""Numbers in columns, of which rows may lack some."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlc.reporting.columns import Columns


def test_they_are_the_columns_of_a_data_frame() -> None:
    rows = [{"a": 1.0}, {"b": 2, "a": None}, {}, {"c": 0.5, "b": -1.0}]
    columns = Columns()
    for index, row in enumerate(rows):
        columns.add((str(index), "x"), row)
    expected = pd.DataFrame(rows).astype(float)
    assert list(columns.columns) == list(expected.columns)
    for name, values in columns.columns.items():
        np.testing.assert_array_equal(values, expected[name])
        found = [columns.value(row, name) for row in range(4)]
        np.testing.assert_array_equal(found, expected[name])
    assert np.isnan(columns.value(0, "no such column"))
    assert columns.keys == [(str(index), "x") for index in range(4)]


def test_no_row_has_no_column() -> None:
    assert Columns().columns == {}
    assert Columns().keys == []
