"""Values of a metric at the thresholds of the highest scores, for data with many labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from mlc.config.errors import DataError
from mlc.metrics.counts import CountMetric, count_true
from mlc.metrics.sweep import (
    ScoreSweep,
    SortedScores,
    ThresholdSweep,
    cuts,
    from_highest,
)

# From this number of labels, only the highest scores of a row are candidates.
MANY_LABELS = 1000
# Candidates of a row; twice the largest number of true labels if that is more.
LEAST_KEPT = 256
# Pairs of which the highest are selected at a time.
_AT_ONCE = 2**24


@dataclass(frozen=True)
class TopScores(ScoreSweep):
    """The M highest scores of each row, from which the sweeps of any number of metrics are computed.

    Labels beyond a row's M highest scores are not predicted. The sweep is exact for thresholds with
    which no row has more than M labels, and for all thresholds if M = K. The memory is O(N M).

    Attributes:
        scores: (..., N, M), from the highest; the first label of equals is the first.
        labels: (..., N, M), int64.
        hits: (..., N, M), whether the row has the label, as zeros and ones.
        by_row: (..., N), the number of true labels of each row.
        by_label: (..., K), the number of true rows of each label.
    """

    scores: Tensor
    labels: Tensor
    hits: Tensor
    by_row: Tensor
    by_label: Tensor

    @classmethod
    def of(cls, scores: Tensor, targets: Tensor, n_kept: int = LEAST_KEPT) -> Self:
        """Select the highest scores: scores and targets (..., N, K)."""
        n_rows = max(1, _AT_ONCE // max(1, scores[..., :1, :].numel()))
        chunks = zip(scores.split(n_rows, dim=-2), targets.split(n_rows, dim=-2), strict=True)
        return cls.joined([cls._selected(*chunk, n_kept) for chunk in chunks])

    @classmethod
    def _selected(cls, scores: Tensor, targets: Tensor, n_kept: int) -> Self:
        highest, labels = scores.detach().topk(min(n_kept, scores.shape[-1]), dim=-1)
        # Which of equal scores topk returns first is not defined.
        first = scores.argmax(dim=-1, keepdim=True)
        labels = torch.where(labels == first, labels[..., :1], labels)
        labels = torch.cat([first, labels[..., 1:]], dim=-1)
        counts = count_true(targets, -1), count_true(targets, -2)
        return cls(highest.double(), labels, targets.gather(-1, labels).double(), *counts)

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Return the pairs of all rows; the parts are of consecutive rows."""
        by_label = torch.stack([part.by_label for part in parts]).sum(dim=0)
        scores, labels, hits = (
            torch.cat([getattr(part, name) for part in parts], dim=-2)
            for name in ("scores", "labels", "hits")
        )
        return cls(scores, labels, hits, torch.cat([p.by_row for p in parts], dim=-1), by_label)

    def with_top_labels(self) -> Self:
        """Return the pairs with the top label of each row above all others."""
        above = self.scores.amax(dim=(-2, -1), keepdim=True) + 1
        scores = torch.cat([above.expand_as(self.scores[..., :1]), self.scores[..., 1:]], dim=-1)
        return type(self)(scores, self.labels, self.hits, self.by_row, self.by_label)

    def sweep(self, metric: CountMetric) -> ThresholdSweep:
        """Compute the metric of `scores >= t` for the decisions that keep to these pairs.

        Each pair changes the value of its group when it joins, so the metric is a cumulative sum of
        these changes, as in `SortedScores`. O(N M log(N M)).
        """
        flat = self.scores.flatten(-2)
        order = from_highest(flat)
        descending = flat.gather(-1, order)
        group, actual, size = self._grouped(metric.average)
        group = group.flatten(-2).gather(-1, order)
        by_group = group.argsort(dim=-1, stable=True)
        group = group.gather(-1, by_group)
        hits = self.hits.flatten(-2).gather(-1, order).gather(-1, by_group)
        first = torch.searchsorted(group, group)
        predicted = torch.arange(group.shape[-1], device=group.device) - first + 1
        before = torch.cat([torch.zeros_like(hits[..., :1]), hits.cumsum(dim=-1)], dim=-1)
        true = before[..., 1:] - before.gather(-1, first)
        of_group = actual.gather(-1, group)
        change = metric.formula(true, predicted, of_group, size) - metric.formula(
            true - hits, predicted - 1, of_group, size
        )
        joined = torch.empty_like(change).scatter_(-1, by_group, change).cumsum(dim=-1)
        nothing = torch.zeros_like(actual)
        start = metric.formula(nothing, nothing, actual, size).sum(dim=-1, keepdim=True)
        values = torch.cat([start, start + joined], dim=-1) / actual.shape[-1]
        thresholds, tied = cuts(descending)
        return ThresholdSweep(thresholds, values.masked_fill(tied, torch.nan))

    def _grouped(self, average: str) -> tuple[Tensor, Tensor, int]:
        """Return each pair's group, each group's true pairs and the number of pairs of a group."""
        n_rows, n_labels = self.by_row.shape[-1], self.by_label.shape[-1]
        if average == "macro":
            return self.labels, self.by_label, n_rows
        if average == "micro":
            actual = self.by_row.sum(dim=-1, keepdim=True)
            return torch.zeros_like(self.labels), actual, n_rows * n_labels
        rows = torch.arange(n_rows, device=self.labels.device).unsqueeze(-1)
        return rows.expand_as(self.labels), self.by_row, n_labels


