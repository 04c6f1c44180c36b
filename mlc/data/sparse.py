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
