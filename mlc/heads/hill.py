"""The Hill loss, made for data in which positives are missing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from mlc.config.options import Interval, option
from mlc.heads.base import register_head
from mlc.heads.label_wise import LabelWise
from mlc.heads.sigmoid import SigmoidScores


@dataclass
class HillOptions:
    """Exponent and margin of the positives, and the number from which the weight of negatives falls."""

    gamma: float = option(2.0, at_least=0, search=Interval(0, 4))
    margin: float = option(1.0, at_least=0, search=Interval(0, 1))
    tolerance: float = option(1.5, at_least=1)


@register_head("hill")
class Hill(LabelWise, SigmoidScores):
    r"""One sigmoid for each label; negatives with a high score have a small gradient.

    loss = $`\sum_k [-y_k (1 - p_k)^\gamma \log p_k + (1 - y_k) (t - s_k) s_k^2]`$, $`s = \sigma(z)`$,
    $`p = \sigma(z - m)`$, with the tolerance $`t`$ and the margin $`m`$. The gradient of a negative
    with respect to $`s`$ is that of a squared error times $`t - 3 s / 2`$, which for $`t = 1.5`$
    falls to 0 at $`s = 1`$: such a negative may be a missing positive.
    Consistent for none of the usual measures: the losses of positives and of negatives are not of one
    proper loss, so the threshold should be tuned.
    Source: Zhang et al. 2021, "Simple and robust loss design for multi-label learning with missing
    labels"; `Hill` in src/loss_functions/losses.py, github.com/xinyu1205/robust-loss-mlml.
    Use: where training rows lack some of their labels, for which the source designed it.
    Avoid: where scores are to be probabilities.
    """

    Options = HillOptions
    estimates = "order"

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The Hill loss of each label: (R, B, K)."""
        lower, scores = outputs - self.options.margin, outputs.sigmoid()
        focus = (self.options.gamma * logsigmoid(-lower)).exp()
        positive = -focus * logsigmoid(lower)
        negative = (self.options.tolerance - scores) * scores.square()
        return torch.where(targets > 0, positive, negative)
