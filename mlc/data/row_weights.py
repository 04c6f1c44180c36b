"""Weights of rows, as a user gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.texts import shown
from mlc.data.rows import dense
from mlc.data.splits import Split


def row_weights(given: Any, n_rows: int) -> NDArray[np.float64] | None:
    """Return a weight of each row, (N,), or None if none are given.

    Raises:
        DataError: there are not as many as rows, or one is negative, infinite or no number.
    """
    if given is None:
        return None
    try:
        weights = np.asarray(dense(given), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"sample_weight is {shown(given)}: give a number for each row, at least 0."
        ) from error
    if weights.shape != (n_rows,):
        raise DataError(
            f"sample_weight has the shape {weights.shape}, and there are {n_rows} rows: give a number"
            " for each row."
        )
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"sample_weight is {weights[row]:g} in row {row}: give a number that is at least 0."
        )
    return weights


def require_weight(
    weights: NDArray[np.float64] | None,
    splits: Sequence[Split],
    known: NDArray[np.bool_] | None = None,
) -> None:
    """Raise DataError if all training rows of a split (with `known` (N, K) labels) have the weight 0."""
    if weights is None:
        return
    counted = weights if known is None else weights * known.any(axis=1)
    if any(not counted[split.train].any() for split in splits):
        which = "training rows" if known is None else "training rows with known labels"
        raise DataError(f"sample_weight is zero in all {which}: give some rows more.")
