"""Encoding of a data frame's columns as features and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.texts import listed, shown
from mlc.data.byte_columns import refuse_bytes
from mlc.data.files import IMAGE_ENDINGS
from mlc.data.label_bits import BINARY_WORDS, binary_value
from mlc.data.label_cells import MISSING, CellForm, read_cells, read_cells_as
from mlc.data.left_out import refuse_nested, without_row_numbers
from mlc.data.locations import location_of
from mlc.data.numerals import decimal_of, gaps, marked, numbers_of, slips

# A column with more distinct words is text or an identifier.
MOST_CATEGORIES = 1000
# In a single 0/1 column, a smaller share of other values counts as slips.
_SLIPS = 0.1
# A column of words with this many rows, of which this share differ, is text or an identifier.
_FEW_ROWS, _ALL_DIFFERENT = 20, 0.9
# A value of at least this many words is probably a text.
_WORDS_OF_TEXT = 4


class Labels(NamedTuple):
    """Targets (N, K), bool; K names; the form of the cells of a single column; assumptions."""

    targets: NDArray[np.bool_]
    names: tuple[str, ...]
    form: CellForm | None = None
    notes: tuple[str, ...] = ()


class Encoded(NamedTuple):
    """Features (N, D), their names, and which of them are numeric.

    `categories` maps each column of words to its number of values; `notes` are assumptions.
    """

    values: NDArray[np.float32]
    names: list[str]
    numeric: NDArray[np.bool_]
    categories: dict[str, int]
    notes: tuple[str, ...] = ()


class _Column(NamedTuple):
    """Features (N, d) of one column, their names, and what its notes need.

    `odd`, `mark` and `gap` describe odd cells; `is_text` says that most categories have several words.
    """

    values: NDArray[Any]
    names: list[str]
    numeric: bool
    odd: str | None = None
    mark: str | None = None
    gap: str | None = None
    is_text: bool = False


def encode_columns(frame: pd.DataFrame, where: str, names: Sequence[str] | None = None) -> Encoded:
    """Encode numbers as they are and other columns one-hot as NAME=VALUE; missing numbers are NaN.

    Args:
        frame: the feature columns.
        where: the file, for messages.
        names: the features to encode, as named by an earlier call; None derives them from the frame.

    Raises:
        DataError: a column is missing, or is not numeric and has too many values; a number is infinite.
    """
    if names is not None:
        refuse_nested(frame[[name for name in frame.columns if str(name) in names]], where)
        return _as_named(frame, where, names)
    refuse_nested(frame, where)
    frame, dropped = without_row_numbers(frame)
    decimal = decimal_of(frame)
    columns = {str(name): _encode_column(frame[name], where, decimal) for name in frame.columns}
    feature_names = [name for column in columns.values() for name in column.names]
    if not feature_names:
        raise DataError(f"{where}: no column is left for features: name fewer in data.ignore.")
    widths = [len(column.names) for column in columns.values()]
    return Encoded(
        np.hstack([column.values for column in columns.values()]).astype(np.float32),
        feature_names,
        np.repeat([column.numeric for column in columns.values()], widths),
        {name: len(column.names) for name, column in columns.items() if not column.numeric},
        (*(c.odd for c in columns.values() if c.odd is not None), *dropped, *_notes(columns)),
    )


def _encode_column(column: pd.Series[Any], where: str, decimal: str | None) -> _Column:
    name = str(column.name)
    values = _numbers(column, where, decimal)
    if values is not None:
        mark = marked(column, values)
        return _Column(values[:, None], [name], True, mark=mark, gap=gaps(column))
    slip = slips(column, where)
    words = _words(column)
    kinds = sorted({word for word in words if word is not None})
    if len(kinds) > MOST_CATEGORIES:
        raise DataError(
            f"{where}: the column {name!r} has {len(kinds)} different words:{_of_images(name, kinds)}"
            " name it in data.text if it is text, or in data.ignore."
        )
    filled = sum(word is not None for word in words)
    if slip is not None and filled >= _FEW_ROWS and len(kinds) * 2 >= filled:
        raise DataError(f"{where}: {slip}: correct it or leave it empty.")
    if filled >= _FEW_ROWS and len(kinds) >= _ALL_DIFFERENT * filled:
        raise DataError(
            f"{where}: {len(kinds)} of {filled} rows of the column {name!r} differ:"
            f"{_of_images(name, kinds)} name it in data.text if it is text, or in data.ignore, as in"
            f" 'data.ignore=[{name}]'."
        )
    one_hot = pd.get_dummies(pd.Categorical(words, categories=kinds)).to_numpy(dtype=np.float32)
    odd = None if slip is None else f"Warning: {slip}: all its values are taken as categories."
    if images := _of_images(name, kinds):
        odd = (
            f"Warning: the names of images in the column {name!r} are taken as categories:{images} leave"
            f" it out by 'data.ignore=[{name}]'."
        )
    if odd is None and filled >= _FEW_ROWS and len(kinds) * 2 > filled:
        odd = (
            f"Warning: the column {name!r} has {len(kinds)} different values in {filled} rows, each of"
            f" them a feature: leave it out by 'data.ignore=[{name}]', or replace it by numbers."
        )
    several_words = sum(len(kind.split()) >= _WORDS_OF_TEXT for kind in kinds)
    is_text = several_words * 2 > len(kinds)
    return _Column(one_hot, [f"{name}={kind}" for kind in kinds], False, odd, is_text=is_text)


def _of_images(name: str, kinds: Sequence[str]) -> str:
    """What to do with a column that names image files; empty for other columns."""
    if not kinds or not all(kind.lower().endswith(IMAGE_ENDINGS) for kind in kinds):
        return ""
    return f" its images are read by data=images and 'data.file={name}', or"


def encode_labels(
    frame: pd.DataFrame,
    labels: Sequence[str],
    separator: str | None,
    where: str,
    form: CellForm | None = None,
) -> Labels:
    """Encode label columns as targets.

    A single column holds label sets (see `read_cells`), or, without a separator, one label of 0 and 1.
    Several columns are labels of 0 and 1. `form` is the form of the single column in an earlier file.

    Raises:
        DataError: a column is missing, a value is neither 0 nor 1, or there is no label at all.
    """
    for name in labels:
        if name not in frame.columns:
            raise DataError(
                f"{where}: there is no column {name!r}: data.labels may name"
                f" {', '.join(map(str, frame.columns[:20]))}."
            )
        refuse_bytes(frame[name], where)
    if len(labels) == 1 and (form is not None or separator or not _is_binary(frame[labels[0]])):
        return _label_sets(frame[labels[0]], separator, where, form)
    columns = [_zeros_and_ones(frame[name], where) for name in labels]
    return Labels(np.stack(columns, axis=1), tuple(map(str, labels)))


def _label_sets(
    column: pd.Series[Any], separator: str | None, where: str, form: CellForm | None
) -> Labels:
    # scikit-learn takes a second to import, and mlc-predict does not need it.
    from sklearn.preprocessing import MultiLabelBinarizer

    name, values = str(column.name), column.tolist()
    if form is None:
        sets, form = read_cells(values, separator, where, name)
    else:
        sets = read_cells_as(values, form, where, name)
    classes = [str(index) for index in range(form.width)]
    encoder = MultiLabelBinarizer(classes=classes or None).fit(sets)
    if len(encoder.classes_) == 0 or not any(sets):
        raise DataError(f"{where}: no row of the column {name!r} has a label.")
    targets = encoder.transform(sets).astype(bool)
    return Labels(targets, tuple(map(str, encoder.classes_)), form, form.notes)


def _zeros_and_ones(column: pd.Series[Any], where: str) -> NDArray[np.bool_]:
    values = [binary_value(value) for value in column]
    if None in values:
        wrong = values.index(None)
        raise DataError(
            f"{where}: the label {str(column.name)!r} is {shown(str(column.iloc[wrong]))} in"
            f" {location_of(where, wrong)}: labels must be 0 or 1, yes or no, or true or false,"
            " in every row; where cells name labels, state data.separator."
        )
    return np.array(values, dtype=bool)


def zero_one_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns whose values are exactly 0 and 1, or words for them."""
    names = []
    for name in frame.columns:
        values = {binary_value(value) for value in frame[name]}
        if values == {0, 1}:
            names.append(str(name))
    return names


