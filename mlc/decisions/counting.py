"""Rules that determine the number of labels and take the labels with the highest scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from mlc.config.options import option
from mlc.decisions.base import DecisionRule, register_decision
from mlc.metrics.counts import COUNT_METRICS, CountMetric, count_true
from mlc.metrics.sweep import first_best
from mlc.metrics.top_scores import MANY_LABELS, n_kept, require_few_labels


def highest(scores: Tensor, count: Tensor) -> Tensor:
    """Return the `count` labels with the highest scores, the first of equals: (..., N, K), (..., N)."""
    order = scores.argsort(dim=-1, descending=True, stable=True)
    rank = order.argsort(dim=-1)
    return rank < count.unsqueeze(-1)


def values_by_size(
    metric: CountMetric, scores: Tensor, targets: Tensor, known: Tensor | None = None
) -> Tensor:
    """Compute the metric of the k highest labels per sample, k from 0 to K: (..., N, K) to (..., K + 1).

    The counts of each k are updated from those of k - 1, so the memory is O(N K). From MANY_LABELS
    labels, k is at most the number of scores that `top_scores` keeps. With `known`, (..., N, K), the
    k highest of all labels are predicted, and the known pairs alone count.
    """
    order = scores.argsort(dim=-1, descending=True, stable=True)
    if scores.shape[-1] >= MANY_LABELS:
        order = order[..., : n_kept(int(count_true(targets).max()))]
    table = targets.double() if known is None else (targets * known).double()
    hits = table.gather(-1, order)
    grouped = metric.groups(table)
    actual = grouped.sum(dim=-1)
    size: Tensor | int = grouped.shape[-1]
    if known is not None:
        size = metric.groups(known).sum(dim=-1, dtype=torch.double)
    true, predicted = torch.zeros_like(actual), torch.zeros_like(actual)
    values = [metric.mean(metric.formula(true, predicted, actual, size), size)]
    one = torch.ones_like(hits[..., 0])
    for joined, hit in zip(order.unbind(dim=-1), hits.unbind(dim=-1), strict=True):
        if known is not None:
            one = known.gather(-1, joined.unsqueeze(-1)).squeeze(-1).to(hit)
        if metric.average == "macro":
            true, predicted = (
                true.scatter_add(-1, joined, hit),
                predicted.scatter_add(-1, joined, one),
            )
        elif metric.average == "samples":
            true, predicted = true + hit, predicted + one
        else:
            true, predicted = (
                count + part.sum(dim=-1, keepdim=True)
                for count, part in ((true, hit), (predicted, one))
            )
        values.append(metric.mean(metric.formula(true, predicted, actual, size), size))
    return torch.stack(values, dim=-1)


@dataclass
class TopKOptions:
    """The number of labels, or null for the best number by a metric on validation data."""

    k: int | None = option(None, at_least=0)
    metric: str = option("jaccard_samples", choices=COUNT_METRICS)
    at_least_one: bool = False


@register_decision("top_k")
class TopK(DecisionRule):
    """A rule that takes the k labels with the highest scores; among equally good k the smallest.

    RCut of Yang 2001, "A study on thresholding strategies for text categorization". With
    `at_least_one`, k is at least 1.

    Avoid: where the number of labels differs between samples, since every sample gets k.
    """

    Options = TopKOptions
    tuned_on = "validation"
    _k: Tensor | None = None

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Choose k unless the options give it: scores and targets (..., N, K)."""
        return self._tune(scores, targets, None)

    def tune_masked(self, scores: Tensor, targets: Tensor, known: Tensor) -> Self:
        """Choose k by the known pairs unless the options give it: (..., N, K) each."""
        require_few_labels(scores.shape[-1])
        return self._tune(scores, targets, known)

    def _tune(self, scores: Tensor, targets: Tensor, known: Tensor | None) -> Self:
        if self.options.k is not None:
            k = max(self.options.k, int(self.options.at_least_one))
            self._k = torch.full(scores.shape[:-2], k)
            return self
        metric = COUNT_METRICS[self.options.metric]
        values = values_by_size(metric, scores, targets, known)
        if self.options.at_least_one:
            values[..., 0] = torch.nan
        self._k = first_best(values, metric.higher_is_better)
        return self

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Restore k."""
        self._k = torch.as_tensor(fitted["k"])
        return self

    def by_scores(self, scores: Tensor) -> Tensor:
        """Return the k labels with the highest scores: (..., N, K), bool."""
        if self._k is None:
            raise self._missing("a call of fit(scores, targets) first")
        return highest(scores, self._k.to(scores.device).unsqueeze(-1).expand(scores.shape[:-1]))

    def fitted(self) -> dict[str, Tensor]:
        """Return k, (...)."""
        return {} if self._k is None else {"k": self._k}


@dataclass
class CardinalityOptions:
    """Whether each label set has at least one label."""

    at_least_one: bool = False


@register_decision("cardinality")
class Cardinality(DecisionRule):
    """A rule that takes the labels with the highest scores, as many as the head expects, rounded.

    The meta-labeller of Tang et al. 2009, "Large scale multi-label classification via metalabeler",
    where the head itself predicts the number.
    """

    Options = CardinalityOptions
    needs = ("cardinality",)

    def by_cardinality(self, scores: Tensor, cardinality: Tensor) -> Tensor:
        """Return the labels with the highest scores, as many as expected: (..., N, K), bool."""
        rounded = (cardinality.double() + 0.5).floor()
        return highest(scores, rounded.clamp(min=float(self.options.at_least_one)))
