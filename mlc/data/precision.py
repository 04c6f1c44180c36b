"""The width of dense numbers: 32 bits, or 64 where 32 would round a column's differences away."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.data.sparse import is_sparse

# In 32 bits a value is rounded by up to 2^-24 of its size: at most .0003 of a standard deviation that is
# 2^12 times smaller.
MOST_SPREADS = 2.0**12
# Numbers that are checked at once: 2^22 are 32 MB.
_CHECKED_AT_ONCE = 2**22
_LEAST_ROWS, _MOST_STEPS = 8, 4  # Of a part that is tried.


def floats(array: Any) -> Any:
    """Return numbers as floats that hold them: float32 if that is exact, else float64."""
    is_exact = np.can_cast(array.dtype, np.float32)
    return array.astype(np.float32 if is_exact else np.float64, copy=False)


def narrowed(features: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return dense features (N, D) as float32, or as float64 if a column has differences that need it.

    Such a column varies by less than 1 / MOST_SPREADS of its values, as times in seconds since 1970 do
    within some hours. Parts of the rows are tried too: a time of 0 among the others, or in the rows of a
    test file, makes all vary more than those of training.
    """
    if features.dtype == np.float32:
        return features
    if not len(features):
        return features.astype(np.float32)
    step = max(1, _CHECKED_AT_ONCE // max(1, len(features)))
    columns = range(0, features.shape[1], step)
    is_fine = any(
        _has_fine(rows[:, first : first + step]) for first in columns for rows in _parted(features)
    )
    with np.errstate(over="ignore"):
        return features.astype(np.float64 if is_fine else np.float32, copy=False)


def _parted(features: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    """Return the rows, or for many of them every few rows of each half."""
    half = len(features) // 2
    n_steps = min(_MOST_STEPS, half // _LEAST_ROWS)
    if n_steps == 0:
        return [features]
    halves = features[:half], features[half:]
    return [rows[start::n_steps] for rows in halves for start in range(n_steps)]


def _has_fine(columns: NDArray[np.floating]) -> bool:
    with np.errstate(invalid="ignore", over="ignore"):
        differ = np.fmax.reduce(columns, axis=0) > np.fmin.reduce(columns, axis=0)
        columns = columns[:, differ].astype(np.float64, copy=False)
        n = np.isfinite(columns).sum(axis=0)
        centre = np.nansum(columns, axis=0) / n
        spread = np.sqrt(np.nansum((columns - centre) ** 2, axis=0) / n)
        return bool((np.abs(centre) > MOST_SPREADS * spread).any())


def first_infinite(features: Any) -> tuple[int, int] | None:
    """Return row and column of the first value that is infinite in float32; None without any."""
    values = features.data if is_sparse(features) else features
    if not values.size:
        return None
    with np.errstate(over="ignore"):
        # Of most data, the ends alone need to be looked at.
        ends = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
        if not np.isinf(np.array(ends).astype(np.float32)).any():
            return None
        wrong = np.nonzero(np.isinf(values.astype(np.float32)))
    entries = features.tocoo() if is_sparse(features) else None
    rows, columns = wrong if entries is None else (entries.row[wrong[0]], entries.col[wrong[0]])
    first = np.argmin(rows)
    return int(rows[first]), int(columns[first])
