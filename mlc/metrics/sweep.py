"""Exact values of a metric at all thresholds, from one sort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from mlc.metrics.counts import CountMetric

# Values of a metric that differ by less are equal. The rounding error of a mean over groups is at most
# 2^-53 for each pair, far less than this for a hundred thousand pairs.
EQUAL = 1e-10


@dataclass(frozen=True)
class ThresholdSweep:
    """The values of a metric for all decisions that a single threshold can give.

    Cut j predicts the j pairs with the highest scores.

    Shape: each (..., pairs + 1). `values` is NaN at cuts between equal scores, which no threshold gives.
    """

    thresholds: Tensor
    values: Tensor


class ScoreSweep:
    """Base class of sorted pairs of rows and labels, which give the sweeps of metrics."""

    def sweep(self, metric: CountMetric) -> ThresholdSweep:
        """Compute the metric of `scores >= t` for all different decisions."""
        raise NotImplementedError

    def with_top_labels(self) -> Self:
        """Return the pairs with the top label of each row above all others."""
        raise NotImplementedError

    def best(self, metric: CountMetric, nothing: bool = True) -> tuple[Tensor, Tensor]:
        """Return the threshold with the best value, the highest of equals, and the value: (...) each.

        It is midway between the two scores that it separates. Values within EQUAL are equal. `nothing`
        says whether the threshold above all scores is a candidate.
        """
        sweep = self.sweep(metric)
        if not nothing:
            sweep.values[..., 0] = torch.nan
        best = first_best(sweep.values, metric.higher_is_better).unsqueeze(-1)
        return (
            sweep.thresholds.gather(-1, best).squeeze(-1),
            sweep.values.gather(-1, best).squeeze(-1),
        )

    def best_value(self, metric: CountMetric, at_least_one: bool | None = False) -> Tensor:
        """Return the best value: (...).

        Args:
            metric: the metric.
            at_least_one: whether each row gets at least its top label; None for the better of both.
        """
        if at_least_one is None:
            values = [self.best_value(metric, each) for each in (False, True)]
            return torch.maximum(*values) if metric.higher_is_better else torch.minimum(*values)
        pairs = self.with_top_labels() if at_least_one else self
        return pairs.best(metric, nothing=not at_least_one)[1]


class SortedScores(ScoreSweep):
    """Sorted scores, from which the sweeps of any number of metrics are computed.

    Args:
        scores: (..., N, K).
        targets: (..., N, K), zeros and ones.
        known: (..., N, K), bool: the pairs that count; None is all. There is at least one.
    """

    def __init__(self, scores: Tensor, targets: Tensor, known: Tensor | None = None) -> None:
        self._scores, self._targets = scores.detach().double(), targets.double()
        self._known, self._given = known, self._scores
        if known is not None:
            least = self._scores.where(known, torch.inf).amin(dim=(-2, -1), keepdim=True)
            # Unknown pairs would join last, at cuts that are left out.
            self._scores = self._scores.where(known, least - 1)
            self._targets = self._targets * known
        flat = self._scores.flatten(-2)
        self._order = from_highest(flat)
        self._thresholds, self._tied = cuts(flat.gather(-1, self._order))
        if known is not None:
            n_known = known.flatten(-2).sum(dim=-1, keepdim=True)
            cut = torch.arange(flat.shape[-1] + 1, device=flat.device)
            self._tied = self._tied | (cut > n_known)
            self._thresholds = torch.where(cut == n_known, least.flatten(-2), self._thresholds)
        self._counts: dict[str, tuple[Tensor, ...]] = {}

    def with_top_labels(self) -> Self:
        """Return the pairs with the top label of each row above all others."""
        above = self._given.amax(dim=(-2, -1), keepdim=True) + 1
        scores = torch.where(top_label(self._given), above, self._given)
        return type(self)(scores, self._targets, self._known)

    def sweep(self, metric: CountMetric) -> ThresholdSweep:
        """Compute the metric of `scores >= t` for all different decisions.

        A pair that joins the prediction changes only its group, by an amount that depends on its rank
        within the group. The metric at all cuts is therefore a cumulative sum of these changes in the
        order of the scores. A single group needs no sum, so equal values are exactly equal.
        O(N K log(N K)).
        """
        if metric.average not in self._counts:
            self._counts[metric.average] = self._counted(metric)
        within, true, predicted, actual = self._counts[metric.average]
        size: Tensor | int = within.shape[-1]
        if self._known is not None:
            size = metric.groups(self._known).sum(dim=-1, keepdim=True, dtype=true.dtype)
        prefix = metric.formula(true, predicted, actual, size)
        n_groups: Tensor | int = within.shape[-2]
        if n_groups == 1:
            values = prefix.squeeze(-2).masked_fill(self._tied, torch.nan)
            return ThresholdSweep(self._thresholds, values)
        changes = torch.empty_like(prefix[..., 1:]).scatter_(-1, within, prefix.diff(dim=-1))
        without = prefix[..., 0]
        if isinstance(size, Tensor) and metric.average == "samples":
            counted = size.squeeze(-1) > 0
            without, n_groups = without.where(counted, 0), counted.sum(dim=-1, keepdim=True)
        nothing = without.sum(dim=-1, keepdim=True)
        joined = self._ungrouped(changes, metric).flatten(-2).gather(-1, self._order)
        values = torch.cat([nothing, nothing + joined.cumsum(dim=-1)], dim=-1) / n_groups
        return ThresholdSweep(self._thresholds, values.masked_fill(self._tied, torch.nan))

    def _counted(self, metric: CountMetric) -> tuple[Tensor, ...]:
        """Sort each group's pairs by score, and compute the counts after each pair."""
        targets = metric.groups(self._targets)
        within = from_highest(metric.groups(self._scores))
        actual = targets.sum(dim=-1, keepdim=True)
        joined = targets.gather(-1, within).cumsum(dim=-1)
        true = torch.cat([torch.zeros_like(actual), joined], dim=-1)
        predicted = torch.arange(true.shape[-1], dtype=true.dtype, device=true.device)
        return within, true, predicted.expand_as(true), actual.expand_as(true)

    def _ungrouped(self, grouped: Tensor, metric: CountMetric) -> Tensor:
        """Rearrange values of groups to the shape of the scores: the inverse of `groups`."""
        if metric.average == "macro":
            return grouped.transpose(-1, -2)
        return grouped.view_as(self._scores) if metric.average == "micro" else grouped


