"""Rules that predict each label whose score reaches a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Size, Tensor

from mlc.config.options import Interval, option
from mlc.decisions.base import DecisionRule, register_decision
from mlc.decisions.checks import Lack
from mlc.decisions.together import tuned_together
from mlc.metrics.counts import COUNT_METRICS, CountMetric
from mlc.metrics.sweep import top_label
from mlc.metrics.top_scores import best_threshold

# Pairs of rows and labels whose thresholds are tuned at a time.
_AT_ONCE = 2**22
# Relative to their size, scores of 32 bits that differ by less are the same up to rounding; and the
# distance of a threshold from them.
_ROUNDING, _MARGIN = 1e-6, 1e-5


@dataclass
class FixedOptions:
    """The threshold, or null for the head's natural one; whether each set has at least one label."""

    threshold: float | None = option(None, at_least=0, at_most=1)
    at_least_one: bool = False


@dataclass
class TunedOptions:
    """The metric that the threshold maximises, and whether each set has at least one label."""

    metric: str = option("jaccard_samples", choices=COUNT_METRICS)
    at_least_one: bool = False


class ThresholdRule(DecisionRule):
    """Base class of rules that predict the labels with score >= threshold.

    With `at_least_one`, a sample where no label passes gets the label with the highest score, whatever
    its threshold; of equal scores the first.
    """

    def threshold(self) -> Tensor:
        """Return the threshold of each run: the leading axes of the scores, or as `by_pair` expects."""
        raise NotImplementedError

    def by_pair(self) -> Tensor:
        """Return the threshold in a shape that broadcasts to scores (..., N, K)."""
        return self.threshold()[..., None, None]

    def by_scores(self, scores: Tensor) -> Tensor:
        """Return scores >= threshold: (..., N, K), bool."""
        passed = scores.double() >= self.by_pair().to(scores.device)
        if not self.options.at_least_one:
            return passed
        return passed | (top_label(scores) & ~passed.any(dim=-1, keepdim=True))

    def fitted(self) -> dict[str, Tensor]:
        """Return the threshold, if there is one."""
        return {} if self.lacks else {"threshold": self.threshold()}


class TunedThresholdRule(ThresholdRule):
    """Base class of rules whose `fit` tunes the threshold."""

    tuned_on = "validation"
    _threshold: Tensor | None = None

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Restore the threshold."""
        self._threshold = torch.as_tensor(fitted["threshold"], dtype=torch.float64)
        return self

    def fitted(self) -> dict[str, Tensor]:
        """Return the threshold, if it is tuned."""
        return {} if self._threshold is None else {"threshold": self._threshold}

    def threshold(self) -> Tensor:
        """Return the tuned threshold."""
        if self._threshold is None:
            raise self._missing("a call of fit(scores, targets) first")
        return self._threshold


class LabelThresholdRule(TunedThresholdRule):
    """Base class of rules whose `fit` tunes a threshold for each label: (..., K)."""

    def by_pair(self) -> Tensor:
        """Return the threshold of each label: (..., 1, K)."""
        return self.threshold()[..., None, :]

    def fitted_shape(self, shape: Size) -> Size:
        """Return the shape of one threshold per label: (..., K)."""
        return shape[:-2] + shape[-1:]


@register_decision("fixed")
class Fixed(ThresholdRule):
    """One threshold that does not depend on data: the given one, or the natural threshold of the head.

    The natural threshold is 0.5 for marginals and 1/K for shares; heads that only rank labels have none.

    Use: for the Hamming loss, at 0.5 on marginals (docs/theory.md, statement 6).
    Avoid: for the Jaccard index where validation rows can tune a threshold: on the mean of the
    heads the rule is behind `global` in the league (results/league/rules.md).
    """

    Options = FixedOptions
    _restored: Tensor | None = None

    @property
    def lacks(self) -> Lack | None:
        """A threshold, if there is no restored, given or natural one."""
        values = (self._restored, self.options.threshold, self.natural_threshold)
        is_missing = all(value is None for value in values)
        return Lack("threshold", "these scores have no natural one") if is_missing else None

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Restore the threshold of a stored run."""
        self._restored = torch.as_tensor(fitted["threshold"], dtype=torch.float64)
        return self

    def threshold(self) -> Tensor:
        """Return the restored, given or natural threshold."""
        if self._restored is not None:
            return self._restored
        if self.lacks:
            raise self._missing("a threshold where the head has no natural one")
        given = self.options.threshold
        value = self.natural_threshold if given is None else given
        return torch.tensor(value, dtype=torch.float64)


@register_decision("global")
class Global(TunedThresholdRule):
    """One threshold for all labels, the best on validation data for a metric.

    Exact over all distinct scores, not over a grid: the plug-in rule of Koyejo et al. 2015,
    "Consistent multilabel classification", with the threshold found by one sort. With `at_least_one`
    the threshold is tuned for the sets after that correction.

    Use: as the default where there are validation rows: in the league few rules are ahead of it by
    more than a hundredth of Jaccard index (results/league/rules.md).
    """

    Options = TunedOptions

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Tune the threshold: scores and targets (..., N, K)."""
        return self._tune(scores, targets, None)

    def tune_masked(self, scores: Tensor, targets: Tensor, known: Tensor) -> Self:
        """Tune the threshold on the known pairs: (..., N, K) each."""
        return self._tune(scores, targets, known)

    def _tune(self, scores: Tensor, targets: Tensor, known: Tensor | None) -> Self:
        metric, some = COUNT_METRICS[self.options.metric], self.options.at_least_one
        self._threshold, _ = best_threshold(metric, scores, targets, some, known)
        return self


@dataclass
class PerLabelOptions:
    """The metric of each label's threshold, and the value below which the threshold falls back."""

    metric: str = option("f1", choices=("f1", "jaccard"))
    fallback: float = option(0.1, at_least=0, at_most=1, search=Interval(0, 0.5))
    at_least_one: bool = False


