"""Sigmoids for which missing labels are negatives, perhaps of a small weight."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from mlc.config.options import Choice, Interval, option
from mlc.heads.base import register_head
from mlc.heads.label_wise import LabelWise
from mlc.heads.sigmoid import SigmoidScores


@dataclass
class AssumeNegativeOptions:
    """The weight of a missing label as a negative (null for 1 / (K - 1)), and the label smoothing."""

    weight: float | None = option(1.0, at_least=0, search=Choice(1.0, None))
    smoothing: float = option(0.0, at_least=0, below=0.5, search=Interval(0, 0.2))


@register_head("assume_negative")
class AssumeNegative(LabelWise, SigmoidScores):
    r"""One sigmoid for each label; a missing label counts as a negative of a given weight.

    loss = $`-\sum_k w_k [t_k \log s_k + (1 - t_k) \log(1 - s_k)]`$, $`s = \sigma(z)`$,
    $`t_k = (1 - \varepsilon) y_k + \varepsilon (1 - y_k)`$ with the smoothing $`\varepsilon`$ and
    $`y_k = 0`$ where the label is missing; $`w_k`$ is 1 for known labels and the option `weight`
    for missing ones. The weight 1 is AN of the source, with smoothing AN-LS; null is WAN, the
    weight $`1 / (K - 1)`$ (1 for one label), with which a single known positive weighs as much as
    all missing labels. The source takes the mean over the labels. Without missing labels and
    smoothing it is `sigmoid`.
    Consistent for the order of samples within a label if labels are missing at random with one
    probability for all: with weight 1, $`s_k`$ then estimates the probability that the label is
    positive and known, a fixed share of the marginal.
    Source: Cole et al. 2021, "Multi-label learning from single positive labels", and
    `loss_an`, `loss_an_ls` and `loss_wan` in losses.py,
    github.com/elijahcole/single-positive-multi-label.
    Use: where positives alone are known: the loss of the known labels would be least with all
    labels predicted.
    Avoid: where positives and negatives are missing alike: `sigmoid` on the known labels estimates
    the marginals.
    """

    Options = AssumeNegativeOptions
    estimates = "order"
    soft_targets = True

    def remark(self, masked: bool) -> str | None:
        """Say that the head is `sigmoid` if no label is missing."""
        if masked or self.options.smoothing:
            return None
        return (
            "head=assume_negative trains as head=sigmoid, for no label is missing: mark those that are"
            " unknown (docs/missing_labels.md), or choose head=sigmoid."
        )

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy of each label to the smoothed targets: (R, B, K)."""
        if self.options.smoothing:
            # (1 - e) y + e (1 - y)
            targets = targets + self.options.smoothing * (1 - 2 * targets)
        return binary_cross_entropy_with_logits(outputs, targets, reduction="none")

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """The weighted sum over all labels: (R, B)."""
        losses = self.label_losses(outputs, targets)
        weight = self.options.weight
        if weight is None:
            weight = 1 / max(1, self.n_labels - 1)
        return losses.where(known, weight * losses).sum(dim=-1)
