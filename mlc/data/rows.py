"""Conversion of a user's labels: arrays, data frames, tensors, sequences of sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from mlc.config.errors import DataError
from mlc.config.texts import shown
from mlc.data.label_bits import binary_value
from mlc.data.label_cells import GAPS

_CONTAINERS = (list, tuple, set, frozenset, range)


@dataclass(frozen=True)
class Written:
    """The content of `y`: an array of values, or a list of labels for each row.

    Attributes:
        array: (N, K) or (N,), any dtype; None for lists.
        columns: the K column names of a data frame.
        sets: N lists of labels of one kind; None for an array.
    """

    array: NDArray[Any] | None = None
    columns: list[Any] | None = None
    sets: list[list[Any]] | None = None


def dense(value: Any) -> Any:
    """Convert tensors, sparse and masked matrices to arrays, masked values to None."""
    value = value.toarray() if issparse(value) else dense_tensor(value)
    if isinstance(value, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(value)
        if not masked.any():
            return value.data
        with_gaps = value.data.astype(object)
        with_gaps[masked] = None
        return with_gaps
    return np.asarray(value) if isinstance(value, np.matrix) else value


def dense_tensor(value: Any) -> Any:
    """Convert a tensor of any device and dtype to an array; return other values unchanged."""
    if hasattr(value, "detach") and hasattr(value, "is_floating_point"):
        if getattr(value, "is_meta", False):
            raise DataError("A tensor on the device meta holds no values: give one that does.")
        if getattr(value, "is_sparse", False) or "sparse" in str(getattr(value, "layout", "")):
            value = value.to_dense()
        value = value.detach().cpu()
        # NumPy lacks bfloat16; a double holds the values of all types.
        return (value.double() if value.is_floating_point() else value).numpy()
    return value


def read(y: Any) -> Written:
    """Return the values or the label lists in `y`.

    Raises:
        DataError: among lists of labels, a row is not a list, or has a missing label or labels of two
            kinds.
    """
    written = _read(y)
    _refuse_huge(written.array if written.sets is None else written.sets)
    return written


def _refuse_huge(values: Any) -> None:
    """Raise DataError for integers of more than 64 bits."""
    if isinstance(values, list) or values.dtype == object:
        for index, row in enumerate(values):
            for value in row if isinstance(row, (list, np.ndarray)) else (row,):
                if type(value) is int and abs(value) >= 2**63:
                    raise DataError(
                        f"y has a number of more than 64 bits in row {index}: write it as text."
                    )


def _read(y: Any) -> Written:
    y = dense(y)
    if isinstance(y, (str, bytes, dict, set, frozenset)):
        raise DataError(f"y is a {type(y).__name__}: give a sequence with one entry for each row.")
    if isinstance(y, np.ndarray) and y.dtype != object:
        return Written(array=y)
    names = getattr(y, "column_names", None) or getattr(y, "columns", None)
    if not isinstance(y, (list, tuple)) and hasattr(y, "__array__"):
        y = np.asarray(y)
    if isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] == 1 and y.dtype == object:
        rows = list(y[:, 0])
        if any(map(_is_container, rows)):
            return _read_rows(rows)
    if isinstance(y, np.ndarray) and (y.ndim != 1 or y.dtype != object):
        return Written(array=y, columns=None if names is None else list(names))
    if not hasattr(y, "__iter__"):
        raise DataError(f"y is {shown(y)}: give a sequence with one entry for each row.")
    rows = list(y)
    if any(map(_is_container, rows)):
        return _read_rows(rows)
    return Written(array=_as_objects(rows) if _is_mixed(rows) else np.asarray(rows))


def is_missing(value: Any) -> bool:
    """Whether the value is None, NaN, NaT or pandas' NA."""
    if value is None:
        return True
    if isinstance(value, (float, np.floating)):
        return bool(np.isnan(value))
    return type(value).__name__ in ("NAType", "NaTType")


def is_gap(value: Any) -> bool:
    """Whether the value is a text for a missing one, such as "", "nan" or "?"."""
    return isinstance(value, str) and value.strip().lower() in GAPS


