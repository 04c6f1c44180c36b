"""Thresholds per label for the sum of macro and micro F1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from mlc.decisions.base import register_decision
from mlc.decisions.thresholds import LabelThresholdRule
from mlc.metrics.sweep import first_best


@dataclass
class MicroMacroOptions:
    """Whether each label set has at least one label."""

    at_least_one: bool = False


@register_decision("micro_macro")
class MicroMacro(LabelThresholdRule):
    """A threshold for each label, the best on validation data for macro F1 plus micro F1.

    The labels are taken in the order of their validation positives, the most frequent first. The
    threshold of the j-th label maximises F1_j / j + F1 of the pooled counts of the first j labels, whose
    other thresholds are set. The pooled counts smooth the F1 of a rare label: a false positive costs as
    much as it costs in micro F1, so a label with few positives is not predicted everywhere because of
    one of them, and no `fallback` is needed as in `per_label`. Two empty sets have the value 0. Of
    equally good thresholds the highest is taken; one that no validation score passes is next above the
    highest score. With `at_least_one` the thresholds are not tuned again.

    Source: Lin and Lin 2023, "On the thresholding strategy for infrequent labels in multi-label
    classification", section 4.3, the variant micromacro-freq, as `train_thresholding` of LibMultiLabel
    implements it, with one validation part in place of its three folds.

    Use: for macro F1 with rare labels, for which the source designed it.
    """

    Options = MicroMacroOptions

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Tune the thresholds: scores and targets (..., N, K)."""
        cuts, true = _cuts(scores.double().transpose(-1, -2), targets.double().transpose(-1, -2))
        predicted = torch.arange(cuts.shape[-1], dtype=cuts.dtype, device=cuts.device)
        actual = true[..., -1]
        order = actual.argsort(dim=-1, descending=True, stable=True)
        # True, predicted and actual positives of the labels so far.
        pooled = torch.zeros(3, *actual.shape[:-1], 1, dtype=cuts.dtype, device=cuts.device)
        self._threshold = torch.zeros_like(actual)
        for rank, label in enumerate(order.split(1, dim=-1), start=1):
            of_label = label.unsqueeze(-1).expand(*label.shape, cuts.shape[-1])
            possible, hits = (part.gather(-2, of_label).squeeze(-2) for part in (cuts, true))
            counts = hits, predicted.expand_as(hits), actual.gather(-1, label).expand_as(hits)
            together = (a + b for a, b in zip(pooled, counts, strict=True))
            value = _f1(*counts) / rank + _f1(*together)
            best = first_best(value.where(possible.isfinite(), torch.nan)).unsqueeze(-1)
            self._threshold.scatter_(-1, label, possible.gather(-1, best))
            pooled = pooled + torch.stack([part.gather(-1, best) for part in counts])
        return self


def _cuts(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the thresholds that the n highest scores pass, and the positives among these.

    Scores and targets are (..., K, N), both results (..., K, N + 1), for n from 0 to N. A threshold is
    midway between two scores, and NaN between equal ones.
    """
    descending, index = scores.sort(dim=-1, descending=True)
    above, below = descending[..., :-1], descending[..., 1:]
    highest = descending[..., :1]
    between = ((above + below) / 2).where(above > below, torch.nan)
    first = torch.nextafter(highest, torch.full_like(highest, torch.inf))
    thresholds = torch.cat([first, between, descending[..., -1:]], dim=-1)
    hits = targets.gather(-1, index).cumsum(dim=-1)
    return thresholds, torch.cat([torch.zeros_like(highest), hits], dim=-1)


def _f1(true: Tensor, predicted: Tensor, actual: Tensor) -> Tensor:
    """Return F1 from counts; 0 where nothing is predicted and nothing true."""
    return 2 * true / (predicted + actual).clamp(min=1)
