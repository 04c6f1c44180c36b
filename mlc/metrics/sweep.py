"""A metric at every threshold there is, exactly, from one sort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mlc.metrics.counts import CountMetric

# Values of a metric that differ by less count as equal. A mean over groups is off by its rounding: at
# most 2^-53 for each pair, so far less than this in a hundred thousand pairs, and about the root of
# that in practice.
EQUAL = 1e-10


@dataclass(frozen=True)
class ThresholdSweep:
    """A metric for each set of decisions that one threshold can make.

    Cut j predicts the pairs of rank below j, counted from the highest score.

    Shape: each (..., N*K + 1). `values` is NaN at cuts between equal scores, which no threshold makes.
    """

    thresholds: Tensor
    values: Tensor


class SortedScores:
    """Scores sorted once, to sweep any number of metrics over.

    Args:
        scores: (..., N, K).
        targets: likewise.
    """

    def __init__(self, scores: Tensor, targets: Tensor) -> None:
        self._scores, self._targets = scores.detach().double(), targets.double()
        flat = self._scores.flatten(-2)
        self._order = _from_highest(flat)
        descending = flat.gather(-1, self._order)
        highest, lowest = descending[..., :1], descending[..., -1:]
        between = (descending[..., 1:] + descending[..., :-1]) / 2
        self._thresholds = torch.cat([highest + 1, between, lowest], dim=-1)
        self._tied = torch.zeros_like(self._thresholds, dtype=torch.bool)
        self._tied[..., 1:-1] = descending[..., 1:] == descending[..., :-1]
        self._counts: dict[str, tuple[Tensor, ...]] = {}

    def sweep(self, metric: CountMetric) -> ThresholdSweep:
        """The metric of `scores >= t` for every t that matters.

        A pair that joins the prediction changes its own group alone, by an amount that depends on its
        rank within the group, so the metric at all cuts is a cumulative sum of these changes in the
        order of the scores. A single group needs no sum, and equal values are equal to the last bit.
        O(N K log(N K)).
        """
        if metric.average not in self._counts:
            self._counts[metric.average] = self._counted(metric)
        within, true, predicted, actual = self._counts[metric.average]
        n_groups, size = within.shape[-2:]
        prefix = metric.formula(true, predicted, actual, size)
        if n_groups == 1:
            values = prefix.squeeze(-2).masked_fill(self._tied, torch.nan)
            return ThresholdSweep(self._thresholds, values)
        changes = torch.empty_like(prefix[..., 1:]).scatter_(-1, within, prefix.diff(dim=-1))
        nothing = prefix[..., 0].sum(dim=-1, keepdim=True)
        joined = self._in_place(changes, metric).flatten(-2).gather(-1, self._order)
        values = torch.cat([nothing, nothing + joined.cumsum(dim=-1)], dim=-1) / n_groups
        return ThresholdSweep(self._thresholds, values.masked_fill(self._tied, torch.nan))

    def best(self, metric: CountMetric, nothing: bool = True) -> tuple[Tensor, Tensor]:
        """The threshold with the best value, the highest one of equals, and that value: (...) twice.

        `nothing` says whether the threshold above all scores is one of the candidates.

        It lies midway between the two scores that it separates. `first_best` says what is equal.
        """
        sweep = self.sweep(metric)
        if not nothing:
            sweep.values[..., 0] = torch.nan
        best = first_best(sweep.values, metric.higher_is_better).unsqueeze(-1)
        return (
            sweep.thresholds.gather(-1, best).squeeze(-1),
            sweep.values.gather(-1, best).squeeze(-1),
        )

    def _counted(self, metric: CountMetric) -> tuple[Tensor, ...]:
        """Each group's pairs in the order of their scores, and its counts after each of them."""
        targets = metric.groups(self._targets)
        within = _from_highest(metric.groups(self._scores))
        actual = targets.sum(dim=-1, keepdim=True)
        joined = targets.gather(-1, within).cumsum(dim=-1)
        true = torch.cat([torch.zeros_like(actual), joined], dim=-1)
        predicted = torch.arange(true.shape[-1], dtype=true.dtype, device=true.device)
        return within, true, predicted.expand_as(true), actual.expand_as(true)

    def _in_place(self, grouped: Tensor, metric: CountMetric) -> Tensor:
        """Values of groups where their pairs stand among the scores: the inverse of `groups`."""
        if metric.average == "macro":
            return grouped.transpose(-1, -2)
        return grouped.view_as(self._scores) if metric.average == "micro" else grouped


def _from_highest(values: Tensor) -> Tensor:
    """The order of the last axis; that of equals is open, for no threshold parts them."""
    if values.device.type == "cpu":
        # numpy's sort uses vector instructions, and takes less than half as long.
        return torch.from_numpy(np.argsort(-values.numpy(), axis=-1))
    return values.argsort(dim=-1, descending=True)


def first_best(values: Tensor, higher_is_better: bool = True) -> Tensor:
    """Index of the first value within EQUAL of the best, NaN never being it: (..., n) to (...)."""
    gains = torch.where(values.isnan(), -torch.inf, values if higher_is_better else -values)
    near = gains >= gains.amax(dim=-1, keepdim=True) - EQUAL
    return near.to(torch.uint8).argmax(dim=-1)


def top_label(scores: Tensor) -> Tensor:
    """Whether a label has its sample's highest score, the first of equals: (..., N, K), bool."""
    first = scores.argmax(dim=-1, keepdim=True)
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, first, True)


def best_threshold(
    metric: CountMetric, scores: Tensor, targets: Tensor, at_least_one: bool = False
) -> tuple[Tensor, Tensor]:
    """`SortedScores.best` of one metric: scores and targets (..., N, K).

    With `at_least_one`, the best for sets where a sample without a passing label gets its top label.
    The top label is then predicted at every threshold, as if its score were above all others.
    """
    if not at_least_one:
        return SortedScores(scores, targets).best(metric)
    above = scores.detach().double()
    above = torch.where(top_label(above), above.amax(dim=(-2, -1), keepdim=True) + 1, above)
    return SortedScores(above, targets).best(metric, nothing=False)
