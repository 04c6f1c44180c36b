"""The metrics of a finished run, each as scikit-learn defines it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from mlc.metrics.counts import count_metrics

AT_K = (1, 3, 5)
CALIBRATION_BINS = 15


def decision_metrics(decisions: NDArray[np.bool_], targets: NDArray[np.bool_]) -> dict[str, float]:
    """What a decided label set is worth: both (N, K)."""
    values = count_metrics(torch.as_tensor(decisions), torch.as_tensor(targets))
    return {
        **{name: float(value) for name, value in values.items()},
        "cardinality_predicted": float(decisions.sum(axis=1).mean()),
    }


def ranking_metrics(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> dict[str, float]:
    """What the scores are worth before anything is decided: both (N, K).

    coverage_error, ranking_loss and lrap as Tsoumakas et al. 2010, "Mining multi-label data", give
    them. one_error, precision_at_k and recall_at_k leave out samples without labels.
    average_precision_macro and roc_auc_macro leave out labels for which scikit-learn's function is not
    defined (no positive; for the latter also no negative), and average_precision_labels and
    roc_auc_labels count those that are left. A mean over nothing has no entry.
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
        "brier": float(((scores - targets) ** 2).mean()),
        "ece": expected_calibration_error(scores, targets),
    }
    precision = _Ranks.of(scores.T, targets.T).precision()
    average_precision = np.where(targets.any(axis=0), precision, np.nan)
    values.update(_over_defined("average_precision", average_precision))
    values.update(_over_defined("roc_auc", area_under_roc(scores, targets)))
    values.update(_at_top(scores, targets))
    return values


def _over_defined(name: str, by_label: NDArray[np.float64]) -> dict[str, float]:
    """The macro average over the labels that are not NaN, if there are any, and their number: (K,)."""
    defined = by_label[~np.isnan(by_label)]
    macro = {f"{name}_macro": float(defined.mean())} if len(defined) else {}
    return {**macro, f"{name}_labels": float(len(defined))}


@dataclass(frozen=True)
class _Ranks:
    """The ranks of a row's pairs from its highest score, equal ones at the worst: each (N, K).

    One ranking serves what scikit-learn's functions find in a loop over the rows, each anew.
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
        """Mean over a row's positives of the share of positives ranked at least as high: (N,).

        Over samples this is label ranking average precision, over labels (transposed) the average
        precision; 0 for a row without positives.
        """
        share = np.where(self.targets, self.among_positives / self.among_all, 0).sum(axis=1)
        return np.asarray(share / np.maximum(self.targets.sum(axis=1), 1))


def area_under_roc(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> NDArray[np.float64]:
    """P(a positive scores higher than a negative) + P(equal) / 2 for each label: (N, K) to (K,).

    From the sum of the positives' ranks (Mann and Whitney 1947); NaN for a label that is always or
    never positive.
    """
    positives = targets.sum(axis=0)
    pairs = positives * (len(targets) - positives)
    ranks = np.where(targets, rankdata(scores, axis=0), 0).sum(axis=0)
    wins = ranks - positives * (positives + 1) / 2
    return np.asarray(np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))


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