def ranked(scores: Tensor, targets: Tensor) -> SortedScores | TopScores:
    """Return the pairs for sweeps: all, or the highest of each row from MANY_LABELS labels."""
    if scores.shape[-1] < MANY_LABELS:
        return SortedScores(scores, targets)
    return TopScores.of(scores, targets, n_kept(int(count_true(targets).max())))


def n_kept(most_labels: int) -> int:
    """Return M for rows of at most this number of true labels."""
    return max(LEAST_KEPT, 2 * most_labels)


def require_few_labels(n_labels: int) -> None:
    """Raise DataError if there are too many labels for thresholds with missing labels."""
    if n_labels >= MANY_LABELS:
        raise DataError(
            f"Thresholds are tuned with missing labels only for fewer than {MANY_LABELS:,} labels, and"
            f" there are {n_labels:,}: take missing labels as negative (missing_labels=negative)."
        )


class ScoreCollector:
    """Collects scores and targets chunk by chunk for sweeps, with many labels only the highest.

    Args:
        kept: the number of scores of a row that are kept with many labels.
    """

    def __init__(self, kept: int = LEAST_KEPT) -> None:
        self._kept = kept
        self._scores: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._known: list[Tensor] = []
        self._parts: list[TopScores] = []

    def add(self, scores: Tensor, targets: Tensor, known: Tensor | None = None) -> None:
        """Add the next rows: scores, targets and known pairs, (..., n, K) each."""
        if known is not None:
            require_few_labels(scores.shape[-1])
            self._known.append(known)
        if scores.shape[-1] >= MANY_LABELS:
            self._parts.append(TopScores.of(scores, targets, self._kept))
        else:
            self._scores.append(scores)
            self._targets.append(targets)

    def ranked(self) -> SortedScores | TopScores:
        """Return the pairs of all rows."""
        if self._parts:
            return TopScores.joined(self._parts)
        parts = self._scores, self._targets, self._known
        return SortedScores(*(torch.cat(part, dim=-2) for part in parts if part))


def best_threshold(
    metric: CountMetric,
    scores: Tensor,
    targets: Tensor,
    at_least_one: bool = False,
    known: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the best threshold of the metric, the highest of equals, and its value: (...) each.

    With `at_least_one`, the best for sets where a sample without a passing label gets its top label.
    The top label is then predicted at every threshold, as if its score were above all others. From
    MANY_LABELS labels, only the highest scores of each row are candidates, as in `TopScores`.

    Args:
        metric: the metric.
        scores: (..., N, K).
        targets: (..., N, K), zeros and ones.
        at_least_one: whether each set has at least one label.
        known: (..., N, K), bool: the pairs that count, at least one; None is all.
    """
    pairs: ScoreSweep
    if known is None:
        pairs = ranked(scores, targets)
    else:
        require_few_labels(scores.shape[-1])
        pairs = SortedScores(scores, targets, known)
    if not at_least_one:
        return pairs.best(metric)
    return pairs.with_top_labels().best(metric, nothing=False)
