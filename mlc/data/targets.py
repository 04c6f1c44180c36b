"""Conversion between a user's label sets and zeros and ones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import LabelBinarizer, MultiLabelBinarizer
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from mlc.config.errors import DataError
from mlc.config.texts import shown
from mlc.data.class_checks import refuse_joined, require_one_kind, warn_of_alike, warn_of_blank
from mlc.data.label_bits import binary_value, of_one_language
from mlc.data.missing_labels import HALF, first_not_soft
from mlc.data.rows import Written, is_gap, is_missing, read

_NEEDS_BINARY = (
    "several columns must be labels of 0 or 1, or words such as yes and no or true and false. Unknown"
    " label type: give a list of lists of labels for other values"
)


@dataclass(frozen=True)
class Targets:
    """Encoded label sets and the form of the user's `y`.

    Attributes:
        form: "multi_hot", "lists" of labels, or "classes", one per row.
        labels: (K,).
        multi_hot: (N, K), bool; for classes, even two, each row has exactly one label.
        known: (N, K), bool, the labels that are known; the others are False. None if all are.
        soft: (N, K), float32, the probabilities of labels, if `y` has these.
    """

    form: str
    labels: NDArray[Any]
    multi_hot: NDArray[np.bool_]
    known: NDArray[np.bool_] | None = None
    soft: NDArray[np.float32] | None = None

    def decode(self, predicted: NDArray[np.bool_]) -> Any:
        """Convert label sets (N, K) to zeros and ones or to lists."""
        if self.form == "multi_hot":
            return predicted.astype(np.int64)
        return [self.labels[row].tolist() for row in predicted]

    def encoded(self, y: Any) -> Any:
        """Encode label sets of this form as zeros and ones (N, K); classes (N,) stay unchanged.

        Raises:
            DataError: a label does not occur in the training rows, or `y` has another form.
        """
        written = read(y)
        if self.form == "classes":
            return written.array if written.array is not None else y
        if self.form == "multi_hot":
            if written.array is None:
                raise DataError("y has lists of labels, and fit was given zeros and ones.")
            self._require_order(written.columns)
            return _binary(written.array, written.columns)[0].astype(np.int64)
        if written.sets is None:
            raise DataError("y has no lists of labels, and fit was given lists.")
        known = set(self.labels.tolist())
        for index, labels in enumerate(written.sets):
            for label in labels:
                if label not in known:
                    raise DataError(
                        f"Row {index} of y has the label {shown(label)}, which fit never saw."
                    )
        encoder = MultiLabelBinarizer(classes=self.labels.tolist())
        return np.asarray(encoder.fit_transform(written.sets))

    def _require_order(self, columns: list[Any] | None) -> None:
        """Raise DataError for the columns of `fit` in another order."""
        names = self.labels.tolist()
        if columns is not None and columns != names and set(columns) == set(names):
            raise DataError(
                f"y has the columns {shown(columns)}, and fit was given {shown(names)}: give them in"
                " this order."
            )


def encode(y: Any, missing: str = "refuse", soft: bool = False) -> Targets:
    """Encode zeros and ones (N, K), a sequence of lists of labels, or classes (N,).

    `y` may be an array, data frame, series, tensor or sparse matrix. Zeros and ones may have missing
    values, which `missing` refuses, leaves unknown ("mask"), or takes as 0 ("negative"). Arrays and data
    frames may hold words for 0 and 1, such as yes and no, as the files of the commands may. A row of
    labels is a list, tuple, set, array or series. Ordered rows of equal length that hold only 0 and 1
    are zeros and ones: [(0, 1), (1, 0)] as well as [[0, 1], [1, 0]].

    Raises:
        DataError: `y` has another form, a missing value, or a single class.
    """
    targets = _encoded(y, missing, soft)
    warn_of_alike(targets.labels)
    if targets.form != "classes":
        warn_of_blank(targets.labels, targets.multi_hot.sum(axis=0))
    return targets


def _encoded(y: Any, missing: str, soft: bool) -> Targets:
    if soft:
        return _soft(read(_table(y)), missing)
    written = read(y)
    if written.sets is not None:
        return _lists(written.sets)
    assert written.array is not None
    array = written.array
    if array.ndim == 2 and (array.shape[1] != 1 or _is_all_binary(array, missing)):
        binary, known = _binary(array, written.columns, missing)
        return Targets("multi_hot", _column_names(written, array.shape[1]), binary, known)
    if array.ndim == 2 and _is_all_binary(array, "mask", is_missing):
        row = int(np.argmax(_gaps(array)))
        raise DataError(_not_binary(array[row, 0], row, 0, written.columns, True))
    return _classes(array)


def _table(y: Any) -> Any:
    """Return rows of numbers in lists of one length as an array, and other values unchanged."""
    if not isinstance(y, (list, tuple)):
        return y
    with suppress(ValueError):
        array = np.asarray(y, dtype=object)
        return array if array.ndim == 2 else y
    return y


def _soft(written: Written, missing: str) -> Targets:
    """Encode numbers from 0 to 1, (N, K)."""
    array = None if written.array is None else _as_numbers(written.array)
    if array is None or array.ndim != 2 or array.dtype.kind not in "biufO":
        raise DataError("y must be numbers from 0 to 1, (rows, labels), with soft_labels=True.")
    gaps = _gaps(array)
    try:
        values = np.where(gaps, 0, array).astype(np.float32)
        # A Decimal may be NaN, too.
        gaps |= np.isnan(values)
        values[gaps] = 0
    except (TypeError, ValueError) as error:
        raise DataError(f"y holds no numbers ({error}), which soft_labels=True needs.") from error
    wrong = first_not_soft(values)
    if wrong is not None:
        raise DataError(
            f"y is {values[wrong]:g} in row {wrong[0]}, column {wrong[1]}: with soft_labels=True give"
            " numbers from 0 to 1."
        )
    if gaps.any() and missing not in ("mask", "negative"):
        row, column = (int(index) for index in np.argwhere(gaps)[0])
        raise DataError(_not_binary(np.nan, row, column, written.columns, True))
    known = ~gaps if gaps.any() and missing == "mask" else None
    names = _column_names(written, values.shape[1])
    return Targets("multi_hot", names, values >= HALF, known, values)


def _column_names(written: Written, n_columns: int) -> NDArray[Any]:
    if written.columns is None:
        return np.arange(n_columns)
    names = np.empty(n_columns, dtype=object)
    names[:] = written.columns
    # NumPy would convert numbers among texts to text, and pairs of a multi-index to rows.
    kinds = {isinstance(name, str) for name in written.columns}
    return names if len(kinds) > 1 or np.ndim(written.columns) > 1 else np.asarray(written.columns)


def _as_numbers(array: NDArray[Any]) -> NDArray[Any]:
    """Convert an object array of numbers to floats; return other arrays unchanged."""
    if array.dtype != object:
        return array
    kinds = set(map(type, array.ravel().tolist()))
    if all(issubclass(kind, (bool, int, float, np.number, np.bool_)) for kind in kinds):
        # An integer may exceed the largest float.
        with suppress(OverflowError):
            return array.astype(np.float64)
    return array


def _no_value(value: Any) -> bool:
    """Whether a value among zeros and ones is missing; a text may say so."""
    return is_missing(value) or is_gap(value)


def _is_all_binary(
    array: NDArray[Any], missing: str, is_a_gap: Callable[[Any], bool] = _no_value
) -> bool:
    """Whether a column (N, 1) holds zeros and ones, or words for them of one language."""
    if not of_one_language(str(value).strip().lower() for value in array.ravel().tolist()):
        return False
    other = np.isnan(_zeros_and_ones(array))
    return not (other if missing == "refuse" else other & ~_gaps(array, is_a_gap)).any()


def _gaps(array: NDArray[Any], is_a_gap: Callable[[Any], bool] = _no_value) -> NDArray[np.bool_]:
    """Return which values are missing: None, NaN, pandas' NA or a text such as "" or "nan"."""
    if array.dtype.kind in "fc":
        return np.asarray(np.isnan(array))
    if array.dtype.kind not in "OUT":
        return np.zeros(array.shape, dtype=bool)
    flat = [is_a_gap(value) for value in array.ravel().tolist()]
    return np.array(flat, dtype=bool).reshape(array.shape)


