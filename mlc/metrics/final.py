"""The metrics of a finished run, from scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk
from sklearn.exceptions import UndefinedMetricWarning

CONVENTIONS = (
    "The Jaccard index, F1, precision and recall of two empty sets are 1.",
    "Labels without a positive count 0 in macro averages.",
)
# Metrics that are better when smaller.
LOWER_IS_BETTER = frozenset(
    {"hamming_loss", "coverage_error", "ranking_loss", "one_error", "nll", "brier", "ece"}
)
AT_K = (1, 3, 5)
CALIBRATION_BINS = 15


def decision_metrics(decisions: NDArray[np.bool_], targets: NDArray[np.bool_]) -> dict[str, float]:
    """What a decided label set is worth: both (N, K)."""
    predicted, actual = decisions.astype(np.uint8), targets.astype(np.uint8)
    both_empty = ~(decisions | targets).any(axis=1)
    values = {
        "subset_accuracy": float((decisions == targets).all(axis=1).mean()),
        "hamming_loss": float((decisions != targets).mean()),
        "cardinality_predicted": float(decisions.sum(axis=1).mean()),
    }
    # With K = 1 scikit-learn would read a column of zeros and ones as a binary problem.
    pair = _two_columns(actual), _two_columns(predicted)
    labels = np.arange(actual.shape[1])
    for average in ("samples", "micro", "macro"):
        settings = {"labels": labels, "average": average, "zero_division": 0}
        precision, recall, f1, _ = sk.precision_recall_fscore_support(*pair, **settings)
        found = {
            "jaccard": sk.jaccard_score(*pair, **settings),
            "f1": f1,
            "precision": precision,
            "recall": recall,
        }
        for name, value in found.items():
            if average == "samples":
                value += both_empty.mean()
            elif average == "micro" and both_empty.all():
                value = 1.0
            values[f"{name}_{average}"] = float(value)
    return values


def ranking_metrics(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> dict[str, float]:
    """What the scores are worth before anything is decided: both (N, K).

    Samples without labels have no place in one_error, precision_at_k and recall_at_k, and are left
    out there.
    """
    scores = scores.astype(np.float64)
    padded_scores, padded = _two_columns(scores, fill=-1), _two_columns(targets)
    values = {
        "lrap": float(sk.label_ranking_average_precision_score(padded, padded_scores)),
        "coverage_error": float(sk.coverage_error(padded, padded_scores)),
        "ranking_loss": float(sk.label_ranking_loss(padded, padded_scores)),
        "brier": float(((scores - targets) ** 2).mean()),
        "ece": expected_calibration_error(scores, targets),
    }
    for name, function in (
        ("average_precision_macro", sk.average_precision_score),
        ("roc_auc_macro", sk.roc_auc_score),
    ):
        values[name] = float(
            np.mean(
                [_of_label(function, targets[:, k], scores[:, k]) for k in range(targets.shape[1])]
            )
        )
    values.update(_at_top(scores, targets))
    return values


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


def _of_label(function, target, score) -> float:  # type: ignore[no-untyped-def]
    if not target.any() or (function is sk.roc_auc_score and target.all()):
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        return float(function(target, score))


def _two_columns(matrix, fill=0):  # type: ignore[no-untyped-def]
    """The matrix with a second column where it has one only, which changes no metric here."""
    if matrix.shape[1] > 1:
        return matrix
    return np.concatenate([matrix, np.full_like(matrix, fill)], axis=1)
