"""A threshold that bounds the expected share of missed labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from mlc.config.options import option
from mlc.decisions.base import register_decision
from mlc.decisions.thresholds import TunedThresholdRule
from mlc.metrics.sweep import EQUAL


@dataclass
class ConformalOptions:
    """The bound of the expected share of missed labels, and whether each set has a label."""

    alpha: float = option(0.1, above=0, below=1)
    at_least_one: bool = False


@register_decision("conformal")
class Conformal(TunedThresholdRule):
    """The highest threshold that misses, in expectation, at most a share `alpha` of a row's labels.

    A row's loss is the share of its labels that are not predicted, 0 for a row without labels. With the
    mean loss R(t) of the n validation rows at the threshold t, the threshold is the highest in [0, 1]
    with n / (n + 1) R(t) + 1 / (n + 1) <= alpha, found exactly by one sort; it is 0, and all labels are
    predicted, if there is none: with fewer than 1 / alpha - 1 rows. If the validation rows and a new
    row are exchangeable, the expected loss of the new row is at most alpha, whatever the scores; it is
    at least alpha - 2 / (n + 1) if these are continuous and the threshold is below 1.

    The expectation is over the validation rows too; the bound holds neither for each label nor for each
    kind of row. It assumes that the validation rows served for nothing else; that they chose the epoch
    breaks it, by little. Few missed labels cost precision: see that of the table. `at_least_one` adds
    labels, so that the bound stays valid.

    Source: Angelopoulos, Bates, Fisch, Lei and Schuster 2024, "Conformal risk control", theorem 1 with
    B = 1 and lambda = 1 - t, and section 3.2 on the false negative rate.
    """

    Options = ConformalOptions

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Tune the threshold: scores and targets (..., N, K)."""
        n_rows = scores.shape[-2]
        actual = targets.double()
        shares = actual / actual.sum(dim=-1, keepdim=True).clamp(min=1)
        ascending, order = scores.double().flatten(-2).sort(dim=-1)
        missed = shares.flatten(-2).gather(-1, order).cumsum(dim=-1)
        budget = self.options.alpha * (n_rows + 1) - 1
        # The lowest score that no threshold may exceed.
        exceeding = missed > budget + EQUAL
        first = exceeding.to(torch.uint8).argmax(dim=-1, keepdim=True)
        threshold = ascending.gather(-1, first).squeeze(-1)
        threshold = torch.where(exceeding.any(dim=-1), threshold, 1.0)
        self._threshold = threshold if budget >= -EQUAL else torch.zeros_like(threshold)
        return self
