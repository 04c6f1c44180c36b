"""The distribution-balanced loss for labels with few positives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from mlc.config.options import Choice, Interval, option
from mlc.heads.base import KnownLabels, register_head
from mlc.heads.imbalance import counts
from mlc.heads.label_wise import LabelWise
from mlc.heads.sigmoid import SigmoidScores

# The authors' smallest weight and slope, the same on both of their data sets.
_SMALLEST, _SLOPE = 0.1, 10.0


@dataclass
class DistributionBalancedOptions:
    """The centre of the weights, the tolerance and the bias of negatives, and the focal exponent."""

    centre: float = option(0.2, at_least=0, search=Interval(0.1, 0.4))
    tolerance: float = option(2.0, at_least=1, search=Interval(1, 10, log=True))
    bias: float = option(0.05, at_least=0, search=Interval(0, 0.2))
    gamma: float = option(0.0, at_least=0, search=Choice(0, 1, 2))


@register_head("distribution_balanced")
class DistributionBalanced(LabelWise, SigmoidScores):
    r"""One sigmoid for each label, with weights by label frequency and a softer loss of negatives.

    loss = $`\sum_k w_k [y_k f(u_k) + (1 - y_k) f(-t u_k) / t]`$, $`f(u) = -(1 - q)^\gamma \log q`$
    with $`q = \sigma(u)`$, $`u = z - v`$, tolerance $`t`$. The weight of the sample and label is
    $`w_k = 0.1 + \sigma(10 (r_k - c))`$ with the centre $`c`$,
    $`r_k = \frac{1 / n_k}{\sum_{j: y_j = 1} 1 / n_j}`$, with $`n_k`$ positives in the training rows;
    it is 1.1 for a sample without labels. The bias
    $`v_k = (b / t) \log(\text{negatives} / \text{positives})`$, with the option `bias` as $`b`$,
    lowers $`u`$ for rare labels at the start of the training. A count of none is replaced by one
    half. With $`\gamma = 2`$ it is, up to a factor of 2, the form with the focal loss (DB-focal).
    Consistent for none of the usual measures: weights that depend on the true label set and a loss of
    negatives with another slope change the order of samples; the threshold should be tuned.
    Source: Wu et al. 2020, "Distribution-balanced loss for multi-label classification in long-tailed
    datasets", and its code: `ResampleLoss` with reweight_func="rebalance" and the options of
    configs/coco (centre 0.2, tolerance 2; 0.3 and 5 in configs/voc) in
    github.com/wutong16/DistributionBalancedLoss, which divides the bias by the tolerance. The code
    takes the mean over the labels and draws samples class by class; here rows are drawn evenly.
    """

    Options = DistributionBalancedOptions
    estimates = "order"
    rarity: Tensor
    shift: Tensor

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """Compute 1 / n_k and v_k of each run from its training rows: (R, 1, K)."""
        positives, negatives = counts(self.require_known(known))
        self.register_buffer("rarity", 1 / positives)
        odds = (negatives / positives).log()
        self.register_buffer("shift", self.options.bias / self.options.tolerance * odds)

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The weighted loss of each label, by the known positives of its sample: (R, B, K)."""
        tolerance, is_positive = self.options.tolerance, targets > 0
        moved = outputs - self.shift.to(outputs.dtype)
        signed = torch.where(is_positive, moved, -tolerance * moved)
        focus = (self.options.gamma * logsigmoid(-signed)).exp()
        losses = -focus * logsigmoid(signed)
        losses = torch.where(is_positive, losses, losses / tolerance)
        weighted: Tensor = self.weights(targets) * losses
        return weighted

    def weights(self, targets: Tensor) -> Tensor:
        """Return the weight of each label of each sample: (R, B, K)."""
        rarity = self.rarity.to(targets.dtype)
        present = (targets * rarity).sum(dim=-1, keepdim=True)
        share = torch.where(present > 0, rarity / present, torch.inf)
        weights: Tensor = _SMALLEST + (_SLOPE * (share - self.options.centre)).sigmoid()
        return weights
