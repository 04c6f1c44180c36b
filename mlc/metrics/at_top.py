"""Metrics of the labels with the highest scores of each sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlc.metrics.chunks import row_slices
from mlc.metrics.names import AT_K

# The constants of Jain et al. 2016 for all data sets but those of Wikipedia and Amazon.
_A, _B = 0.55, 1.5

Floats = NDArray[np.float64]


def inverse_propensities(targets: NDArray[np.bool_]) -> Floats:
    """Compute how much a true label counts in propensity-scored metrics: (N, K) to (K,).

    The propensity p of a label, the probability that a true label is noted in the data, grows with its
    number n of N training rows: 1 / p = 1 + C (n + B)^-A, with C = (log N - 1) (B + 1)^A, A = 0.55 and
    B = 1.5; with fewer than 3 rows C is 0.

    Source: Jain, Prabhu and Varma 2016, "Extreme multi-label loss functions for recommendation,
    tagging, ranking & other missing label applications", section 3.

    Args:
        targets: the targets of the training rows.
    """
    c = max(0.0, np.log(len(targets)) - 1) * (_B + 1) ** _A
    return np.asarray(1 + c * (targets.sum(axis=0) + _B) ** -_A)


def at_top(
    scores: NDArray[np.floating], targets: NDArray[np.bool_], weights: Floats | None = None
) -> dict[str, float]:
    """Compute one_error, and precision, recall and nDCG at k: both (N, K); rows without labels omitted.

    Of equal scores the first label is the higher one. With y the true labels among the k highest:
    precision is |y| / k, recall |y| / |true|, and ndcg the sum of 1 / log2(1 + rank) over y, divided by
    that of the first min(k, |true|) ranks.

    With weights, psprecision and psndcg count each true label with its weight (`inverse_propensities`).
    They are the mean over rows, divided by the mean of the best ranking, so that 1 can be reached.
    Source: Jain et al. 2016, section 5; divided as in the code of the Extreme Classification Repository.

    Returns:
        The metrics by name; empty without a label.
    """
    labelled = np.flatnonzero(targets.any(axis=1))
    if not len(labelled):
        return {}
    most = min(max(AT_K), targets.shape[1])
    chunks = row_slices(len(labelled), targets.shape[1])
    top = np.concatenate([highest_labels(scores[labelled[rows]], most) for rows in chunks])
    hits = np.take_along_axis(targets[labelled], top, axis=1)
    counts = targets[labelled].sum(axis=1)
    values = {"one_error": float(1 - hits[:, 0].mean())}
    discount = 1 / np.log2(np.arange(2, most + 2))
    for k in AT_K:
        if k <= most:
            n_hits = hits[:, :k].sum(axis=1)
            ideal = discount[:k].cumsum()[np.minimum(counts, k) - 1]
            values[f"precision_at_{k}"] = float((n_hits / k).mean())
            values[f"recall_at_{k}"] = float((n_hits / counts).mean())
            values[f"ndcg_at_{k}"] = float((hits[:, :k] @ discount[:k] / ideal).mean())
    if weights is not None:
        best = _highest_weights(targets[labelled], counts, weights, most)
        values.update(_weighted(hits * weights[top], best, counts, discount))
    return values


def _weighted(
    gains: Floats, best: Floats, counts: NDArray[np.int64], discount: Floats
) -> dict[str, float]:
    """Compute psprecision and psndcg of gains by rank and of the best gains: (N, n) each."""
    values = {}
    for k in AT_K:
        if k <= gains.shape[1]:
            ideal = discount[:k].cumsum()[np.minimum(counts, k) - 1]
            precision, possible = (part[:, :k].sum(axis=1).mean() for part in (gains, best))
            ndcg, most = ((part[:, :k] @ discount[:k] / ideal).mean() for part in (gains, best))
            values[f"psprecision_at_{k}"] = float(precision / possible)
            values[f"psndcg_at_{k}"] = float(ndcg / most)
    return values


def highest_labels(scores: NDArray[np.floating], n: int) -> NDArray[np.int64]:
    """Return the n labels with the highest scores, the first of equals: (N, K) to (N, n)."""
    left = scores.copy()
    columns = []
    for _ in range(n):
        columns.append(left.argmax(axis=1))
        np.put_along_axis(left, columns[-1][:, None], -np.inf, axis=1)
    return np.stack(columns, axis=1)


def _highest_weights(
    targets: NDArray[np.bool_], counts: NDArray[np.int64], weights: Floats, n: int
) -> Floats:
    """Return the n largest weights of each row's true labels, 0 where there are fewer: (N, n)."""
    row, column = np.nonzero(targets)
    within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    of_row = np.zeros((len(targets), max(n, int(counts.max()))))
    of_row[row, within] = weights[column]
    return np.asarray(-np.sort(-of_row, axis=1)[:, :n])
