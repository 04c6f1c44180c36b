"""Label sets in arrays of several forms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from mlc.config.errors import DataError
from mlc.config.texts import counted, shortened
from mlc.data.files import MOST_COLUMNS, require_memory
from mlc.data.label_bits import binary_value
from mlc.data.label_cells import GAPS
from mlc.data.label_literals import literal
from mlc.data.label_separators import NAMES, combined_by, split_cell
from mlc.data.missing_labels import SOFT_RANGE, first_not_soft

MultiHot = NDArray[np.bool_]


def label_sets(
    path: Path, y: Any, names: tuple[str, ...] | None, numbers: bool, n_labels: int
) -> tuple[MultiHot, tuple[str, ...]]:
    """Convert an array to targets (N, K) and K names.

    Args:
        path: the file, for messages.
        y: zeros and ones or booleans (N, K), dense or sparse; integers (N, M), the labels of each row,
            padded with -1; texts (N, M), padded with ""; zeros and ones (N,), a single label; integers
            (N,) or texts (N,), one label per row.
        names: the label names; None takes the numbers or the texts.
        numbers: whether values of this or of another part are label numbers; see `are_numbers`.
        n_labels: least K for label numbers without names.

    Raises:
        DataError: the array has none of these forms.
    """
    if issparse(y):
        _require_binary(path, y.data)
        require_memory(path, y.shape[0] * y.shape[1], "its labels")
        return _named(path, y.toarray().astype(bool), names)
    if y.ndim not in (1, 2) or y.dtype.kind not in "biufU" or y.shape[-1] == 0 or len(y) == 0:
        raise DataError(
            f"{path}: y is an array of {y.dtype} in the shape {y.shape}: give 0 and 1 (N, K), or the"
            " numbers of each row's labels, padded with -1."
        )
    table = y[:, None] if y.ndim == 1 else y
    if y.dtype.kind == "U":
        return _of_texts(path, table, names)
    if numbers and y.dtype.kind != "b" and _is_whole(table):
        return _of_numbers(path, table, names, n_labels)
    if y.dtype.kind == "b" or np.isin(table, (0, 1)).all():
        return _named(path, table.astype(bool), names)
    raise _not_binary(path, table)


def parted_texts(
    arrays: Sequence[Any], names: tuple[str, ...] | None
) -> tuple[list[Any], tuple[str, ...]]:
    """Split texts (N,) that each hold a label set; return texts (N, M), padded with "", and a note.

    Such texts are lists, as Python writes them, or have a separator whose pieces recur.

    Args:
        arrays: y of each part.
        names: the label names, if they are stated: a text among them is one label.
    """
    given = list(arrays)
    if any(issparse(y) or y.ndim != 1 or y.dtype.kind != "U" for y in given):
        return given, ()
    texts = list(dict.fromkeys(str(text) for y in given for text in y if text.strip()))
    lists = [literal(text) for text in texts]
    are_lists = bool(lists) and all(labels is not None for labels in lists)
    sign = None if are_lists else combined_by(texts)
    if not (are_lists or sign) or (names is not None and set(texts) <= set(names)):
        return given, ()
    example = next(text for text in texts if sign is None or sign in text)
    how = (
        "are lists"
        if sign is None
        else f"hold labels with {NAMES.get(sign, repr(sign))} between them"
    )
    note = (
        f"The texts of y {how}, such as {shortened(example, 40)!r}: they are split. To take each text as"
        " one label, store y in the shape (N, 1)."
    )
    return [_split_texts(y, sign) for y in given], (note,)


def words_as_bits(arrays: Sequence[Any]) -> list[Any]:
    """Return texts (N, K) that are words for 0 and 1, such as yes and no, as zeros and ones.

    A label set has each label once, so that in one row a word must stand twice. Words for a gap, such as
    NaN, and empty texts become NaN.
    """
    given = list(arrays)
    if any(issparse(y) or y.ndim != 2 or y.dtype.kind != "U" or not y.size for y in given):
        return given
    words = {str(word): word.strip().lower() for y in given for word in np.unique(y)}
    values = {word: np.nan if low in GAPS else binary_value(word) for word, low in words.items()}
    if None in values.values():
        return given
    filled = (
        [word for word in row if words[word] not in GAPS] for y in given for row in y.tolist()
    )
    if not any(len(set(row)) < len(row) for row in filled):
        return given
    bits = [np.vectorize(values.get, otypes=[float])(y) for y in given]
    return [y if np.isnan(y).any() else y.astype(int) for y in bits]


def _split_texts(y: NDArray[np.str_], sign: str | None) -> NDArray[np.str_]:
    pieces = [
        split_cell(str(text), sign) if sign else map(str, literal(str(text)) or []) for text in y
    ]
    once = map(dict.fromkeys, pieces)
    columns = list(map(list, zip_longest(*once, fillvalue="")))
    return np.array(columns or [[""] * len(y)], dtype=str).T


def _not_binary(path: Path, table: NDArray[Any]) -> DataError:
    if _is_whole(table) and table.min() == -1:
        return DataError(
            f"{path}: y holds -1, 0 and 1 alone, which may be labels that are false, or numbers of"
            " labels padded with -1: give 0 and 1, (N, K)."
        )
    wrong = np.argwhere(~np.isin(table, (0, 1)))[0]
    return DataError(
        f"{path}: y is {table[tuple(wrong)]} in row {wrong[0] + 1}: labels must be 0 or 1 (N, K), or the"
        " numbers of each row's labels, padded with -1."
    )


def without_gaps(y: Any) -> tuple[Any, MultiHot | None]:
    """Return y with 0 for NaN, and which labels are known, (N, K); None if all are."""
    if y.dtype.kind != "f" or y.ndim not in (1, 2):
        return y, None
    if issparse(y):
        return _sparse_without_gaps(y)
    gaps = np.isnan(y)
    if not gaps.any():
        return y, None
    return np.where(gaps, 0, y), ~(gaps[:, None] if y.ndim == 1 else gaps)


def _sparse_without_gaps(y: Any) -> tuple[Any, MultiHot | None]:
    gaps = np.isnan(y.data)
    if not gaps.any():
        return y, None
    filled, missing = y.copy(), y.copy()
    filled.data[gaps], missing.data = 0, gaps
    return filled, ~missing.toarray()


def probabilities(path: Path, y: Any) -> NDArray[np.float32]:
    """Return labels that are numbers from 0 to 1: (N, K), or (N,) for one label, to (N, K).

    Raises:
        DataError: they are not.
    """
    y = y.toarray() if issparse(y) else y
    if y.ndim not in (1, 2) or y.dtype.kind not in "biuf" or 0 in y.shape:
        raise DataError(
            f"{path}: y is an array of {y.dtype} in the shape {y.shape}: with data.soft_labels=true give"
            " numbers from 0 to 1, (N, K)."
        )
    with np.errstate(over="ignore"):
        # What overflows is refused below.
        table = np.asarray(y[:, None] if y.ndim == 1 else y, dtype=np.float32)
    if (wrong := first_not_soft(table)) is not None:
        row, column = wrong
        raise DataError(
            f"{path}: y is {table[wrong]:g} in row {row + 1}, column {column + 1}: {SOFT_RANGE}."
        )
    return table


def are_numbers(y: Any) -> bool:
    """Whether an array holds label numbers: integers above 1, either flat or padded with -1."""
    if issparse(y) or y.dtype.kind not in "iuf" or y.size == 0 or not _is_whole(y):
        return False
    return bool(y.max() > 1 and (y.ndim == 1 or (y == -1).any()))


def _is_whole(table: NDArray[Any]) -> bool:
    if table.dtype.kind != "f":
        return table.dtype.kind in "iu"
    return bool((np.isfinite(table) & (table == np.rint(table))).all())


def _require_binary(path: Path, values: NDArray[Any]) -> None:
    wrong = np.flatnonzero(~np.isin(values, (0, 1)))
    if len(wrong):
        raise DataError(
            f"{path}: the sparse y holds {values[wrong[0]]}: labels must be 0 or 1 in every row."
        )


def _named(
    path: Path, multi_hot: MultiHot, names: tuple[str, ...] | None
) -> tuple[MultiHot, tuple[str, ...]]:
    n_labels = multi_hot.shape[1]
    if names is not None and len(names) != n_labels:
        raise DataError(
            f"{path} has {counted(len(names), 'name')} of labels, and y has"
            f" {counted(n_labels, 'column')}: correct one."
        )
    return multi_hot, names or tuple(map(str, range(n_labels)))


def _of_numbers(
    path: Path, table: NDArray[Any], names: tuple[str, ...] | None, n_labels: int
) -> tuple[MultiHot, tuple[str, ...]]:
    if table.min() < -1:
        row = int(np.argmax((table < -1).any(axis=1)))
        raise DataError(
            f"{path}: y is {table.min():g} in row {row + 1}: numbers of labels must be 0 or more, or -1"
            " where a row has no more."
        )
    largest = int(table.max())
    n_labels = len(names) if names is not None else max(n_labels, largest + 1)
    if largest >= n_labels:
        row = int(np.argmax((table == largest).any(axis=1)))
        raise DataError(
            f"{path}: y is {largest} in row {row + 1}, and there are names of"
            f" {counted(n_labels, 'label')}: numbers of labels must count from 0."
        )
    require_memory(path, len(table) * n_labels, "its labels")
    if n_labels > MOST_COLUMNS:
        raise DataError(
            f"{path}: y holds the label {largest}, and at most {MOST_COLUMNS} labels can be used:"
            " correct it, or number the labels anew."
        )
    multi_hot = np.zeros((len(table), n_labels), dtype=bool)
    rows, cols = np.nonzero(table >= 0)
    chosen = table[rows, cols].astype(np.int64)
    multi_hot[rows, chosen] = True
    short = np.flatnonzero(multi_hot.sum(axis=1) < (table >= 0).sum(axis=1))
    if len(short):
        raise DataError(f"{path}: y holds a label twice in row {short[0] + 1}: remove one.")
    return multi_hot, names or tuple(map(str, range(n_labels)))


def _of_texts(
    path: Path, texts: NDArray[Any], names: tuple[str, ...] | None
) -> tuple[MultiHot, tuple[str, ...]]:
    present = tuple(str(text) for text in np.unique(texts) if text)
    names = present if names is None else names
    unknown = sorted(set(present) - set(names))
    if unknown or not names:
        problem = f"the label {unknown[0]!r}, which label_names lacks" if unknown else "no label"
        raise DataError(f"{path}: y holds {problem}: correct one of the two.")
    require_memory(path, len(texts) * len(names), "its labels")
    column_of = {name: column for column, name in enumerate(names)}
    multi_hot = np.zeros((len(texts), len(names)), dtype=bool)
    rows, cols = np.nonzero(texts != "")
    multi_hot[rows, [column_of[str(text)] for text in texts[rows, cols]]] = True
    short = np.flatnonzero(multi_hot.sum(axis=1) < (texts != "").sum(axis=1))
    if len(short):
        raise DataError(
            f"{path}: y holds a label twice in row {short[0] + 1}:"
            " give 0 and 1 (N, K), or each label once."
        )
    return multi_hot, names
