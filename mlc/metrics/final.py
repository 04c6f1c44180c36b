"""The metrics of a finished run, as scikit-learn defines them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from mlc.metrics.at_top import at_top
from mlc.metrics.chunks import row_slices
from mlc.metrics.counts import count_metrics
from mlc.metrics.names import CARDINALITY

CALIBRATION_BINS = 15
# Pairs of row and label whose decisions are judged at a time, unless one run has more.
_AT_ONCE = 2**20

Mask = NDArray[np.bool_] | None


def decision_metrics(
    decisions: NDArray[np.bool_], targets: NDArray[np.bool_], known: Mask = None
) -> dict[str, float]:
    """Compute the metrics of predicted label sets, (N, K) each.

    With `known`, they are those of the known pairs of row and label: each row has its known labels
    alone, and rows without one are left out. The number of predicted labels is that of all labels.
    """
    return next(decision_metrics_of_runs([(decisions, targets, known)]))


def decision_metrics_of_runs(
    runs: Iterable[tuple[NDArray[np.bool_], NDArray[np.bool_], Mask]],
) -> Iterator[dict[str, float]]:
    """Yield the `decision_metrics` of runs with N rows each; the known pairs are of all or of none.

    Runs are taken from the iterable a few at a time, and their decisions are not kept.
    """
    remaining = iter(runs)
    for first in remaining:
        n_more = max(1, _AT_ONCE // max(1, first[0].size)) - 1
        decisions, targets, known = zip(first, *islice(remaining, n_more), strict=True)
        masks = [mask for mask in known if mask is not None]
        decided = np.stack(decisions)
        values = count_metrics(
            torch.as_tensor(decided),
            torch.as_tensor(np.stack(targets)),
            torch.as_tensor(np.stack(masks)) if masks else None,
        )
        values[CARDINALITY] = torch.as_tensor(decided.sum(axis=2).mean(axis=1))
        of_metrics = [each.tolist() for each in values.values()]
        for of_run in zip(*of_metrics, strict=True):
            yield dict(zip(values, of_run, strict=True))


def ranking_metrics(
    scores: NDArray[np.floating],
    targets: NDArray[np.bool_],
    weights: NDArray[np.float64] | None = None,
    known: Mask = None,
) -> dict[str, float]:
    """Compute the metrics of scores: both (N, K).

    coverage_error, ranking_loss and lrap follow Tsoumakas et al. 2010, "Mining multi-label data".
    one_error and the metrics of the highest labels (`at_top`) omit samples without labels.
    average_precision_macro and roc_auc_macro omit labels for which scikit-learn's function is not
    defined (no positive; for the latter also no negative); average_precision_labels and roc_auc_labels
    count the others. A mean over nothing has no entry. The memory beside the arguments is bounded.

    Args:
        scores: (N, K).
        targets: (N, K).
        weights: (K,), the inverse propensities of the labels, for the propensity-scored metrics.
        known: (N, K), the pairs that count, as in `decision_metrics`; None is all.
    """
    pairs = (scores, targets) if known is None else (scores[known], targets[known])
    values = {"brier": brier_score(*pairs), "ece": expected_calibration_error(*pairs)}
    if known is not None:
        has_known = known.any(axis=1)
        scores, targets, known = scores[has_known], targets[has_known], known[has_known]
        # Unknown labels rank behind all others, where they change no rank.
        scores, targets = np.where(known, scores, -1), targets & known
    values.update(_by_sample(scores, targets, known))
    # Labels are the rows of both.
    by_label, of_labels = scores.T, targets.T
    precisions, areas = [], []
    for rows in row_slices(*by_label.shape):
        ranks = _Ranks.of(by_label[rows], of_labels[rows], None if known is None else known.T[rows])
        precisions.append(np.where(ranks.counts > 0, ranks.precision(), np.nan))
        areas.append(ranks.area_under_roc())
    values.update(_over_defined("average_precision", np.concatenate(precisions)))
    values.update(_over_defined("roc_auc", np.concatenate(areas)))
    values.update(at_top(scores, targets, weights))
    return values


def _by_sample(
    scores: NDArray[np.floating], targets: NDArray[np.bool_], known: Mask
) -> dict[str, float]:
    precisions, covers, losses = [], [], []
    for rows in row_slices(*scores.shape):
        ranks = _Ranks.of(scores[rows], targets[rows], None if known is None else known[rows])
        trivial = (ranks.counts == 0) | (ranks.n_others == 0)
        above = (ranks.among_all - ranks.among_positives).sum(axis=1)
        pairs = np.maximum(ranks.counts * ranks.n_others, 1)
        precisions.append(np.where(trivial, 1, ranks.precision()))
        covers.append(ranks.among_all.max(axis=1))
        losses.append(np.where(trivial, 0, above / pairs))
    return {
        "lrap": float(np.concatenate(precisions).mean()),
        "coverage_error": float(np.concatenate(covers).mean()),
        "ranking_loss": float(np.concatenate(losses).mean()),
    }


def _over_defined(name: str, by_label: NDArray[np.float64]) -> dict[str, float]:
    """Average values (K,) over the labels that are not NaN, if there are any, and count these."""
    defined = by_label[~np.isnan(by_label)]
    macro = {f"{name}_macro": float(defined.mean())} if len(defined) else {}
    return {**macro, f"{name}_labels": float(len(defined))}


@dataclass(frozen=True)
class _Ranks:
    """Ranks of each row's P positives, from one sort of the row; 0 where a row has fewer.

    Attributes:
        counts: (N,), the number of positives.
        n_others: (N,) or one for all, the number of (known) negatives.
        among_all: (N, P), ranks from the highest score, with the worst rank for ties.
        among_positives: (N, P), the same among the positives alone.
        from_lowest: (N, P), ranks from the lowest (known) score, with the mean rank for ties.
    """

    counts: NDArray[np.int64]
    n_others: NDArray[np.int64]
    among_all: NDArray[np.int64]
    among_positives: NDArray[np.int64]
    from_lowest: NDArray[np.float64]

    @classmethod
    def of(
        cls, scores: NDArray[np.floating], targets: NDArray[np.bool_], known: Mask = None
    ) -> Self:
        """Rank the scores; those of unknown pairs are below all others of a row."""
        counts = targets.sum(axis=1)
        width = max(1, int(counts.max(initial=0)))
        row, column = np.nonzero(targets)
        within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        of_positives = np.full((len(scores), width), -np.inf, dtype=scores.dtype)
        of_positives[row, within] = scores[row, column]
        filled = np.arange(width) < counts[:, None]
        n_known = np.full(len(scores), scores.shape[1]) if known is None else known.sum(axis=1)
        n_unknown = scores.shape[1] - n_known[:, None]
        ascending, positives = np.sort(scores, axis=1), np.sort(of_positives, axis=1)
        below = _count(ascending, of_positives, equal=False)
        below_or_equal = _count(ascending, of_positives, equal=True)
        among_positives = width - _count(positives, of_positives, equal=False)
        return cls(
            counts,
            n_known - counts,
            np.where(filled, scores.shape[1] - below, 0),
            np.where(filled, among_positives, 0),
            np.where(filled, (below + below_or_equal + 1) / 2 - n_unknown, 0),
        )

    def precision(self) -> NDArray[np.float64]:
        """Mean over a row's positives of the precision at their rank: (N,).

        For samples this is the label ranking average precision, for labels the average precision; 0 for
        a row without positives.
        """
        share = (self.among_positives / np.maximum(self.among_all, 1)).sum(axis=1)
        return np.asarray(share / np.maximum(self.counts, 1))

    def area_under_roc(self) -> NDArray[np.float64]:
        """P(a positive scores higher than a negative) + P(equal) / 2: (N,).

        From the sum of the positives' ranks (Mann and Whitney 1947); NaN for rows without a positive or
        without a negative.
        """
        wins = self.from_lowest.sum(axis=1) - self.counts * (self.counts + 1) / 2
        pairs = self.counts * self.n_others
        return np.asarray(np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))


def _count(
    ascending: NDArray[np.floating], values: NDArray[np.floating], equal: bool
) -> NDArray[np.int64]:
    """Count the numbers of each ascending row (N, n) below values (N, P), or also equal: (N, P)."""
    rows, wanted = (torch.from_numpy(np.ascontiguousarray(part)) for part in (ascending, values))
    return np.asarray(torch.searchsorted(rows, wanted, right=equal).numpy())


def area_under_roc(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute P(a positive scores higher than a negative) + P(equal) / 2: (N, K) to (K,)."""
    return _Ranks.of(scores.T, targets.T).area_under_roc()


def brier_score(scores: NDArray[np.floating], targets: NDArray[Any]) -> float:
    """Compute the mean squared difference of score and target over all pairs: (N, K), or (n,)."""
    total = sum(
        float(((scores[rows].astype(np.float64) - targets[rows]) ** 2).sum())
        for rows in row_slices(len(scores), math.prod(scores.shape[1:]))
    )
    return total / scores.size


def expected_calibration_error(
    scores: NDArray[np.floating], targets: NDArray[np.bool_], n_bins: int = CALIBRATION_BINS
) -> float:
    """Compute the mean gap between score and frequency over equal bins of all pairs: (N, K), or (n,).

    sum_b |B_b| / n * |mean target in b - mean score in b| (Guo et al. 2017, eq. 3).
    """
    gap = np.zeros(n_bins)
    for rows in row_slices(len(scores), math.prod(scores.shape[1:])):
        values = scores[rows].astype(np.float64)
        bins = np.minimum((values * n_bins).astype(int), n_bins - 1).ravel()
        gap += np.bincount(bins, weights=(targets[rows] - values).ravel(), minlength=n_bins)
    return float(np.abs(gap).sum() / scores.size)
