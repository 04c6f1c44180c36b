"""ML-kNN: the posterior probability of each label from the labels of the nearest neighbours."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors


class MLkNN:
    """The classifier of Zhang and Zhou 2007, "ML-kNN: a lazy learning approach to multi-label learning".

    For each label, P(y_k = 1 | c) is proportional to P(y_k = 1) P(c | y_k = 1), where c of the k nearest
    training rows (Euclidean distance) have the label. The prior is (s + n) / (2 s + N) for n of N rows;
    P(c | y_k = 1) is (s + r_c) / (s (k + 1) + sum r), where r_c training rows with the label have c
    neighbours with it, themselves left out; likewise for y_k = 0.

    Args:
        k: the number of neighbours; all rows if there are fewer.
        smoothing: s.
    """

    def __init__(self, k: int = 10, smoothing: float = 1.0) -> None:
        self.k, self.smoothing = k, smoothing

    def fit(self, features: Any, targets: NDArray[np.bool_]) -> Self:
        """Count the neighbours' labels of each training row: (N, D), dense or sparse, and (N, K)."""
        self._targets = targets.astype(np.int64)
        n_rows, n_labels = targets.shape
        # Without a row for itself.
        self._n_neighbours = min(self.k, n_rows - 1)
        self._index = NearestNeighbors(n_neighbors=self._n_neighbours).fit(features)
        counts = self._counts(self._index.kneighbors(return_distance=False))
        s, n_bins = self.smoothing, self._n_neighbours + 1
        prior = (s + self._targets.sum(axis=0)) / (2 * s + n_rows)
        self._log_odds = np.zeros((n_bins, n_labels))
        for label in range(n_labels):
            with_label = np.bincount(counts[targets[:, label], label], minlength=n_bins)
            without = np.bincount(counts[~targets[:, label], label], minlength=n_bins)
            likelihood = (s + with_label) / (s * n_bins + with_label.sum())
            against = (s + without) / (s * n_bins + without.sum())
            self._log_odds[:, label] = np.log(prior[label] * likelihood) - np.log(
                (1 - prior[label]) * against
            )
        return self

    def predict_proba(self, features: Any) -> NDArray[np.float64]:
        """Return P(y_k = 1 | neighbours): (N, D) to (N, K)."""
        counts = self._counts(self._index.kneighbors(features, return_distance=False))
        odds = np.take_along_axis(self._log_odds, counts, axis=0)
        probabilities: NDArray[np.float64] = 1 / (1 + np.exp(-odds))
        return probabilities

    def _counts(self, neighbours: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the labels of neighbours: (N, k) to (N, K)."""
        counts: NDArray[np.int64] = self._targets[neighbours].sum(axis=1)
        return counts
