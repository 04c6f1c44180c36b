"""Sparse matrices, without an import of scipy where there are none."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np


def is_sparse(features: Any) -> bool:
    """Whether the features are one of scipy's sparse matrices or arrays."""
    scipy = sys.modules.get("scipy.sparse")
    return scipy is not None and bool(scipy.issparse(features))


def concatenated(parts: Sequence[Any]) -> Any:
    """Return the rows of all parts, as CSR if they are sparse."""
    if not is_sparse(parts[0]):
        return np.concatenate(parts)
    from scipy.sparse import vstack

    return vstack(parts, format="csr")


def canonical(matrix: Any) -> Any:
    """Return a sparse matrix as CSR with one entry for each cell that is not 0, in order.

    Entries of the same cell are added. The matrix itself stays as it is.
    """
    rows = matrix.tocsr()
    is_canonical = rows.has_canonical_format and len(rows.data) == rows.nnz
    if not is_canonical or np.count_nonzero(rows.data) < rows.nnz:
        rows = rows.copy()
        rows.sum_duplicates()
        rows.eliminate_zeros()
    return rows
