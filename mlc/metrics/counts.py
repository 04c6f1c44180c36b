"""Metrics of label sets that depend only on three counts, over samples, labels or all pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# A formula takes true positives, predicted positives, actual positives and the number of pairs.
Formula = Callable[[Tensor, Tensor, Tensor, int], Tensor]


def _ratio(numerator: Tensor, denominator: Tensor, empty: float) -> Tensor:
    """numerator / denominator, and `empty` where the denominator is 0."""
    defined = denominator > 0
    return torch.where(
        defined,
        numerator / torch.where(defined, denominator, torch.ones_like(denominator)),
        torch.full_like(denominator, empty),
    )


def _jaccard(empty: float) -> Formula:
    return lambda true, predicted, actual, n: _ratio(true, predicted + actual - true, empty)


def _f1(empty: float) -> Formula:
    return lambda true, predicted, actual, n: _ratio(2 * true, predicted + actual, empty)


def _both_empty(predicted: Tensor, actual: Tensor, empty: float) -> Tensor:
    return empty * ((predicted == 0) & (actual == 0)).to(predicted.dtype)


def _precision(empty: float) -> Formula:
    return lambda true, predicted, actual, n: (
        _ratio(true, predicted, 0) + _both_empty(predicted, actual, empty)
    )


def _recall(empty: float) -> Formula:
    return lambda true, predicted, actual, n: (
        _ratio(true, actual, 0) + _both_empty(predicted, actual, empty)
    )


def _subset_accuracy(true: Tensor, predicted: Tensor, actual: Tensor, n: int) -> Tensor:
    return ((true == predicted) & (true == actual)).to(true.dtype)


def _hamming_loss(true: Tensor, predicted: Tensor, actual: Tensor, n: int) -> Tensor:
    return (predicted + actual - 2 * true) / n


@dataclass(frozen=True)
class CountMetric:
    """A formula over the counts of each group of sample-label pairs, averaged over the groups.

    `average` is scikit-learn's word for the groups: "samples" (each sample is one), "macro" (each
    label is one) or "micro" (all pairs are one).
    """

    formula: Formula
    average: str
    higher_is_better: bool = True

    def groups(self, pairs: Tensor) -> Tensor:
        """Pairs (..., N, K) with one group in each row: (..., groups, pairs of a group)."""
        if self.average == "samples":
            return pairs
        return (
            pairs.transpose(-1, -2) if self.average == "macro" else pairs.flatten(-2).unsqueeze(-2)
        )

    def counts(self, decisions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, int]:
        """What the formula takes, (..., groups) each, float64: of (..., N, K) twice."""
        predicted = self.groups(decisions).double()
        actual = self.groups(targets).double()
        n = predicted.shape[-1]
        return (predicted * actual).sum(-1), predicted.sum(-1), actual.sum(-1), n

    def per_group(self, decisions: Tensor, targets: Tensor) -> Tensor:
        """The metric of each group: (..., N, K) twice to (..., groups), float64."""
        return self.formula(*self.counts(decisions, targets))

    def __call__(self, decisions: Tensor, targets: Tensor) -> Tensor:
        """The metric of decided label sets: (..., N, K) twice to (...), float64."""
        return self.per_group(decisions, targets).mean(dim=-1)


def _averages(name: str, formula: Callable[[float], Formula]) -> dict[str, CountMetric]:
    """By samples and micro two empty sets count 1; a label without a positive counts 0 in macro."""
    return {
        f"{name}_samples": CountMetric(formula(1.0), "samples"),
        f"{name}_micro": CountMetric(formula(1.0), "micro"),
        f"{name}_macro": CountMetric(formula(0.0), "macro"),
    }


COUNT_METRICS: dict[str, CountMetric] = {
    "subset_accuracy": CountMetric(_subset_accuracy, "samples"),
    # Samples have equal numbers of pairs, so the mean over samples is the share of all pairs: a count.
    "hamming_loss": CountMetric(_hamming_loss, "micro", higher_is_better=False),
    **_averages("jaccard", _jaccard),
    **_averages("f1", _f1),
    **_averages("precision", _precision),
    **_averages("recall", _recall),
}


def count_metrics(decisions: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """All of COUNT_METRICS, with each average's counts taken once: (..., N, K) twice to (...)."""
    counts = {
        metric.average: metric.counts(decisions, targets) for metric in COUNT_METRICS.values()
    }
    return {
        name: metric.formula(*counts[metric.average]).mean(dim=-1)
        for name, metric in COUNT_METRICS.items()
    }
