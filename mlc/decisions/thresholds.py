"""Rules that predict each label whose score reaches a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Size, Tensor

from mlc.config.options import Interval, option
from mlc.decisions.base import DecisionRule, register_decision
from mlc.decisions.together import tuned_together
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.sweep import best_threshold, top_label


@dataclass
class FixedOptions:
    """The threshold, or null for the head's natural one."""

    threshold: float | None = option(None, at_least=0, at_most=1)
    at_least_one: bool = False


@dataclass
class TunedOptions:
    """The metric that the threshold is to make best, and whether a set may be empty."""

    metric: str = option("jaccard_samples", choices=COUNT_METRICS)
    at_least_one: bool = False


class ThresholdRule(DecisionRule):
    """Predicts the labels with score >= threshold; subclasses say where the threshold is from.

    With `at_least_one`, a sample where no label passes gets the label with the highest score, the first
    of equals: of all single labels the most probable one, whatever its threshold.
    """

    def threshold(self) -> Tensor:
        """One for each run: the shape of the scores' leading axes, and what `by_pair` expects more."""
        raise NotImplementedError

    def by_pair(self) -> Tensor:
        """The threshold, shaped to be compared with scores (..., N, K)."""
        return self.threshold()[..., None, None]

    def by_scores(self, scores: Tensor) -> Tensor:
        """scores >= threshold: (..., N, K), bool."""
        passed = scores.double() >= self.by_pair().to(scores.device)
        if not self.options.at_least_one:
            return passed
        return passed | (top_label(scores) & ~passed.any(dim=-1, keepdim=True))

    def fitted(self) -> dict[str, Tensor]:
        """The threshold."""
        return {"threshold": self.threshold()}


class TunedThresholdRule(ThresholdRule):
    """A rule whose `fit` finds the threshold."""

    tuned_on = "validation"
    _threshold: Tensor | None = None

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Take the threshold."""
        self._threshold = torch.as_tensor(fitted["threshold"], dtype=torch.float64)
        return self

    def threshold(self) -> Tensor:
        """What `fit` found."""
        if self._threshold is None:
            raise self._missing("a call of fit(scores, targets) first")
        return self._threshold


@register_decision("fixed")
class Fixed(ThresholdRule):
    """One threshold that no data has a say in: the stated one, or the head's natural threshold.

    That is 0.5 for marginals, 1/K for shares; heads that only compare labels have none.
    """

    Options = FixedOptions
    _restored: Tensor | None = None

    @property
    def lacks_threshold(self) -> bool:
        """Whether none is stated and none is natural."""
        return self.options.threshold is None and self.natural_threshold is None

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Take the threshold that a stored run was judged by."""
        self._restored = torch.as_tensor(fitted["threshold"], dtype=torch.float64)
        return self

    def threshold(self) -> Tensor:
        """The restored, stated or natural threshold."""
        if self._restored is not None:
            return self._restored
        if self.lacks_threshold:
            raise self._missing("a stated threshold where the head has no natural one")
        stated = self.options.threshold
        value = self.natural_threshold if stated is None else stated
        return torch.tensor(value, dtype=torch.float64)


@register_decision("global")
class Global(TunedThresholdRule):
    """One threshold for all labels, the best on validation data for a named metric.

    Exact over all distinct scores, not over a grid: the plug-in rule of Koyejo et al. 2015,
    "Consistent multilabel classification", with the threshold found by one sort. With `at_least_one`
    it is the best for the sets that are then decided.
    """

    Options = TunedOptions

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Find the threshold: scores and targets (..., N, K)."""
        metric = COUNT_METRICS[self.options.metric]
        self._threshold, _ = best_threshold(metric, scores, targets, self.options.at_least_one)
        return self


@dataclass
class PerLabelOptions:
    """What each label's threshold is to make best, and when the best is not to be trusted."""

    metric: str = option("f1", choices=("f1", "jaccard"))
    fallback: float = option(0.1, at_least=0, at_most=1, search=Interval(0, 0.5))
    at_least_one: bool = False


@register_decision("per_label")
class PerLabel(TunedThresholdRule):
    """A threshold for each label, the best on validation data for that label's own F1 or Jaccard index.

    A label whose best value is below `fallback` has too few samples to tell: its threshold is then the
    highest validation score, so that rare labels are not predicted everywhere. The value of two empty
    sets is 0 here, so a label without a validation positive always falls back, unless `fallback` is 0.
    This is SCutFBR.1 of Yang 2001, "A study on thresholding strategies for text categorization", as
    Fan and Lin 2007, "A study on threshold selection for multi-label classification", describe it and
    LibMultiLabel implements it; SCutFBR.0 would never predict such a label.

    With `at_least_one` the thresholds are then tuned together, those of labels that fell back excepted:
    each in turn to the best of all its values for the mean over labels of the sets that are decided.
    That is a local optimum (`tuned_together`), no worse than thresholds tuned apart.
    """

    Options = PerLabelOptions

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Find the thresholds: scores and targets (..., N, K)."""
        own, true = scores.double().transpose(-1, -2), targets.transpose(-1, -2)
        # Macro, for its value of two empty sets; each problem here has one label.
        metric = COUNT_METRICS[f"{self.options.metric}_macro"]
        found, value = best_threshold(metric, own.unsqueeze(-1), true.unsqueeze(-1))
        trusted = value >= self.options.fallback
        self._threshold = torch.where(trusted, found, own.amax(dim=-1))
        if self.options.at_least_one:
            every = (part.reshape(-1, *part.shape[-2:]) for part in (scores.double(), targets))
            each = (part.reshape(-1, part.shape[-1]) for part in (self._threshold, trusted))
            runs = zip(*(part.cpu() for part in (*every, *each)), strict=True)
            together = [tuned_together(metric, *run) for run in runs]
            self._threshold = torch.stack(together).view_as(trusted).to(scores.device)
        return self

    def by_pair(self) -> Tensor:
        """Each label's own: (..., 1, K)."""
        return self.threshold()[..., None, :]

    def fitted_shape(self, shape: Size) -> Size:
        """A threshold for each label: (..., K)."""
        return shape[:-2] + shape[-1:]


@register_decision("oracle")
class Oracle(Global):
    """The global threshold tuned on the test data itself: no fair contestant, a measure of flattery.

    What a forum comparison reports that tunes its threshold on the set it reports on.
    """

    tuned_on = "test"
