"""Joining the files of a data set's parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.data.sparse import concatenated


def join_parts(
    features: Sequence[Any],
    targets: Sequence[NDArray[np.bool_]],
    names: Sequence[str] = ("train", "test"),
) -> tuple[Any, NDArray[np.bool_], dict[str, NDArray[np.int64]]]:
    """Concatenate the features and targets of files: one, or the training file and others.

    Args:
        features: (N_p, D) of each file.
        targets: (N_p, K) of each file.
        names: the name of the part in each file.

    Returns:
        Features (N, D), dense or CSR, targets (N, K), and the row indices of several parts.
    """
    if len(targets) == 1:
        return features[0], targets[0], {}
    joined = concatenated(features)
    all_targets = np.concatenate(targets)
    ends = np.cumsum(list(map(len, targets)))[:-1]
    rows = np.split(np.arange(len(all_targets)), ends)
    return joined, all_targets, dict(zip(names, rows, strict=True))
