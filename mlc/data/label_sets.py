"""Enumeration and comparison of label sets."""

import numpy as np
from numpy.typing import NDArray


def all_label_sets(n_labels: int) -> NDArray[np.bool_]:
    """Return all label sets (2^K, K); row i holds the binary digits of i."""
    return (np.arange(2**n_labels)[:, None] >> np.arange(n_labels - 1, -1, -1)) & 1 > 0


def distinct_rows(
    targets: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Compare the label sets of rows (N, K), M of which are distinct.

    Returns:
        A row of each distinct label set, in lexicographic order of the sets, (M,); the number of each
        row's set in this order, (N,); and the number of rows of each set, (M,).
    """
    packed = np.ascontiguousarray(np.packbits(targets, axis=1))
    # As one value of many bytes, which are compared in order, at any number of labels.
    whole = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, number, count = np.unique(
        whole, return_index=True, return_inverse=True, return_counts=True
    )
    return first, number.ravel(), count
