"""Pieces of arrays that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator

# Pairs of rows and labels that are computed at a time.
_AT_ONCE = 2**24


def row_slices(n_rows: int, n_labels: int) -> Iterator[slice]:
    """Yield consecutive slices of the rows of an array (N, K)."""
    step = max(1, _AT_ONCE // max(1, n_labels))
    return (slice(first, first + step) for first in range(0, n_rows, step))
