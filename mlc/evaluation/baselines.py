"""What a classifier reaches that does not look at the features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier

from mlc.data.base import Dataset
from mlc.data.splits import Split


def most_frequent_set(dataset: Dataset, split: Split) -> NDArray[np.bool_]:
    """The label set that most training rows have, for every test row: (N, K)."""
    train = dataset.targets[split.train]
    label_sets, index = np.unique(train, axis=0, return_inverse=True)
    dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(train), 1)), index.ravel())
    return np.asarray(label_sets[dummy.predict(np.zeros((len(split.test), 1)))])


def prior_scores(dataset: Dataset, split: Split) -> dict[str, NDArray[np.float64]]:
    """Each label's frequency among the training rows, for every row: (N, K) for "val" and "test"."""
    prior = dataset.targets[split.train].mean(axis=0)
    return {part: np.tile(prior, (len(split.parts()[part]), 1)) for part in ("val", "test")}
