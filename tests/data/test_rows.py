"""Features and label sets in containers that people have them in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp
import torch

from mlc.data.feature_rows import features_of
from mlc.data.targets import encode
from mlc.estimator import MultiLabelClassifier

X = np.array([[0.5, 1.0], [-1.0, 2.0], [0.0, 4.0]])
Y = np.array([[1, 0], [0, 1], [1, 1]])
SETS = [["a"], ["b"], ["a", "b"]]


class Columns:
    """What a polars series looks like from outside."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        nested = [np.asarray(value) for value in self.values]
        if not nested or nested[0].ndim == 0:
            return np.asarray(self.values, dtype=dtype)
        array = np.empty(len(nested), dtype=object)
        array[:] = nested
        return array


class Frame:
    """What a polars frame looks like from outside."""

    def __init__(self, **columns: Any) -> None:
        self._columns = columns

    columns = property(lambda self: list(self._columns))
    shape = property(lambda self: (len(next(iter(self._columns.values()))), len(self._columns)))

    def __len__(self) -> int:
        return int(self.shape[0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.column_stack([np.asarray(own) for own in self._columns.values()]).astype(dtype)


class OnDevice:
    """A tensor that NumPy cannot read until it is on the CPU."""

    def __init__(self, values: torch.Tensor) -> None:
        self._values = values
        self.shape, self.ndim, self.layout = values.shape, values.ndim, values.layout
        self.is_floating_point = values.is_floating_point

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("can't convert cuda:0 device type tensor to numpy.")

    def detach(self) -> OnDevice:
        return self

    def cpu(self) -> torch.Tensor:
        return self._values.detach()


TARGETS: dict[str, Any] = {
    "polars frame": Frame(a=Y[:, 0], b=Y[:, 1]),
    "Arrow table": pa.table({"a": Y[:, 0], "b": Y[:, 1]}),
    "Arrow batch of booleans": pa.record_batch({"a": Y[:, 0] > 0, "b": Y[:, 1] > 0}),
    "Arrow-backed frame": pd.DataFrame(Y).convert_dtypes(dtype_backend="pyarrow"),
    "frame of categories": pd.DataFrame(Y).astype("category"),
    "tensor on a device": OnDevice(torch.tensor(Y)),
    "tensors on a device": [OnDevice(torch.tensor(row)) for row in Y],
    "masked array without a mask": np.ma.masked_array(Y),
    "matrix": np.matrix(Y),
    "rows of odd indices": [pd.Series(row, index=[7, 7]) for row in Y],
    "pairs as they come": zip(Y[:, 0].tolist(), Y[:, 1].tolist(), strict=True),
}
WORDS: dict[str, Any] = {
    "polars series": Columns([Columns(labels) for labels in SETS]),
    "Arrow column": pa.table({"tags": SETS}),
    "Arrow chunks": pa.chunked_array([SETS[:1], SETS[1:]]),
    "Arrow-backed series": pd.Series(pd.arrays.ArrowExtensionArray(pa.array(SETS))),
    "frozen sets": pd.Series([frozenset(labels) for labels in SETS], index=[5, 5, 1]),
    "series of series": pd.Series(
        [pd.Series(own, index=range(9, 9 - len(own), -1)) for own in SETS]
    ),
    "as they come": iter(SETS),
    "values of a dictionary": dict(enumerate(SETS)).values(),
}


@pytest.mark.parametrize("form", [*TARGETS, *WORDS])
def test_label_sets(form: str) -> None:
    found = encode(TARGETS[form] if form in TARGETS else WORDS[form])
    assert found.form == ("multi_hot" if form in TARGETS else "lists")
    np.testing.assert_array_equal(found.multi_hot, Y)


@pytest.mark.parametrize("make", [pd.Categorical, Columns, pa.array, pd.Series])
def test_classes(make: Any) -> None:
    assert encode(make(["p", "q", "p"])).multi_hot.tolist() == [[1, 0], [0, 1], [1, 0]]


FEATURES: dict[str, Any] = {
    "polars frame": Frame(x=X[:, 0], z=X[:, 1]),
    "Arrow table": pa.table({"x": X[:, 0], "z": X[:, 1]}),
    "tensor on a device": OnDevice(torch.tensor(X)),
    "tensors on a device": [OnDevice(torch.tensor(row)) for row in X],
    "rows in bfloat16": [torch.tensor(row, dtype=torch.bfloat16) for row in X],
    "rows with a gradient": [torch.tensor(row, requires_grad=True) for row in X],
    "rows as they come": iter(X.tolist()),
    "matrix": np.matrix(X),
    "objects": X.astype(object),
    "frame of categories": pd.DataFrame(X).astype("category"),
}


@pytest.mark.parametrize("form", FEATURES)
def test_features(form: str) -> None:
    np.testing.assert_array_equal(np.asarray(features_of(FEATURES[form]), dtype=float), X)


@pytest.mark.parametrize("gap", [None, pd.NA, pd.NaT, float("nan")])
def test_gaps_in_features_are_missing_values(gap: Any) -> None:
    own = X.astype(object)
    own[1, 0] = gap
    for form in (own, own.tolist(), pd.DataFrame(own), pd.DataFrame(own).convert_dtypes()):
        found = np.asarray(features_of(form).astype(float))
        assert np.isnan(found).tolist() == [[False, False], [True, False], [False, False]]
    masked = np.ma.masked_array(X, mask=[[0, 0], [1, 0], [0, 0]])
    assert np.isnan(features_of(masked).astype(float)).sum() == 1


def with_cell(value: Any) -> np.ndarray:
    own = X.astype(object)
    own[1, 0] = value
    return own


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "word": (with_cell("red"), Y, "X is 'red' in row 1, column 0"),
    "word in a frame": (pd.DataFrame(with_cell("red"), columns=["x", "z"]), Y, "row 1, column 'x'"),
    "word in an Arrow table": (pa.table({"x": ["1", "u", "2"]}), Y, "'u' in row 1, column 'x'"),
    "infinite": (np.where(np.eye(3, 2) > 0, np.inf, X), Y, "X is inf in row 0, column 0"),
    "infinite, sparse": (sp.csr_array(with_cell(np.inf).astype(float)), Y, "X is inf in row 1"),
    "over 32 bits": (with_cell(1e39), Y, r"X is 1e\+39 in row 1, column 0"),
    "over 64 bits": (with_cell(10**400), Y, "X is 1000.* in row 1, column 0"),
    "5,000 digits": (with_cell(10**5000), Y, "X is a whole number of too many digits in row 1"),
    "complex": (with_cell(1 + 2j), Y, r"X is \(1\+2j\) in row 1"),
    "list": (with_cell({}), Y, r"X is {} in row 1, column 0.*argument must be a string"),
    "dates": (np.full((3, 2), np.datetime64("2020-01-31")), Y, "2020, 1, 31.* in row 0, column 0"),
    "texts": (["some words", 5, "more"], Y, "X is 5 in row 1, and texts in others"),
    "dictionaries": ([{"a": 1}] * 3, Y, r"X is {'a': 1} in row 0: give a row of numbers"),
    "dictionary": ({"a": X[:, 0]}, Y, "X is a dict: give a row of numbers"),
    "meta": (torch.tensor(X, device="meta"), Y, "meta holds no values"),
    "lengths": (X, Y[:2], "X has 3 rows and y 2"),
    "number": (X, 3, "y is 3: give a sequence"),
    "masked": (X, np.ma.masked_array(Y, mask=Y == 0), "y is None in row 0, column 1"),
    "masked class": (X, np.ma.masked_array(Y[:, 0], mask=[0, 1, 0]), "y is None in row 1"),
    "Arrow gap": (X, pa.array([["a"], None, ["b"]]), "no label set in row 1 but None"),
    "category gap": (X, pd.Series(pd.Categorical(["p", None, "q"])), "y is nan in row 1"),
    "bytes": (X, np.array([b"p", b"q", b"p"]), "y is b'p' in row 0"),
    "records": (
        X,
        np.array([(1, 0)] * 3, dtype=[("a", int), ("b", int)]),
        r"y is \(1, 0\) in row 0",
    ),
    "large": (
        X,
        np.array([[0, 1], [10**400, 0], [1, 1]], dtype=object),
        "y has a number of more than 64 bits in row 1",
    ),
    "one class": (X, np.zeros(3, dtype=np.int64), "y has one class, 0: "),
    "NumPy's in objects": (X, np.array([np.int64(3), "q", "p"], dtype=object), "y is 3 in row 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_named_by_row_and_value(case: str) -> None:
    features, y, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        MultiLabelClassifier(max_epochs=1).fit(features, y)
