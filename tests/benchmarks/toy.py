"""A small data set with two splits, for tests of benchmarks."""

from __future__ import annotations

import numpy as np

from mlc.data.base import Dataset
from mlc.data.splits import Split


def toy(other_test_labels: bool = False) -> tuple[Dataset, list[Split]]:
    """Return three labels that follow from one number each; the test rows' may be the opposite."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(160, 4)).astype(np.float32)
    targets = features[:, :3] + 0.5 * rng.normal(size=(160, 3)) > 0.3
    if other_test_labels:
        targets[100:] = ~targets[100:]
    rows = np.arange(160)
    splits = [Split(rows[seed : 60 + seed], rows[70:100], rows[100:]) for seed in (0, 5)]
    names = tuple("wxyz"), tuple("abc")
    return Dataset("flags", features, targets, *names, np.ones(4, dtype=bool)), splits
