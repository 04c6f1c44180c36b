"""The metrics of a finished run, from scikit-learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn import metrics as sk

CONVENTIONS = (
    "The Jaccard index, F1, precision and recall of two empty sets are 1.",
    "Labels without a positive count 0 in macro averages.",
)
AT_K = (1, 3, 5)
CALIBRATION_BINS = 15


def decision_metrics(decisions: NDArray[np.bool_], targets: NDArray[np.bool_]) -> dict[str, float]:
    """What a decided label set is worth: both (N, K)."""
    values = {
        "subset_accuracy": float((decisions == targets).all(axis=1).mean()),
        "hamming_loss": float((decisions != targets).mean()),
        "cardinality_predicted": float(decisions.sum(axis=1).mean()),
    }
    # With K = 1 scikit-learn would read a column of zeros and ones as a binary problem.
    pair = _two_columns(targets.astype(np.uint8)), _two_columns(decisions.astype(np.uint8))
    labels = np.arange(targets.shape[1])
    per_label = sk.multilabel_confusion_matrix(*pair, labels=labels)
    per_sample = sk.multilabel_confusion_matrix(*pair, labels=labels, samplewise=True)
    for average, matrices, empty in (
        ("samples", per_sample, 1.0),
        ("micro", per_label.sum(axis=0, keepdims=True), 1.0),
        ("macro", per_label, 0.0),
    ):
        for name, value in _ratios(matrices, empty).items():
            values[f"{name}_{average}"] = float(value.mean())
    return values


def _ratios(matrices: NDArray[np.int64], empty: float) -> dict[str, NDArray[np.float64]]:
    """The measures of confusion matrices (groups, 2, 2); `empty` where nothing is true or predicted."""
    true, false_positive, false_negative = matrices[:, 1, 1], matrices[:, 0, 1], matrices[:, 1, 0]
    nothing = (true + false_positive + false_negative) == 0

    def ratio(numerator: NDArray[np.int64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
        defined = np.divide(
            numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0
        )
        return np.where(nothing, empty, defined)

    return {
        "jaccard": ratio(true, true + false_positive + false_negative),
        "f1": ratio(2 * true, 2 * true + false_positive + false_negative),
        "precision": ratio(true, true + false_positive),
        "recall": ratio(true, true + false_negative),
    }


def ranking_metrics(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> dict[str, float]:
    """What the scores are worth before anything is decided: both (N, K).

    Samples without labels have no place in one_error, precision_at_k and recall_at_k, and are left
    out there.
    """
    scores = scores.astype(np.float64)
    padded_scores, padded = _two_columns(scores, fill=-1), _two_columns(targets)
    trivial = targets.all(axis=1) | ~targets.any(axis=1)
    values = {
        "lrap": float(np.where(trivial, 1, ranked_precision(scores, targets)).mean()),
        "coverage_error": float(sk.coverage_error(padded, padded_scores)),
        "ranking_loss": float(sk.label_ranking_loss(padded, padded_scores)),
        "brier": float(((scores - targets) ** 2).mean()),
        "ece": expected_calibration_error(scores, targets),
    }
    defined = targets.any(axis=0)
    per_label = ranked_precision(scores.T, targets.T)
    values["average_precision_macro"] = float(np.where(defined, per_label, 0).mean())
    values["roc_auc_macro"] = float(area_under_roc(scores, targets).mean())
    values.update(_at_top(scores, targets))
    return values


def ranked_precision(
    scores: NDArray[np.floating], targets: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Mean over the positives of a row of the share of positives ranked at least as high: (N,).

    Both (N, K). Over samples this is label ranking average precision, over labels (transposed) the
    average precision; 0 for a row without positives. As scikit-learn's functions, which loop over
    the rows, and take ten times as long.
    """
    among_all = rankdata(-scores, method="max", axis=1)
    among_positives = rankdata(np.where(targets, -scores, np.inf), method="max", axis=1)
    share = np.where(targets, among_positives / among_all, 0).sum(axis=1)
    return np.asarray(share / np.maximum(targets.sum(axis=1), 1))


def area_under_roc(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> NDArray[np.float64]:
    """P(a positive scores higher than a negative) + P(equal) / 2 for each label: (N, K) to (K,).

    From the sum of the positives' ranks (Mann and Whitney 1947); 0 for a label that is always or
    never positive.
    """
    positives = targets.sum(axis=0)
    pairs = positives * (len(targets) - positives)
    ranks = np.where(targets, rankdata(scores, axis=0), 0).sum(axis=0)
    wins = ranks - positives * (positives + 1) / 2
    return np.asarray(np.divide(wins, pairs, out=np.zeros(len(pairs)), where=pairs > 0))


def expected_calibration_error(
    scores: NDArray[np.floating], targets: NDArray[np.bool_], n_bins: int = CALIBRATION_BINS
) -> float:
    """Mean gap between score and frequency over equal bins, all sample-label pairs pooled.

    sum_b |B_b| / n * |mean target in b - mean score in b| (Guo et al. 2017, eq. 3).
    """
    bins = np.minimum((scores * n_bins).astype(int), n_bins - 1).ravel()
    gap = np.bincount(bins, weights=(targets - scores).ravel(), minlength=n_bins)
    return float(np.abs(gap).sum() / scores.size)


def _at_top(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> dict[str, float]:
    labelled = targets.any(axis=1)
    ranked = np.argsort(-scores[labelled], axis=1, kind="stable")
    hits = np.take_along_axis(targets[labelled], ranked, axis=1)
    if not labelled.any():
        return {}
    values = {"one_error": float(1 - hits[:, 0].mean())}
    for k in AT_K:
        if k <= targets.shape[1]:
            found = hits[:, :k].sum(axis=1)
            values[f"precision_at_{k}"] = float((found / k).mean())
            values[f"recall_at_{k}"] = float((found / hits.sum(axis=1)).mean())
    return values


def _two_columns(matrix, fill=0):  # type: ignore[no-untyped-def]
    """The matrix with a second column where it has one only, which changes no metric here."""
    if matrix.shape[1] > 1:
        return matrix
    return np.concatenate([matrix, np.full_like(matrix, fill)], axis=1)
