"""Columns of a data frame as features and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.preprocessing import MultiLabelBinarizer

from mlc.errors import DataError

# A column with more different words than these is text, or an identifier.
MOST_CATEGORIES = 1000
_BINARY = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "no": 0, "yes": 1, "false": 0, "true": 1}
_MISSING = {"", "?", "na", "nan", "null", "none"}

Encoded = tuple[NDArray[np.float32], list[str], NDArray[np.bool_]]


def encode_columns(frame: pd.DataFrame, where: str, names: Sequence[str] | None = None) -> Encoded:
    """Numbers as they are, other columns one-hot as NAME=VALUE; missing values are NaN.

    Args:
        frame: the columns that are features.
        where: the file, for messages.
        names: the features that are wanted, as an earlier call named them; None makes them.

    Returns:
        (N, D), the names of its columns, which of them are numeric.

    Raises:
        DataError: a column is missing, or is no number and has too many values; a number is infinite.
    """
    if names is not None:
        return _as_named(frame, where, names)
    blocks, found, numeric = [], [], []
    for name in frame.columns:
        values = _numbers(frame[name], where)
        if values is not None:
            blocks.append(values[:, None])
            found.append(str(name))
            numeric.append(True)
            continue
        words = _words(frame[name])
        kinds = sorted({word for word in words if word is not None})
        if len(kinds) > MOST_CATEGORIES:
            raise DataError(
                f"{where}: the column {str(name)!r} has {len(kinds)} different words: name it in"
                " data.text if it is text, or in data.ignore."
            )
        blocks.append(_one_hot(words, kinds))
        found += [f"{name}={kind}" for kind in kinds]
        numeric += [False] * len(kinds)
    if not found:
        raise DataError(f"{where}: no column is left for features: name fewer in data.ignore.")
    return np.hstack(blocks).astype(np.float32), found, np.array(numeric)


def encode_labels(frame: pd.DataFrame, labels: Sequence[str], separator: str, where: str) -> Any:
    """Targets (N, K), bool, and the K names.

    One column holds label sets, its labels parted by the separator (or lists, in Parquet); several are
    labels of 0 or 1.

    Raises:
        DataError: a column is missing, a value is neither 0 nor 1, or there is no label at all.
    """
    for name in labels:
        if name not in frame.columns:
            raise DataError(
                f"{where}: there is no column {name!r}: data.labels may name"
                f" {', '.join(map(str, frame.columns[:20]))}."
            )
    if len(labels) == 1 and _binary(frame[labels[0]]) is None:
        sets = [_label_set(value, separator) for value in frame[labels[0]]]
        encoder = MultiLabelBinarizer().fit(sets)
        if len(encoder.classes_) == 0:
            raise DataError(f"{where}: no row of the column {labels[0]!r} has a label.")
        return encoder.transform(sets).astype(bool), tuple(map(str, encoder.classes_))
    columns = []
    for name in labels:
        values = _binary(frame[name])
        if values is None:
            wrong = next(
                place for place, value in enumerate(frame[name]) if _binary_value(value) is None
            )
            raise DataError(
                f"{where}: the label {name!r} is {str(frame[name].iloc[wrong])!r} in data row"
                f" {wrong + 1}: labels must be 0 or 1, or true or false, in every row."
            )
        columns.append(values)
    return np.stack(columns, axis=1), tuple(map(str, labels))


def _as_named(frame: pd.DataFrame, where: str, names: Sequence[str]) -> Encoded:
    encoded = np.zeros((len(frame), len(names)), dtype=np.float32)
    numeric = np.zeros(len(names), dtype=bool)
    words: dict[str, list[str | None]] = {}
    for place, name in enumerate(names):
        if name in frame.columns:
            values = _numbers(frame[name], where)
            if values is None:
                raise DataError(f"{where}: the column {name!r} must hold numbers, as in training.")
            encoded[:, place], numeric[place] = values, True
            continue
        column, is_category, kind = name.rpartition("=")
        while column and column not in frame.columns:
            column, _, more = column.rpartition("=")
            kind = f"{more}={kind}"
        if not is_category or column not in frame.columns:
            raise DataError(
                f"{where}: there is no column {name!r}, which the training had: add it."
            )
        if column not in words:
            words[column] = _words(frame[column])
        encoded[:, place] = [word == kind for word in words[column]]
    return encoded, list(names), numeric


def _numbers(column: pd.Series[Any], where: str) -> NDArray[np.float64] | None:
    """The column as numbers, None where it holds other words."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        numbers = column.astype(float).to_numpy()
    else:
        texts = column.astype("string").str.strip()
        missing = texts.isna() | texts.str.lower().isin(_MISSING)
        parsed = pd.to_numeric(texts.mask(missing), errors="coerce")
        if (parsed.isna() & ~missing).any() or missing.all():
            return None
        numbers = parsed.to_numpy(dtype=float, na_value=np.nan)
    with np.errstate(over="ignore"):
        wrong = np.flatnonzero(np.isinf(numbers.astype(np.float32)))
    if len(wrong):
        raise DataError(
            f"{where}: the column {str(column.name)!r} is infinite, or too large for 32 bits, in data"
            f" row {wrong[0] + 1}: correct it."
        )
    return np.asarray(numbers)


def _words(column: pd.Series[Any]) -> list[str | None]:
    found = [None if value is None or value is pd.NA else str(value).strip() for value in column]
    return [None if word is None or word.lower() in _MISSING else word for word in found]


def _one_hot(words: Sequence[str | None], kinds: Sequence[str]) -> NDArray[np.float64]:
    place = {kind: number for number, kind in enumerate(kinds)}
    block = np.zeros((len(words), len(kinds)))
    for row, word in enumerate(words):
        if word is not None:
            block[row, place[word]] = 1
    return block


def _binary(column: pd.Series[Any]) -> NDArray[np.bool_] | None:
    values = [_binary_value(value) for value in column]
    return None if None in values or not values else np.array(values, dtype=bool)


def _binary_value(value: Any) -> int | None:
    return _BINARY.get(str(value).strip().lower())


def _label_set(value: Any, separator: str) -> list[str]:
    if isinstance(value, (list, tuple, np.ndarray)):
        labels = [str(label).strip() for label in value]
    elif value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        labels = []
    else:
        labels = [label.strip() for label in str(value).split(separator)]
    return [label for label in labels if label]
