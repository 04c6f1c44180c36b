"""Metrics of label sets that depend only on counts, averaged over samples, labels or all pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mlc.config import registry
from mlc.config.errors import ConfigError

if TYPE_CHECKING:  # reports know metrics by name and need no torch
    from torch import Tensor

    from mlc.config.registry import Registry

# Arguments: true positives, predicted positives, actual positives, the number of pairs, and `empty`, the
# value of a group without predicted and actual positives.
Formula = Callable[..., "Tensor"]
CONVENTIONS = (
    "The Jaccard index, F1, precision and recall of two empty sets are 1 in averages over samples and"
    " in micro averages.",
    "Labels without a positive count 0 in the macro averages of F1, the Jaccard index, precision and"
    " recall.",
    "average_precision_macro is the mean over the average_precision_labels labels with a positive,"
    " roc_auc_macro over the roc_auc_labels labels with both a positive and a negative.",
)
AVERAGES = ("samples", "micro", "macro")


@dataclass(frozen=True)
class CountMetric:
    """A formula over the counts of each group of sample-label pairs, averaged over the groups.

    `average` names the groups as scikit-learn does: "samples" (a group for each sample), "macro" (a
    group for each label) or "micro" (a single group).
    """

    formula: Formula
    average: str
    higher_is_better: bool = True

    @property
    def sign(self) -> int:
        """1 if more of the metric is better, else -1."""
        return 1 if self.higher_is_better else -1

    def groups(self, pairs: Tensor) -> Tensor:
        """Rearrange pairs (..., N, K) to one group in each row: (..., groups, pairs of a group)."""
        if self.average == "samples":
            return pairs
        return (
            pairs.transpose(-1, -2) if self.average == "macro" else pairs.flatten(-2).unsqueeze(-2)
        )

    def counts(
        self, decisions: Tensor, targets: Tensor, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | int]:
        """Compute the formula's arguments, (..., groups), float64, from (..., N, K) each."""
        predicted, actual = self.groups(decisions), self.groups(targets)
        n: Tensor | int = predicted.shape[-1]
        if known is not None:
            of_known = self.groups(known)
            predicted, actual, n = predicted * of_known, actual * of_known, count_true(of_known)
        true = predicted * actual
        return count_true(true), count_true(predicted), count_true(actual), n

    def per_group(self, decisions: Tensor, targets: Tensor) -> Tensor:
        """Compute the metric of each group: two (..., N, K) to (..., groups), float64."""
        return self.formula(*self.counts(decisions, targets))

    def mean(self, values: Tensor, n: Tensor | int) -> Tensor:
        """Average values of groups (..., groups) of n pairs; samples without a pair do not count."""
        if isinstance(n, int) or self.average != "samples":
            return values.mean(dim=-1)
        counted = n > 0
        return values.where(counted, 0).sum(dim=-1) / counted.sum(dim=-1)

    def __call__(self, decisions: Tensor, targets: Tensor, known: Tensor | None = None) -> Tensor:
        """Compute the metric of predicted label sets: (..., N, K) each to (...), float64.

        With `known`, bool, it is that of the known pairs: each sample has its known labels alone, and
        samples without one are left out.
        """
        counts = self.counts(decisions, targets, known)
        return self.mean(self.formula(*counts), counts[-1])


COUNT_METRICS: Registry[CountMetric] = registry.METRICS


def register_metric(
    *names: str, average: str | None = None, higher_is_better: bool = True
) -> Callable[[Formula], Formula]:
    """Function decorator that registers the formula as metrics with these names.

    Args:
        names: names that end in the average, as in "f1_macro", unless `average` is given.
        average: "samples", "micro" or "macro".
        higher_is_better: False for a loss.

    The formula takes counts (..., groups) and returns values of this shape: those of several runs are
    computed at once, so that a sum or a number of groups is that of the last axis alone.
    `require_separate` checks it.

    Two empty sets have the value 1 in samples and micro averages, labels without a positive 0 in macro.

    Raises:
        ConfigError: a name is taken, or has no average.
    """

    def add(formula: Formula) -> Formula:
        for name in names:
            groups = average or name.rpartition("_")[2]
            if groups not in AVERAGES:
                raise ConfigError(
                    f"The metric {name!r} states no average: end its name in _samples, _micro or"
                    " _macro, or give average=."
                )
            empty = 0.0 if groups == "macro" else 1.0
            metric = CountMetric(partial(formula, empty=empty), groups, higher_is_better)
            COUNT_METRICS.add(name, metric, formula.__module__)
        return formula

    return add


