"""Baselines that ignore the features."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from mlc.data.base import Dataset
from mlc.data.label_sets import distinct_rows
from mlc.data.splits import Split


def most_frequent_set(dataset: Dataset, split: Split) -> NDArray[np.bool_]:
    """Return the most frequent label set of the training rows for every test row: (N, K).

    Of equally frequent sets it is the first in lexicographic order.
    """
    train = dataset.targets[split.train]
    first, _, count = distinct_rows(train)
    best = train[first[np.argmax(count)]]
    return np.tile(best, (len(split.test), 1))


def prior_scores(dataset: Dataset, split: Split) -> dict[str, NDArray[np.float64]]:
    """Return the label frequencies of the training rows for every row: (N, K) by part.

    The rows of a part share their memory.
    """
    prior = torch.from_numpy(dataset.targets[split.train].mean(axis=0))
    return {part: prior.expand(len(split.parts()[part]), -1).numpy() for part in ("val", "test")}
