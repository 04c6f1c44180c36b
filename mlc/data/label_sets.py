"""Label sets of data that is made."""

import numpy as np
from numpy.typing import NDArray


def all_label_sets(n_labels: int) -> NDArray[np.bool_]:
    """Every label set, row i being the binary digits of i: (2^K, K)."""
    return (np.arange(2**n_labels)[:, None] >> np.arange(n_labels - 1, -1, -1)) & 1 > 0