def cuts(descending: Tensor) -> tuple[Tensor, Tensor]:
    """Return the thresholds of all cuts of scores from the highest, and whether they cut equal scores.

    A threshold is midway between the two scores that it separates: (..., n) to (..., n + 1) each.
    """
    highest, lowest = descending[..., :1], descending[..., -1:]
    between = (descending[..., 1:] + descending[..., :-1]) / 2
    thresholds = torch.cat([highest + 1, between, lowest], dim=-1)
    tied = torch.zeros_like(thresholds, dtype=torch.bool)
    tied[..., 1:-1] = descending[..., 1:] == descending[..., :-1]
    return thresholds, tied


def from_highest(values: Tensor) -> Tensor:
    """Sort the last axis, highest first; the order of equal scores does not matter."""
    if values.device.type == "cpu":
        # NumPy's sort uses vector instructions and takes less than half the time.
        return torch.from_numpy(np.argsort(-values.numpy(), axis=-1))
    return values.argsort(dim=-1, descending=True)


def first_best(values: Tensor, higher_is_better: bool = True) -> Tensor:
    """Index of the first value within EQUAL of the best, ignoring NaN: (..., n) to (...)."""
    gains = torch.where(values.isnan(), -torch.inf, values if higher_is_better else -values)
    near = gains >= gains.amax(dim=-1, keepdim=True) - EQUAL
    return near.to(torch.uint8).argmax(dim=-1)


def top_label(scores: Tensor) -> Tensor:
    """Whether a label has its sample's highest score, the first of equals: (..., N, K), bool."""
    first = scores.argmax(dim=-1, keepdim=True)
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, first, True)
