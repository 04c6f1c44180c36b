"""The metrics of a finished run, as scikit-learn defines them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from mlc.metrics.counts import count_metrics
from mlc.metrics.names import AT_K, CARDINALITY

CALIBRATION_BINS = 15


def decision_metrics(decisions: NDArray[np.bool_], targets: NDArray[np.bool_]) -> dict[str, float]:
    """Compute the metrics of predicted label sets: both (N, K)."""
    values = count_metrics(torch.as_tensor(decisions), torch.as_tensor(targets))
    return {
        **{name: float(value) for name, value in values.items()},
        CARDINALITY: float(decisions.sum(axis=1).mean()),
    }


def ranking_metrics(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> dict[str, float]:
    """Compute the metrics of scores: both (N, K).

    coverage_error, ranking_loss and lrap follow Tsoumakas et al. 2010, "Mining multi-label data".
    one_error, precision_at_k and recall_at_k omit samples without labels. average_precision_macro and
    roc_auc_macro omit labels for which scikit-learn's function is not defined (no positive; for the
    latter also no negative); average_precision_labels and roc_auc_labels count the others. A mean over
    nothing has no entry.
    """
    scores = scores.astype(np.float64)
    ranks = _Ranks.of(scores, targets)
    trivial = targets.all(axis=1) | ~targets.any(axis=1)
    above = np.where(targets, ranks.among_all - ranks.among_positives, 0).sum(axis=1)
    pairs = np.maximum(targets.sum(axis=1) * (~targets).sum(axis=1), 1)
    values = {
        "lrap": float(np.where(trivial, 1, ranks.precision()).mean()),
        "coverage_error": float(np.where(targets, ranks.among_all, 0).max(axis=1).mean()),
        "ranking_loss": float(np.where(trivial, 0, above / pairs).mean()),
        "brier": brier_score(scores, targets),
        "ece": expected_calibration_error(scores, targets),
    }
    precision = _Ranks.of(scores.T, targets.T).precision()
    average_precision = np.where(targets.any(axis=0), precision, np.nan)
    values.update(_over_defined("average_precision", average_precision))
    values.update(_over_defined("roc_auc", area_under_roc(scores, targets)))
    values.update(_at_top(scores, targets))
    return values


def _over_defined(name: str, by_label: NDArray[np.float64]) -> dict[str, float]:
    """Average values (K,) over the labels that are not NaN, if there are any, and count these."""
    defined = by_label[~np.isnan(by_label)]
    macro = {f"{name}_macro": float(defined.mean())} if len(defined) else {}
    return {**macro, f"{name}_labels": float(len(defined))}


@dataclass(frozen=True)
class _Ranks:
    """Ranks within each row from the highest score, with the worst rank for ties: each (N, K).

    One ranking of all rows replaces the loops over rows in several functions of scikit-learn.
    """

    targets: NDArray[np.bool_]
    among_all: NDArray[np.float64]
    among_positives: NDArray[np.float64]

    @classmethod
    def of(cls, scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> Self:
        among_all = rankdata(-scores, method="max", axis=1)
        among_positives = rankdata(np.where(targets, -scores, np.inf), method="max", axis=1)
        return cls(targets, among_all, among_positives)

    def precision(self) -> NDArray[np.float64]:
        """Mean over a row's positives of the precision at their rank: (N,).

        For samples this is the label ranking average precision, for labels (transposed) the average
        precision; 0 for a row without positives.
        """
        share = np.where(self.targets, self.among_positives / self.among_all, 0).sum(axis=1)
        return np.asarray(share / np.maximum(self.targets.sum(axis=1), 1))


def area_under_roc(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute P(a positive scores higher than a negative) + P(equal) / 2: (N, K) to (K,).

    From the sum of the positives' ranks (Mann and Whitney 1947); NaN for labels without a
    positive or without a negative.
    """
    positives = targets.sum(axis=0)
    pairs = positives * (len(targets) - positives)
    ranks = np.where(targets, rankdata(scores, axis=0), 0).sum(axis=0)
    wins = ranks - positives * (positives + 1) / 2
    return np.asarray(np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))


def brier_score(scores: NDArray[np.floating], targets: NDArray[Any]) -> float:
    """Compute the mean squared difference of score and target over all sample-label pairs."""
    return float(((scores - targets) ** 2).mean())


def expected_calibration_error(
    scores: NDArray[np.floating], targets: NDArray[np.bool_], n_bins: int = CALIBRATION_BINS
) -> float:
    """Compute the mean gap between score and frequency over equal bins of all sample-label pairs.

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
            n_hits = hits[:, :k].sum(axis=1)
            values[f"precision_at_{k}"] = float((n_hits / k).mean())
            values[f"recall_at_{k}"] = float((n_hits / hits.sum(axis=1)).mean())
    return values
