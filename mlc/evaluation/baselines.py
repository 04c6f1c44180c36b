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

    Of equally frequent sets it is the first in lexicographic order. Missing labels are taken as
    negative, unless some training rows have all labels: then these alone count.
    """
    complete = dataset.complete(split.train)
    train = dataset.targets[complete if len(complete) else split.train]
    first, _, count = distinct_rows(train)
    best = train[first[np.argmax(count)]]
    return np.tile(best, (len(split.test), 1))


def prior_scores(dataset: Dataset, split: Split) -> dict[str, NDArray[np.float64]]:
    """Return the label frequencies of the training rows for every row: (N, K) by part.

    Each label counts in the rows where it is known, one that never is as absent. The rows of a part
    share their memory.
    """
    targets, known = dataset.targets[split.train], dataset.known_of(split.train)
    if known is None:
        prior = torch.from_numpy(targets.mean(axis=0))
    else:
        prior = torch.from_numpy(targets.sum(axis=0) / known.sum(axis=0).clip(min=1))
    return {part: prior.expand(len(split.parts()[part]), -1).numpy() for part in ("val", "test")}
