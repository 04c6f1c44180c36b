"""Losses that compare positive labels with negative ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad, softplus

from mlc.config.options import Interval, option
from mlc.heads.base import register_head
from mlc.heads.masking import lowest
from mlc.heads.sigmoid import SigmoidScores


class Ranking(SigmoidScores):
    """A head whose outputs only rank the labels; the sigmoid maps them to scores, 0 to 0.5."""

    estimates = "order"


@register_head("zlpr")
class ZLPR(Ranking):
    r"""Positives above 0 and negatives below, by a soft maximum (log-sum-exp).

    loss = $`\log(1 + \sum_{k: y_k = 0} \exp z_k) + \log(1 + \sum_{k: y_k = 1} \exp(-z_k))`$.
    Consistent for none of the usual measures in general; with one label (K = 1) it is the logistic
    loss. A label is predicted if $`z_k \geq 0`$, a score of 0.5, since the loss compares each output
    with 0.
    Source: Su et al. 2022, "ZLPR: a novel loss for multi-label classification".
    """

    masks = True

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The sum of both terms: (R, B)."""
        positive = targets > 0
        return self._terms(outputs, positive, positive)

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """The sum of both terms over the known labels: (R, B)."""
        positive = targets > 0
        return self._terms(outputs, positive, positive | ~known)

    @staticmethod
    def _terms(outputs: Tensor, positive: Tensor, not_negative: Tensor) -> Tensor:
        above = pad(outputs.masked_fill(not_negative, -torch.inf), (0, 1))
        below = pad((-outputs).masked_fill(~positive, -torch.inf), (0, 1))
        return above.logsumexp(dim=-1) + below.logsumexp(dim=-1)


class Comparing(Ranking):
    """A head whose loss depends only on differences of outputs."""

    identifiable = False

    @classmethod
    def natural_threshold(cls, n_labels: int) -> float | None:
        """Return None: the loss does not change if a constant is added to the outputs."""
        return None


@dataclass
class TwoWayOptions:
    """The temperatures of positives and negatives."""

    temperature_positive: float = option(4.0, above=0, search=Interval(1, 8, log=True))
    temperature_negative: float = option(1.0, above=0, search=Interval(0.5, 4, log=True))


@register_head("two_way")
class TwoWay(Comparing):
    r"""The hardest positive above the hardest negative, among a sample's labels and a label's samples.

    loss = $`\log(1 + \exp(N \log \sum_{i: y_i = 0} \exp(z_i / N) + T \log \sum_{j: y_j = 1}
    \exp(-z_j / T)))`$ over the labels of a sample, 0 where it has no positive or no negative; plus
    the mean over the batch's labels with a positive of the same over the label's samples, the same
    for all samples of the batch. T and N are the temperatures of positives and of negatives. The
    first part is multiplied by the batch size over the number of samples with a positive, so that
    its mean over the batch is a mean over these samples, as in the source.
    Consistent for none of the usual measures: the loss does not change if a constant is added to all
    outputs, so there is no natural threshold and it must be tuned.
    Source: Kobayashi 2023, "Two-way multi-label loss", and its code,
    github.com/tk1980/TwowayMultiLabelLoss, with equal weights of both parts.
    Avoid: without a tuned threshold.
    """

    Options = TwoWayOptions
    compares_samples = True
    masks = True

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The sum of both parts: (R, B); the second one needs the complete batch."""
        positive = targets > 0
        return self._both_parts(outputs, positive, ~positive)

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """The sum of both parts over the known pairs of sample and label: (R, B)."""
        positive = targets > 0
        return self._both_parts(outputs, positive, ~positive & known)

    def _both_parts(self, outputs: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        has_positive = positive.any(dim=-1)
        share = has_positive.to(outputs.dtype)
        # Then the mean over the batch is the mean over the samples with a positive.
        share = share * share.shape[-1] / share.sum(dim=-1, keepdim=True).clamp(min=1)
        by_label = self._contrast(outputs, positive, negative, -2)
        label_counts = positive.any(dim=-2)
        over_labels = (by_label * label_counts).sum(dim=-1) / label_counts.sum(dim=-1).clamp(min=1)
        within = self._contrast(outputs, positive, negative, -1)
        return within * share + over_labels.unsqueeze(-1)

    def _contrast(self, outputs: Tensor, positive: Tensor, negative: Tensor, dim: int) -> Tensor:
        """softplus of the soft maximum of negatives minus the soft minimum of positives on an axis."""
        warm, cold = self.options.temperature_positive, self.options.temperature_negative
        floor = lowest(outputs)
        below = (-outputs / warm).masked_fill(~positive, floor).logsumexp(dim) * warm
        above = (outputs / cold).masked_fill(~negative, floor).logsumexp(dim) * cold
        both = positive.any(dim) & negative.any(dim)
        return torch.where(both, softplus(torch.where(both, above + below, 0)), 0)


@register_head("margin")
class Margin(Comparing):
    r"""A hinge loss that puts each positive a margin of 1 above each negative.

    loss = $`\frac{1}{K} \sum_{j: y_j = 1} \sum_{i: y_i = 0} \max(0, 1 - (z_j - z_i))`$; 0 for a
    sample without positives or without negatives.
    Consistent for none of the usual measures: pairwise hinge losses are not even consistent for the
    ranking loss (Gao and Zhou 2013, "On the consistency of multi-label learning"). The loss does not
    change if a constant is added to a sample's outputs, so there is no natural threshold and it must
    be tuned.
    Source: torch.nn.MultiLabelMarginLoss; Crammer and Singer 2003, "A family of additive online
    algorithms for category ranking".
    Avoid: without a tuned threshold.
    """

    least_labels = 2
    masks = True

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The sum of the violated margins: (R, B)."""
        return self._violated(outputs, targets, targets > 0) / self.n_labels

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """The sum of the violated margins of known labels, divided by their number: (R, B)."""
        total = self._violated(outputs, targets, (targets > 0) | ~known)
        return total / known.sum(dim=-1).clamp(min=1)

    def _violated(self, outputs: Tensor, targets: Tensor, not_negative: Tensor) -> Tensor:
        """Sum the violated margins.

        Sorting takes K log K instead of K^2 steps: a positive's violators are the highest negatives.
        """
        floor = lowest(outputs)
        highest = outputs.masked_fill(not_negative, floor).sort(dim=-1, descending=True).values
        total = pad(highest.masked_fill(highest <= floor, 0).cumsum(dim=-1), (1, 0))
        rising = highest.detach().flip(-1)
        n_violators = self.n_labels - torch.searchsorted(rising, outputs.detach() - 1, right=True)
        violated = n_violators * (1 - outputs) + total.gather(-1, n_violators)
        return (targets * violated).sum(dim=-1)
