"""Baselines that ignore the features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier

from mlc.data.base import Dataset
from mlc.data.splits import Split


def most_frequent_set(dataset: Dataset, split: Split) -> NDArray[np.bool_]:
    """Return the most frequent label set of the training rows for every test row: (N, K)."""
    train = dataset.targets[split.train]
    label_sets, index = np.unique(train, axis=0, return_inverse=True)
    dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(train), 1)), index.ravel())
    return np.asarray(label_sets[dummy.predict(np.zeros((len(split.test), 1)))])


def prior_scores(dataset: Dataset, split: Split) -> dict[str, NDArray[np.float64]]:
    """Return the label frequencies of the training rows for every row: (N, K) by part."""
    prior = dataset.targets[split.train].mean(axis=0)
    return {part: np.tile(prior, (len(split.parts()[part]), 1)) for part in ("val", "test")}