@register_decision("per_label")
class PerLabel(LabelThresholdRule):
    """A threshold for each label, the best on validation data for the F1 or Jaccard index of that label.

    A label whose best value is below `fallback` is too rare to tune on. Its threshold is then the
    highest validation score, or just above it where all rows have the same score, so that rare labels
    are not predicted everywhere. Two empty sets have the value 0, so a label without a validation
    positive always falls back, unless `fallback` is 0.
    This is SCutFBR.1 of Yang 2001, "A study on thresholding strategies for text categorization", as
    Fan and Lin 2007, "A study on threshold selection for multi-label classification", describe it and
    LibMultiLabel implements it; SCutFBR.0 would never predict such a label.

    With `at_least_one` the thresholds are then tuned together (`tuned_together`), except those of labels
    that fell back: each in turn is set to its best value for the mean over labels. The result is a local
    optimum, no worse than thresholds that are tuned separately. With missing labels they are tuned
    separately alone.

    Use: for macro F1, with validation rows that have enough positives of each label
    (experiments/thresholds).
    Avoid: for the Jaccard index of each sample, and with few validation rows
    (experiments/thresholds).
    """

    Options = PerLabelOptions

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Tune the thresholds: scores and targets (..., N, K)."""
        trusted = self._tune_apart(scores, targets)
        if self.options.at_least_one:
            metric = self._metric
            tables = (part.reshape(-1, *part.shape[-2:]) for part in (scores.double(), targets))
            lines = (part.reshape(-1, part.shape[-1]) for part in (self.threshold(), trusted))
            runs = zip(*(part.cpu() for part in (*tables, *lines)), strict=True)
            tuned = [tuned_together(metric, *run) for run in runs]
            self._threshold = torch.stack(tuned).view_as(trusted).to(scores.device)
        self._threshold = _apart_from_rounding(self.threshold(), scores)
        return self

    def tune_masked(self, scores: Tensor, targets: Tensor, known: Tensor) -> Self:
        """Tune each threshold on the rows in which its label is known, also with `at_least_one`."""
        # A label that is never known counts as one without a positive.
        never = ~known.any(dim=-2, keepdim=True)
        trusted = self._tune_apart(scores, targets * known, known | never) & ~never.squeeze(-2)
        threshold = torch.where(trusted, self.threshold(), _fallback(scores))
        self._threshold = _apart_from_rounding(threshold, scores)
        return self

    @property
    def _metric(self) -> CountMetric:
        """The macro metric, for its value 0 of two empty sets; each problem has one label."""
        metric: CountMetric = COUNT_METRICS[f"{self.options.metric}_macro"]
        return metric

    def _tune_apart(self, scores: Tensor, targets: Tensor, known: Tensor | None = None) -> Tensor:
        """Tune each threshold by itself; return which have not fallen back, (..., K)."""
        step = max(1, _AT_ONCE // scores[..., :1].numel())
        tables = [table for table in (scores, targets, known) if table is not None]
        chunks = (table.transpose(-1, -2).unsqueeze(-1).split(step, dim=-3) for table in tables)
        pairs = []
        for s, t, *k in zip(*chunks, strict=True):
            pairs.append(best_threshold(self._metric, s.double(), t, known=k[0] if k else None))
        best, value = (torch.cat(part, dim=-1) for part in zip(*pairs, strict=True))
        trusted: Tensor = value >= self.options.fallback
        self._threshold = torch.where(trusted, best, _fallback(scores))
        return trusted


def _fallback(scores: Tensor) -> Tensor:
    """Return the highest score of each label, or just above it where all are equal: (..., K)."""
    highest = scores.amax(dim=-2).double()
    above = torch.nextafter(highest, torch.full_like(highest, torch.inf))
    return torch.where(highest == scores.amin(dim=-2), above, highest)


def _apart_from_rounding(thresholds: Tensor, scores: Tensor) -> Tensor:
    """Move the thresholds of labels with one score for all rows, up to rounding, away from it: (..., K).

    In an exported file the score is rounded otherwise, and would be on the other side for all rows.
    """
    lowest, highest = (edge.double() for edge in scores.aminmax(dim=-2))
    size = torch.maximum(lowest.abs(), highest.abs())
    below = torch.minimum(thresholds, lowest - _MARGIN * size)
    above = torch.maximum(thresholds, highest + _MARGIN * size)
    moved = torch.where(thresholds <= lowest, below, thresholds)
    moved = torch.where(thresholds > highest, above, moved)
    return torch.where(highest - lowest <= _ROUNDING * size, moved, thresholds)


@register_decision("oracle")
class Oracle(Global):
    """The global threshold tuned on the test data: no fair contestant, but a measure of optimism.

    It shows what a comparison would report if it tuned its threshold on the test set.

    Avoid: as a result, since it has seen the test rows.
    """

    tuned_on = "test"
