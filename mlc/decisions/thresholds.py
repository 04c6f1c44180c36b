"""Rules that predict each label whose score reaches a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from mlc.decisions.base import DecisionRule, register_decision
from mlc.metrics import COUNT_METRICS, best_threshold
from mlc.options import option


@dataclass
class FixedOptions:
    """The threshold, or null for the head's natural one."""

    threshold: float | None = option(None, at_least=0, at_most=1)


@dataclass
class TunedOptions:
    """The metric that the threshold is to make best."""

    metric: str = option("jaccard_samples", choices=tuple(COUNT_METRICS))


class ThresholdRule(DecisionRule):
    """Predicts the labels with score >= threshold; subclasses say where the threshold is from."""

    def threshold(self) -> Tensor:
        """One threshold for each run: the shape of the scores' leading axes."""
        raise NotImplementedError

    def decide(
        self,
        scores: Tensor | None = None,
        *,
        log_joint: Tensor | None = None,
        label_sets: Tensor | None = None,
    ) -> Tensor:
        """scores >= threshold: (..., N, K), bool."""
        if scores is None:
            raise self._missing("scores")
        return scores.double() >= self.threshold().to(scores.device)[..., None, None]

    def fitted(self) -> dict[str, Tensor]:
        """The threshold."""
        return {"threshold": self.threshold()}


@register_decision("fixed")
class Fixed(ThresholdRule):
    """One threshold that no data has a say in: 0.5, or the head's own natural threshold."""

    Options = FixedOptions

    def threshold(self) -> Tensor:
        """The stated threshold."""
        stated = self.options.threshold
        value = self.natural_threshold if stated is None else stated
        return torch.tensor(value, dtype=torch.float64)


@register_decision("global")
class Global(ThresholdRule):
    """One threshold for all labels, the best on validation data for a named metric.

    Exact over all distinct scores, not over a grid: the plug-in rule of Koyejo et al. 2015,
    "Consistent multilabel classification", with the threshold found by one sort.
    """

    Options = TunedOptions
    tuned_on = "validation"
    _threshold: Tensor | None = None

    def fit(self, scores: Tensor, targets: Tensor) -> Self:
        """Find the threshold: scores and targets (..., N, K)."""
        self._threshold, _ = best_threshold(COUNT_METRICS[self.options.metric], scores, targets)
        return self

    def threshold(self) -> Tensor:
        """The threshold that `fit` found."""
        if self._threshold is None:
            raise self._missing("a call of fit(scores, targets) first")
        return self._threshold


@register_decision("oracle")
class Oracle(Global):
    """The global threshold tuned on the test data itself: no fair contestant, a measure of flattery.

    What a forum comparison reports that tunes its threshold on the set it reports on.
    """

    tuned_on = "test"