def _zeros_and_ones(array: NDArray[Any]) -> NDArray[np.float64]:
    """Return 0 or 1 for each value, or word for it, and NaN for other values."""
    array = _as_numbers(array)
    if array.dtype.kind in "biufc":
        return np.where(np.isin(array, (0, 1)), array == 1, np.nan)
    # NumPy turns None into NaN.
    flat = [binary_value(value) for value in array.ravel().tolist()]
    return np.array(flat, dtype=np.float64).reshape(array.shape)


def _binary(
    array: NDArray[Any], columns: Any, missing: str | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Convert zeros and ones, or words for them, to bool, and return which are known: (N, K) each.

    `missing` is as in `encode`; None refuses missing values where there is no such choice.
    """
    if array.ndim != 2:
        raise DataError(f"y has {array.ndim} axes: give zeros and ones as (rows, labels).")
    values = _zeros_and_ones(array)
    valid = ~np.isnan(values)
    if valid.all():
        return np.asarray(values == 1), None
    gaps = _gaps(array) if missing in ("mask", "negative") else np.zeros_like(valid)
    if (valid | gaps).all():
        return np.asarray(values == 1), valid if missing == "mask" else None
    row, column = (int(index) for index in np.argwhere(~valid & ~gaps)[0])
    raise DataError(_not_binary(array[row, column], row, column, columns, missing is not None))


def _not_binary(value: Any, row: int, column: int, columns: Any, has_choice: bool) -> str:
    name = column if columns is None else repr(columns[column])
    where = f"in row {row}, column {name}"
    if _no_value(value):
        value = float("nan") if isinstance(value, float) else value
        choice = (
            "leave the row out, or set missing_labels to 'mask', which leaves it unknown, or 'negative'"
            if has_choice
            else "leave the row out"
        )
        return (
            f"y is {shown(value)} {where} (NaN or another gap): fill it with 0 or 1, or {choice}."
        )
    if isinstance(value, str):
        return f"y is {shown(value)}, a str, {where}: {_NEEDS_BINARY}."
    return f"y is {shown(value)} {where}: {_NEEDS_BINARY}."


def _lists(sets: list[Any]) -> Targets:
    encoder = MultiLabelBinarizer().fit(sets)
    if len(encoder.classes_) == 0:
        raise DataError("No row of y has a label: give at least one.")
    return Targets("lists", encoder.classes_, encoder.transform(sets).astype(bool))


def _classes(array: NDArray[Any]) -> Targets:
    if array.dtype.kind in "SV":
        cure = (
            "convert y with .astype(str)" if array.dtype.kind == "S" else "give one column for each"
        )
        raise DataError(f"y is {shown(array.flat[0])} in row 0, no text and no number: {cure}.")
    values = column_or_1d(array, warn=True)
    if values.dtype == object:
        require_one_kind(values)
        values = _as_numbers(values)
    refuse_joined(values)
    assert_all_finite(values, input_name="y")
    check_classification_targets(values)
    encoder = LabelBinarizer().fit(values)
    if len(encoder.classes_) < 2:
        raise DataError(
            f"y has one class, {shown(encoder.classes_[0])}: give rows of at least two."
        )
    columns = encoder.transform(values).astype(bool)
    if columns.shape[1] == 1:
        columns = np.hstack([~columns, columns])
    return Targets("classes", encoder.classes_, columns)
