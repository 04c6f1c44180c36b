"""The width of dense numbers: 32 bits, or 64 where 32 would round a column's differences away."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# In 32 bits a value is rounded by up to 2^-24 of its size: at most .0003 of a standard deviation that is
# 2^12 times smaller.
MOST_SPREADS = 2.0**12
# Numbers that are checked at once: 2^22 are 32 MB.
_CHECKED_AT_ONCE = 2**22


def floats(array: Any) -> Any:
    """Return numbers as floats that hold them: float32 if that is exact, else float64."""
    is_exact = np.can_cast(array.dtype, np.float32)
    return array.astype(np.float32 if is_exact else np.float64, copy=False)


def narrowed(features: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return dense features (N, D) as float32, or as float64 if a column has differences that need it.

    Such a column varies by less than 1 / MOST_SPREADS of its values, as times in seconds since 1970 do
    within some hours.
    """
    if features.dtype == np.float32:
        return features
    if not len(features):
        return features.astype(np.float32)
    step = max(1, _CHECKED_AT_ONCE // max(1, len(features)))
    columns = range(0, features.shape[1], step)
    is_fine = any(_has_fine(features[:, first : first + step]) for first in columns)
    with np.errstate(over="ignore"):
        return features.astype(np.float64 if is_fine else np.float32, copy=False)


def _has_fine(columns: NDArray[np.floating]) -> bool:
    with np.errstate(invalid="ignore", over="ignore"):
        differ = np.fmax.reduce(columns, axis=0) > np.fmin.reduce(columns, axis=0)
        columns = columns[:, differ].astype(np.float64, copy=False)
        n = np.isfinite(columns).sum(axis=0)
        centre = np.nansum(columns, axis=0) / n
        spread = np.sqrt(np.nansum((columns - centre) ** 2, axis=0) / n)
        return bool((np.abs(centre) > MOST_SPREADS * spread).any())
