"""Enumeration of label sets."""

import numpy as np
from numpy.typing import NDArray


def all_label_sets(n_labels: int) -> NDArray[np.bool_]:
    """Return all label sets (2^K, K); row i holds the binary digits of i."""
    return (np.arange(2**n_labels)[:, None] >> np.arange(n_labels - 1, -1, -1)) & 1 > 0
