"""Conversion of a user's features: texts, arrays, data frames, tensors, sparse matrices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from scipy.sparse import issparse

from mlc.config.errors import DataError, NotANumberError
from mlc.config.texts import shown
from mlc.data.precision import first_infinite
from mlc.data.rows import dense, is_missing
from mlc.data.sparse import canonical

# Lists that are no array.
_RAGGED = "rows of different lengths"


def as_texts(X: Any) -> list[str] | None:
    """Return the texts of a sequence, an array or a series; None for other input."""
    if isinstance(X, (list, tuple)) or (getattr(X, "ndim", 0) == 1 and hasattr(X, "__iter__")):
        rows = list(X)
        if any(isinstance(row, str) for row in rows):
            return [_as_text(row, index) for index, row in enumerate(rows)]
    return None


def _as_text(row: Any, index: int) -> str:
    if isinstance(row, str) or is_missing(row):
        return row if isinstance(row, str) else ""
    raise DataError(f"X is {shown(row)} in row {index}, and texts in others: give texts alone.")


def as_array(X: Any, wanted: str) -> Any:
    """Return rows of numbers as an array of two axes or more, or a sparse matrix; None becomes NaN.

    Args:
        X: what a prediction was given, except texts.
        wanted: what a prediction takes, for messages.

    Raises:
        DataError: there is no row, or the rows are not numbers, or differ in length.
    """
    if isinstance(X, (str, bytes, dict, set)) or (not hasattr(X, "__len__") and np.ndim(X) == 0):
        raise DataError(f"X is {shown(X)}: give {wanted}.")
    if isinstance(X, (list, tuple)) and not len(X):
        raise DataError(f"X holds no row: give {wanted}.")
    array = features_of(X)
    if issparse(array):
        return array
    if isinstance(array, (list, tuple)):
        raise DataError(f"X has {_RAGGED}: give {wanted}.")
    array = np.asarray(array)
    if array.ndim < 2:
        row = f"{shown(X[0])} in row 0" if isinstance(X, (list, tuple)) else "an array of one axis"
        raise DataError(f"X is {row}: give {wanted}.")
    if array.dtype.kind == "O" or (array.dtype.kind in "US" and array.ndim == 2):
        refuse(array)
    if array.dtype.kind not in "biufO":
        raise DataError(f"X is an array of {array.dtype}: give {wanted}.")
    return array


def features_of(X: Any) -> Any:
    """Convert X for scikit-learn: tensors to arrays, missing values of any kind to NaN."""
    if isinstance(X, Iterator):
        X = list(X)
    if isinstance(X, (list, tuple)):
        X = [dense(row) if hasattr(row, "detach") else row for row in X]
        with suppress(ValueError):
            X = np.asarray(X)
    X = X if issparse(X) else dense(X)
    if isinstance(X, np.ndarray) and X.dtype == object:
        gaps = np.array([is_missing(value) for value in X.ravel()], dtype=bool)
        return np.where(gaps.reshape(X.shape), np.nan, X)
    if hasattr(X, "isetitem"):
        frame = X
        for column, dtype in enumerate(X.dtypes):
            if dtype.kind in "mM":
                refuse(X.iloc[:, [column]])
            if dtype.kind == "O":
                frame = X.copy() if frame is X else frame
                values = [np.nan if is_missing(value) else value for value in X.iloc[:, column]]
                frame.isetitem(column, values)
        return frame
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        refuse(X)
    return X


def refuse(X: Any, error: Exception | None = None) -> None:
    """Raise DataError for the first cell of X that is not a float32 number, if there is one."""
    if isinstance(X, (list, tuple)):
        raise DataError(f"X has {_RAGGED}: give a row of numbers for each sample.") from error
    n_axes = len(getattr(X, "shape", ()))
    is_text = n_axes == 1 and X.dtype.kind in "OU"
    if is_text or (n_axes != 2 and not isinstance(error, ValueError)):
        description = (
            f"{shown(X[0])} in row 0" if n_axes == 1 and len(X) else f"a {type(X).__name__}"
        )
        raise NotANumberError(
            f"X is {description}: give a row of numbers for each sample, as an array (N, D) ({error})."
        ) from error
    if n_axes == 2 and getattr(getattr(X, "dtype", None), "kind", "") != "c":
        _refuse_cell(X, error)


def _refuse_cell(X: Any, error: Exception | None) -> None:
    cells: Iterable[tuple[int, int, Any]]
    if issparse(X):
        entries = X.tocoo()
        cells = zip(entries.row.tolist(), entries.col.tolist(), entries.data, strict=True)
    else:
        rows = X.itertuples(index=False, name=None) if hasattr(X, "itertuples") else np.asarray(X)
        cells = ((i, j, value) for i, row in enumerate(rows) for j, value in enumerate(row))
    names = getattr(X, "column_names", getattr(X, "columns", None))
    for row, column, value in cells:
        where = f"in row {row}, column {column if names is None else repr(names[column])}"
        try:
            wrong = not is_missing(value) and _too_large(value)
        except (TypeError, ValueError) as cause:
            reason = f" ({cause})" if isinstance(cause, TypeError) else ""
            cure = "or leave the column out"
            if isinstance(value, str) and hasattr(X, "columns"):
                cure = f"leave the column out, or state text={X.columns[column]!r} for its words"
            raise NotANumberError(
                f"X is {shown(value)} {where}: encode it as numbers (as by OneHotEncoder),"
                f" {cure}{reason}."
            ) from error
        if wrong:
            raise DataError(
                f"X is {shown(value)} {where}, which is infinite or too large for 32 bits: correct it."
            ) from error


def _too_large(value: Any) -> bool:
    if isinstance(value, (np.datetime64, np.timedelta64)):
        raise TypeError("a date is not a number")
    try:
        number = float(value)
    except OverflowError:
        return True
    return abs(number) > float(np.finfo(np.float32).max)


def validated(estimator: Any, X: Any, reset: bool) -> Any:
    """Return the features of X, (N, D) floats, dense or CSR, after scikit-learn's checks.

    Args:
        estimator: a scikit-learn estimator, which notes the number and the names of the columns.
        X: what a fit or a prediction was given.
        reset: whether it is a fit, which needs two rows.

    Raises:
        DataError: a value is no number, with its row and column.
        ValueError: scikit-learn refuses X.
    """
    # Not at the top: as_texts is used where scikit-learn is not.
    from sklearn.utils.validation import validate_data

    X = features_of(X)
    try:
        with np.errstate(over="ignore"):
            features = validate_data(
                estimator,
                X,
                reset=reset,
                accept_sparse="csr",
                dtype=np.float32 if issparse(X) else [np.float64, np.float32],
                ensure_all_finite="allow-nan",
                ensure_min_samples=2 if reset else 1,
            )
    except (ValueError, TypeError, OverflowError) as error:
        refuse(X, error)
        raise
    if issparse(features):
        return canonical(features)
    if first_infinite(features) is not None:
        refuse(X)
    return features
