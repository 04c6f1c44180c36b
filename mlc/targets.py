"""Label sets as users write them, to zeros and ones and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.preprocessing import LabelBinarizer, MultiLabelBinarizer
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from mlc.errors import DataError


@dataclass(frozen=True)
class Targets:
    """Label sets and how they were written.

    Attributes:
        form: "multi_hot", "lists" of labels, or "classes", one for each row.
        labels: (K,).
        multi_hot: (N, K), bool; of classes, two too, each row has exactly one.
    """

    form: str
    labels: NDArray[Any]
    multi_hot: NDArray[np.bool_]

    def decode(self, predicted: NDArray[np.bool_]) -> Any:
        """Label sets (N, K) as zeros and ones or as lists."""
        if self.form == "multi_hot":
            return predicted.astype(np.int64)
        return [self.labels[row].tolist() for row in predicted]

    def encoded(self, label_lists: Any) -> NDArray[np.int64]:
        """Lists of labels as zeros and ones: (N, K).

        Raises:
            DataError: a label was not among those of the training rows.
        """
        known = set(self.labels.tolist())
        for place, labels in enumerate(label_lists):
            for label in labels:
                if label not in known:
                    raise DataError(
                        f"Row {place} of y has the label {label!r}, which fit never saw."
                    )
        encoder = MultiLabelBinarizer(classes=self.labels.tolist())
        return np.asarray(encoder.fit_transform(label_lists))


def encode(y: Any) -> Targets:
    """Zeros and ones (N, K), dense or sparse; a sequence of lists of labels; or classes (N,).

    A list of lists of equal length with nothing but zeros and ones is taken as the first.

    Raises:
        DataError: it is none of these, or has a single class.
    """
    if issparse(y):
        return _multi_hot(y.toarray(), None)
    array = _as_array(y)
    if array is None:
        return _lists(y)
    assert_all_finite(array, input_name="y")
    if array.ndim == 2 and (array.shape[1] > 1 or np.isin(array, (0, 1)).all()):
        return _multi_hot(array, getattr(y, "columns", None))
    return _classes(array)


def _as_array(y: Any) -> NDArray[Any] | None:
    """The array that `y` is, or None where it is a sequence of lists of labels."""
    if not isinstance(y, (list, tuple)) and hasattr(y, "__array__"):
        y = np.asarray(y)
    sequence = [] if isinstance(y, np.ndarray) and y.dtype != object else list(y)
    lists = bool(sequence) and all(
        isinstance(row, (list, tuple, set, frozenset)) for row in sequence
    )
    if not lists:
        return np.asarray(y)
    rectangular = len({len(row) for row in sequence}) == 1 and isinstance(sequence[0], list)
    if rectangular and sequence[0] and all(_is_binary(value) for row in sequence for value in row):
        return np.asarray(sequence)
    return None


def _is_binary(value: Any) -> bool:
    return isinstance(value, (bool, int, float, np.generic)) and value in (0, 1)


def _multi_hot(array: NDArray[Any], columns: Any) -> Targets:
    wrong = np.argwhere(~np.isin(array, (0, 1)))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(
            f"y is {array[row, column]} in row {row}, column {column}: several columns must be labels"
            " of 0 or 1. Unknown label type: give a list of lists of labels for other values."
        )
    labels = np.arange(array.shape[1]) if columns is None else np.asarray(columns)
    return Targets("multi_hot", labels, array.astype(bool))


def _lists(y: Any) -> Targets:
    encoder = MultiLabelBinarizer().fit(y)
    if len(encoder.classes_) == 0:
        raise DataError("No row of y has a label: give at least one.")
    return Targets("lists", encoder.classes_, encoder.transform(y).astype(bool))


def _classes(array: NDArray[Any]) -> Targets:
    values = column_or_1d(array, warn=True)
    check_classification_targets(values)
    encoder = LabelBinarizer().fit(values)
    if len(encoder.classes_) < 2:
        raise DataError(f"y has one class, {encoder.classes_[0]!r}: give rows of at least two.")
    columns = encoder.transform(values).astype(bool)
    if columns.shape[1] == 1:
        columns = np.hstack([~columns, columns])
    return Targets("classes", encoder.classes_, columns)