def _as_named(frame: pd.DataFrame, where: str, names: Sequence[str]) -> Encoded:
    encoded = np.zeros((len(frame), len(names)), dtype=np.float32)
    numeric = np.zeros(len(names), dtype=bool)
    words: dict[str, list[str | None]] = {}
    decimal = decimal_of(frame[[name for name in names if name in frame.columns]])
    for index, name in enumerate(names):
        if name in frame.columns:
            values = _numbers(frame[name], where, decimal)
            if values is None and all(word is None for word in _words(frame[name])):
                values = np.full(len(frame), np.nan)
            if values is None:
                raise DataError(f"{where}: the column {name!r} must hold numbers, as in training.")
            encoded[:, index], numeric[index] = values, True
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
        encoded[:, index] = [word == kind for word in words[column]]
    return Encoded(encoded, list(names), numeric, {})


def _notes(columns: Mapping[str, _Column]) -> tuple[str, ...]:
    """Describe gaps and marks in numbers, and texts that became categories."""
    texts = [name for name, column in columns.items() if column.is_text]
    marks = [column.mark for column in columns.values() if column.mark is not None]
    empty = [column.gap for column in columns.values() if column.gap is not None]
    notes = []
    if empty:
        notes.append(f"Gaps among numbers: {'; '.join(empty[:3])}.")
    if texts:
        notes.append(
            f"The values of {listed(texts, 5)} are taken as categories, although most have several"
            f" words: data.text={texts[0]} would count their words."
        )
    if marks:
        notes.append(f"Decimal commas or thousands marks: {', '.join(marks[:3])}.")
    return tuple(notes)


def _numbers(
    column: pd.Series[Any], where: str, decimal: str | None = None
) -> NDArray[np.float64] | None:
    """Convert a column to numbers; return None if it holds other words."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        numbers = column.astype(float).to_numpy()
    else:
        parsed = numbers_of(column, decimal, where)
        if parsed is None:
            return None
        numbers = parsed.to_numpy(dtype=float, na_value=np.nan)
    with np.errstate(over="ignore"):
        wrong = np.flatnonzero(np.isinf(numbers.astype(np.float32)))
    if len(wrong):
        raise DataError(
            f"{where}: the column {str(column.name)!r} is infinite, or too large for 32 bits, in"
            f" {location_of(where, int(wrong[0]))}: correct it."
        )
    return np.asarray(numbers)


def _words(column: pd.Series[Any]) -> list[str | None]:
    words = [None if value is None or value is pd.NA else str(value).strip() for value in column]
    return [None if word is None or word.lower() in MISSING else word for word in words]


def _is_binary(column: pd.Series[Any]) -> bool:
    """Whether a single column is a label of 0 and 1, perhaps with a few slips and gaps."""
    words = [str(value).strip().lower() for value in column]
    filled = [word for word in words if word not in MISSING]
    values = [BINARY_WORDS.get(word) for word in filled]
    n_slips = values.count(None)
    few = n_slips < _SLIPS * len(values) and {0, 1} <= set(values)
    return bool(values) and (not n_slips or few)
