"""Columns of new rows that lie far from the training rows, as in another unit or another order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from mlc.config.texts import counted, fitted
from mlc.data.preprocessing import FEW, Scaling

# Standard deviations that more than half of the values of a column must be away from its mean.
LEAST_FAR = 5.0
# How many times more than half of the values must be smaller than nearly all in training.
LEAST_SMALLER = 3.0
# The probability that rows like those of training have such a column, at most.
_BY_CHANCE = 0.01
_MOST_ROWS = 256  # That are looked at.
_NAMED, _LONGEST = 3, 40
_SAME = 1e-6  # A relative difference that is a rounding in 32 bits.


def note_on_far_columns(features: Any, scaling: Scaling, names: Sequence[Any] = ()) -> str | None:
    """Return a warning that names the columns in which most new rows are far from the training rows.

    A column is far if more than half of its values are t standard deviations or more away from the
    training mean, or all smaller in magnitude than a third of what 95% of the training values reach.
    Few new rows must be further away, or are not judged by their magnitude: of 2 k - 1 values, k have a
    property of a share p of the training rows with a probability below (4 p)^k, which must be at most
    .01 for all columns together. For t, p is 1 / t^2, by Chebyshev's inequality; t is at least 5.

    Of a column that was constant in the training rows, more than half of the values must differ from
    the constant, and not all be 0 or 1. Not looked at are columns that were not scaled, such as those of
    0 and 1, and sparse rows, where a column is mostly 0. Of many rows, at most 256 are looked at.

    Args:
        features: (N, D), not scaled.
        scaling: of the training.
        names: D names of the columns; none for numbers.

    Returns:
        The warning; None if there is no such column.
    """
    if issparse(features) or not features.shape[0]:
        return None
    rows = np.asarray(features[_sampled(features.shape[0])], dtype=np.float64)
    known = ~np.isnan(rows)
    # More than half of the values.
    ranks = known.sum(axis=0) // 2 + 1
    chance = _BY_CHANCE / rows.shape[1]
    distance = np.where(known, _distances(rows, scaling), -1)
    limit = np.maximum(2 / chance ** (1 / (2 * ranks)), LEAST_FAR)
    far = (distance >= limit).sum(axis=0) >= ranks
    if scaling.least is not None:
        smaller = (np.abs(rows) * LEAST_SMALLER < scaling.least).sum(axis=0) >= ranks
        far |= smaller & _is_scaled(scaling) & ((4 * FEW) ** ranks <= chance)
    columns = np.flatnonzero(far)
    if not len(columns):
        return None
    # The value that more than half are as far away as.
    places = [np.argsort(-distance[:, j], kind="stable")[ranks[j] - 1] for j in columns[:_NAMED]]
    named = [
        _described(names, j, rows[place, j], scaling)
        for j, place in zip(columns.tolist(), places, strict=False)
    ]
    more = len(columns) - len(named)
    others = f"; and {counted(more, 'more column')}" if more else ""
    return (
        "Warning: most new rows are far from the training rows (mean ± standard deviation):"
        f" {'; '.join(named)}{others}. Check the unit and the order of the columns."
    )


def _sampled(n_rows: int) -> NDArray[np.intp]:
    """Return the indices of at most `_MOST_ROWS` rows, spread evenly and without a period."""
    if n_rows <= _MOST_ROWS:
        return np.arange(n_rows)
    golden = (np.sqrt(5) - 1) / 2
    return np.unique((np.arange(_MOST_ROWS) * golden % 1 * n_rows).astype(np.intp))


def _is_scaled(scaling: Scaling) -> NDArray[np.bool_]:
    return np.asarray((scaling.scale != 0) & ((scaling.shift != 0) | (scaling.scale != 1)))


def _distances(rows: NDArray[np.float64], scaling: Scaling) -> NDArray[np.float64]:
    """Return the distances of values from the training mean in standard deviations: (N, D).

    It is infinite for another value than the constant of the training rows.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.where(_is_scaled(scaling), np.abs(rows - scaling.shift) * scaling.scale, 0)
    constant = np.flatnonzero(scaling.scale == 0)
    values, shift = rows[:, constant], scaling.shift[constant]
    differs = ~(np.abs(values - shift) <= _SAME * np.abs(shift))
    are_flags = np.isin(shift, (0, 1)) & (np.isin(values, (0, 1)) | np.isnan(values)).all(axis=0)
    distance[:, constant] = np.where(differs & ~are_flags, np.inf, 0)
    return distance


def _described(names: Sequence[Any], column: int, typical: float, scaling: Scaling) -> str:
    name = fitted(str(names[column]), _LONGEST) if len(names) else str(column + 1)
    shift, scale = scaling.shift[column], scaling.scale[column]
    here = f"{name!r} has values such as {typical:.4g}, and"
    if np.isnan(shift):
        return f"{here} none in training, so they are ignored"
    if scale == 0:
        return f"{here} {shift:.4g} alone in training, so they are ignored"
    return f"{here} {shift:.4g} ± {1 / scale:.4g} in training"
