"""Weightings of counts, such as those of words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.data.sparse import is_sparse

WEIGHTINGS = ("tfidf", "counts", "binary")


def weighting_of(features: Any, given: str, where: str) -> str | None:
    """Choose the weighting of features; `given` is one of WEIGHTINGS or "auto".

    Sparse features are counts if all of them are non-negative integers and some exceed 1.

    Raises:
        DataError: a weighting is given, and the features are not counts.
    """
    if not is_sparse(features):
        if given in ("auto", "counts"):
            return None
        raise DataError(f"{where}: data.weighting={given} needs sparse features: leave it out.")
    if given == "auto":
        return "tfidf" if are_counts(features.data) and (features.data > 1).any() else None
    if not are_counts(features.data):
        if given == "counts":
            return None
        raise DataError(
            f"{where}: data.weighting={given} needs counts, and a feature is negative, missing or no"
            " whole number: leave it out."
        )
    return given


def are_counts(values: NDArray[Any]) -> bool:
    """Whether all values are non-negative integers, without NaN."""
    return bool(((values >= 0) & (values == np.floor(values))).all())


def weighted(values: NDArray[Any], weighting: str | None) -> NDArray[Any]:
    """Transform the entries of sparse counts: 1 + log for tfidf, 1 for binary; 0 stays 0."""
    if weighting == "tfidf":
        with np.errstate(divide="ignore"):
            logs: NDArray[Any] = np.where(values > 0, 1 + np.log(values), 0).astype(values.dtype)
        return logs
    if weighting == "binary":
        ones: NDArray[Any] = (values != 0).astype(values.dtype)
        return ones
    return values