def is_number(value: Any) -> bool:
    """Whether the value is a bool, an int or a float, of Python or of NumPy."""
    return isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating))


def _is_container(value: Any) -> bool:
    if isinstance(value, _CONTAINERS):
        return True
    return not isinstance(value, (str, bytes, np.generic)) and getattr(value, "ndim", 0) == 1


def _is_mixed(rows: list[Any]) -> bool:
    """Whether NumPy would convert numbers or missing values to text."""
    n_texts = sum(isinstance(value, str) for value in rows)
    return 0 < n_texts < len(rows) or any(map(is_missing, rows))


def _as_objects(rows: list[Any]) -> NDArray[Any]:
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array


def _read_rows(rows: list[Any]) -> Written:
    for index, row in enumerate(rows):
        if not _is_container(row):
            cure = (
                f"write [{shown(row)}]"
                if isinstance(row, str)
                else "write [] for a row without one"
            )
            raise DataError(f"y has no label set in row {index} but {shown(row)}: {cure}.")
    lists = [_labels(row) for row in rows]
    ordered = not any(isinstance(row, (set, frozenset)) for row in rows)
    if ordered and lists[0] and len({len(row) for row in lists}) == 1:
        if all(is_number(value) and value in (0, 1) for row in lists for value in row):
            return Written(array=np.asarray(lists))
        if _have_gaps(lists):
            return Written(array=np.array(lists, dtype=object))
        _refuse_text(lists)
    _require_one_kind(lists)
    _refuse_twice(lists)
    return Written(sets=lists)


def _have_gaps(lists: list[list[Any]]) -> bool:
    """Whether lists hold zeros, perhaps ones, and missing values alone."""
    values = [value for row in lists for value in row]
    filled = [value for value in values if not is_missing(value)]
    are_binary = all(is_number(value) and value in (0, 1) for value in filled)
    return are_binary and 0 in filled


def _labels(row: Any) -> list[Any]:
    """Return the labels of a row as Python values."""
    values = dense(row)
    values = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return [
        value.item() if isinstance(value, np.generic) and not is_missing(value) else value
        for value in values
    ]


def _refuse_text(lists: list[list[Any]]) -> None:
    """Raise DataError for lists of words for 0 and 1: a label set holds each label once."""
    values = {value for row in lists for value in row if isinstance(value, str)}
    if all(isinstance(v, str) for row in lists for v in row) and all(
        binary_value(value) is not None or is_gap(value) for value in values
    ):
        for index, row in enumerate(lists):
            filled = [word for word in row if not is_gap(word)]
            if len(set(filled)) < len(filled):
                raise DataError(
                    f"y is {shown(row)} in row {index}, zeros and ones as text: give the rows as an"
                    " array or a data frame, which may hold words for 0 and 1."
                )


def _refuse_twice(lists: list[list[Any]]) -> None:
    """Raise DataError for a repeated number, which a label set does not have."""
    for index, row in enumerate(lists):
        if row and is_number(row[0]) and len(set(row)) < len(row):
            raise DataError(
                f"y is {shown(row)} in row {index}, which repeats a number: a label set holds"
                " each label once, and zeros and ones need rows of one length and no other value."
            )


def _require_one_kind(lists: list[list[Any]]) -> None:
    first: tuple[str, Any, int] | None = None
    for index, row in enumerate(lists):
        for label in row:
            if is_missing(label):
                raise DataError(f"y has the label {shown(label)} in row {index}: leave it out.")
            kind = _kind(label)
            if kind is None:
                raise DataError(
                    f"y has the label {shown(label)} in row {index}, a {type(label).__name__}: a label"
                    " is a text or a number."
                )
            first = first or (kind, label, index)
            if kind != first[0]:
                raise DataError(
                    f"y has the label {shown(first[1])} in row {first[2]} and {shown(label)} in row"
                    f" {index}: write all labels as {first[0]}, or all as {kind}."
                )


def _kind(label: Any) -> str | None:
    if isinstance(label, str):
        return "text"
    if isinstance(label, bool):
        return "truth values"
    if is_number(label):
        return "numbers"
    try:
        hash(label)
    except TypeError:
        return None
    return f"{type(label).__name__} values"
