"""Numbers that may stand for missing values, such as -999 among values from 0 to 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.texts import counted, fitted
from mlc.data.base import Dataset
from mlc.data.sparse import is_sparse

# A value that stands for a gap is repeated, among this many different other values.
LEAST_ROWS, LEAST_VALUES = 2, 10
# Between it and the others: times the range of their middle 90%, and of all of them.
LEAST_GAP, LEAST_RANGES = 3.0, 2.0
_MIDDLE = np.array([0.05, 0.95])
_NAMED, _LONGEST = 3, 40
_CHECKED_AT_ONCE = 2**22


def note_on_sentinels(dataset: Dataset) -> tuple[str, ...]:
    """Warn of columns in which a repeated least or greatest value is very far from all others.

    The distance to the nearest other value must be at least twice the range of the others, and three
    times that of their middle 90%; ten of them must differ. So codes and counts have none. A 0 in more
    than half of the rows stands for none of something. Sparse columns are not looked at.
    """
    features: Any = dataset.features
    if dataset.samples != "columns" or is_sparse(features):
        return ()
    columns = np.flatnonzero(dataset.numeric)
    step = max(1, _CHECKED_AT_ONCE // len(features))
    found = []
    for first in range(0, len(columns), step):
        part = columns[first : first + step]
        candidates = part[_with_a_gap(features[:, part])]
        found += [(j, *each) for j in candidates for each in sentinels(features[:, j])]
    if not found:
        return ()
    named = [
        f"{fitted(dataset.feature_names[j], _LONGEST)!r} is {value:g} in {counted(n, 'row')} and"
        f" otherwise {low:g} to {high:g}"
        for j, value, n, low, high in found[:_NAMED]
    ]
    more = len(found) - len(named)
    others = f"; and {counted(more, 'more such value')}" if more else ""
    return (
        f"Warning: {'; '.join(named)}{others}: a number that stands for a missing value hides the"
        " differences of the others; leave its cell empty (nan in arrays, ? in ARFF), which is read as"
        " missing.",
    )


def _with_a_gap(columns: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether the least or the greatest value of each column may be one; a quick test: (D,)."""
    low, high = np.fmin.reduce(columns, axis=0), np.fmax.reduce(columns, axis=0)
    is_low, is_high = columns == low, columns == high
    inner = np.where(is_low | is_high, np.nan, columns)
    next_low, next_high = np.fmin.reduce(inner, axis=0), np.fmax.reduce(inner, axis=0)
    gap = LEAST_RANGES * (next_high - next_low)
    below = (is_low.sum(axis=0) >= LEAST_ROWS) & (next_low - low >= gap)
    above = (is_high.sum(axis=0) >= LEAST_ROWS) & (high - next_high >= gap)
    return np.asarray(below | above)


def sentinels(column: NDArray[np.floating]) -> list[tuple[float, int, float, float]]:
    """Return the values of a column (N,) that stand apart, with their rows and the others' range."""
    known = column[np.isfinite(column)].astype(np.float64)
    values, counts = np.unique(known, return_counts=True)
    # Both ends, of which one would hide the other, or one of them.
    for ends in ([0, -1], [0], [-1]):
        inner, of_inner = (np.delete(every, ends) for every in (values, counts))
        if len(inner) < LEAST_VALUES:
            continue
        middle = inner[np.searchsorted(of_inner.cumsum(), _MIDDLE * of_inner.sum())]
        least_gap = max(LEAST_GAP * np.ptp(middle), LEAST_RANGES * np.ptp(inner))
        if all(
            abs(values[end] - inner[end]) >= least_gap
            and counts[end] >= LEAST_ROWS
            and (values[end] != 0 or 2 * counts[end] <= len(known))
            for end in ends
        ):
            low, high = float(inner[0]), float(inner[-1])
            return [(float(values[end]), int(counts[end]), low, high) for end in ends]
    return []