@register_metric("subset_accuracy", average="samples")
def _subset_accuracy(
    true: Tensor, predicted: Tensor, actual: Tensor, n: int, empty: float
) -> Tensor:
    return ((true == predicted) & (true == actual)).to(true.dtype)


# All samples have equally many pairs, so the mean over samples is the micro average.
@register_metric("hamming_loss", average="micro", higher_is_better=False)
def _hamming_loss(true: Tensor, predicted: Tensor, actual: Tensor, n: int, empty: float) -> Tensor:
    return (predicted + actual - 2 * true) / n


@register_metric("jaccard_samples", "jaccard_micro", "jaccard_macro")
def _jaccard(true: Tensor, predicted: Tensor, actual: Tensor, n: int, empty: float) -> Tensor:
    return _ratio(true, predicted + actual - true, empty)


@register_metric("f1_samples", "f1_micro", "f1_macro")
def _f1(true: Tensor, predicted: Tensor, actual: Tensor, n: int, empty: float) -> Tensor:
    return _ratio(2 * true, predicted + actual, empty)


@register_metric("precision_samples", "precision_micro", "precision_macro")
def _precision(true: Tensor, predicted: Tensor, actual: Tensor, n: int, empty: float) -> Tensor:
    return _ratio(true, predicted, 0) + _both_empty(predicted, actual, empty)


@register_metric("recall_samples", "recall_micro", "recall_macro")
def _recall(true: Tensor, predicted: Tensor, actual: Tensor, n: int, empty: float) -> Tensor:
    return _ratio(true, actual, 0) + _both_empty(predicted, actual, empty)


def _ratio(numerator: Tensor, denominator: Tensor, empty: float) -> Tensor:
    """Divide; the result is `empty` where the denominator is 0."""
    defined = denominator > 0
    return (numerator / denominator.where(defined, 1)).where(defined, empty)


def _both_empty(predicted: Tensor, actual: Tensor, empty: float) -> Tensor:
    return empty * ((predicted == 0) & (actual == 0)).to(predicted.dtype)


def require_separate() -> None:
    """Check that each metric has the same values for several runs at once as for each alone.

    Raises:
        ConfigError: one has others, as a formula that sums over all axes.
    """
    import torch

    n_runs, n_groups, n = 2, 3, 5
    predicted = torch.tensor([[1.0, 3, 0], [4, 2, 5]], dtype=torch.float64)
    actual = torch.tensor([[2.0, 1, 0], [3, 5, 1]], dtype=torch.float64)
    counts = torch.minimum(predicted, actual), predicted, actual
    for name, metric in COUNT_METRICS.items():
        of_runs = [counts, *(tuple(each[run] for each in counts) for run in range(n_runs))]
        together, *alone = (torch.as_tensor(metric.formula(*each, n)).double() for each in of_runs)
        shapes = {tuple(together.shape[1:]), *(tuple(values.shape) for values in alone)}
        if shapes != {(n_groups,)} or not torch.allclose(
            together, torch.stack(alone), equal_nan=True
        ):
            raise ConfigError(
                f"The metric {name!r} has other values for several runs at once than for each alone: let"
                " its formula return a value for each group, (..., groups), and take sums with dim=-1,"
                " keepdim=True and the number of groups from shape[-1]."
            )


def count_true(pairs: Tensor, dim: int = -1) -> Tensor:
    """Sum zeros and ones of any dtype over an axis: (..., n) to (...), float64."""
    import torch

    if pairs.dtype == torch.bool and pairs.device.type == "cpu":
        # NumPy counts truth values ten times as fast as torch.
        return torch.as_tensor(pairs.numpy().sum(axis=dim, dtype=np.float64))
    return pairs.sum(dim=dim, dtype=torch.float64)


def count_metrics(
    decisions: Tensor, targets: Tensor, known: Tensor | None = None
) -> dict[str, Tensor]:
    """Compute all COUNT_METRICS, with shared counts: (..., N, K) each to (...)."""
    # A metric of each average.
    averages = {metric.average: metric for metric in COUNT_METRICS.values()}
    counts = {
        average: metric.counts(decisions, targets, known) for average, metric in averages.items()
    }
    return {
        name: metric.mean(metric.formula(*counts[metric.average]), counts[metric.average][-1])
        for name, metric in COUNT_METRICS.items()
    }
