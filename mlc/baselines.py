"""What a classifier reaches that does not look at the features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier

from mlc.data import Dataset, Split

Bool = NDArray[np.bool_]


def most_frequent_set(dataset: Dataset, split: Split) -> dict[str, Bool]:
    """The label set that most training rows have, for every row: (N, K) for "val" and "test"."""
    train = dataset.targets[split.train]
    label_sets, index = np.unique(train, axis=0, return_inverse=True)
    index = index.ravel()
    dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(train), 1)), index)
    return {
        part: label_sets[dummy.predict(np.zeros((len(getattr(split, part)), 1)))]
        for part in ("val", "test")
    }


def prior_scores(dataset: Dataset, split: Split) -> dict[str, NDArray[np.float64]]:
    """Each label's frequency among the training rows, for every row: (N, K) for "val" and "test"."""
    prior = dataset.targets[split.train].mean(axis=0)
    return {part: np.tile(prior, (len(getattr(split, part)), 1)) for part in ("val", "test")}
