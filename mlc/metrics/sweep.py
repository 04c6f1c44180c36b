"""A metric at every threshold there is, exactly, from one sort."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlc.metrics.counts import CountMetric


@dataclass(frozen=True)
class ThresholdSweep:
    """A metric for each set of decisions that one threshold can make.

    Cut j predicts the pairs of rank below j, counted from the highest score.

    Shape: each (R, N*K + 1). `values` is NaN at cuts between equal scores, which no threshold makes.
    """

    thresholds: Tensor
    values: Tensor


def sweep_thresholds(metric: CountMetric, scores: Tensor, targets: Tensor) -> ThresholdSweep:
    """The metric of `scores >= t` for every t that matters: scores and targets (R, N, K).

    A pair that joins the prediction changes its own group alone, by an amount that depends on its
    rank within the group, so the metric at all cuts is a cumulative sum of these changes in the
    order of the scores. O(N K log(N K)).
    """
    grouped_scores = metric.groups(scores.double())
    grouped_targets = metric.groups(targets.double())
    n_groups, size = grouped_scores.shape[-2:]

    within = grouped_scores.argsort(dim=-1, descending=True, stable=True)
    actual = grouped_targets.sum(dim=-1, keepdim=True)
    joined = grouped_targets.gather(-1, within).cumsum(dim=-1)
    true = torch.cat([torch.zeros_like(actual), joined], dim=-1)
    predicted = torch.arange(size + 1, dtype=torch.float64, device=scores.device).expand_as(true)
    prefix = metric.formula(true, predicted, actual.expand_as(true), size)

    sorted_scores, order = (
        grouped_scores.gather(-1, within).flatten(-2).sort(dim=-1, descending=True, stable=True)
    )
    changes = prefix.diff(dim=-1).flatten(-2).gather(-1, order)
    nothing = prefix[..., 0].sum(dim=-1, keepdim=True)
    values = torch.cat([nothing, nothing + changes.cumsum(dim=-1)], dim=-1) / n_groups

    highest, lowest = sorted_scores[..., :1], sorted_scores[..., -1:]
    between = (sorted_scores[..., 1:] + sorted_scores[..., :-1]) / 2
    thresholds = torch.cat([highest + 1, between, lowest], dim=-1)
    tied = torch.zeros_like(values, dtype=torch.bool)
    tied[..., 1:-1] = sorted_scores[..., 1:] == sorted_scores[..., :-1]
    return ThresholdSweep(thresholds, values.masked_fill(tied, torch.nan))


def best_threshold(metric: CountMetric, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The threshold with the best value, the highest one of equals, and that value: (R,) twice.

    It lies midway between the two scores that it separates.
    """
    sweep = sweep_thresholds(metric, scores, targets)
    worst = -torch.inf if metric.higher_is_better else torch.inf
    candidates = sweep.values.nan_to_num(worst)
    best = (candidates if metric.higher_is_better else -candidates).argmax(dim=-1, keepdim=True)
    return (
        sweep.thresholds.gather(-1, best).squeeze(-1),
        candidates.gather(-1, best).squeeze(-1),
    )
