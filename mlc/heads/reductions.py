"""One softmax (or K sigmoids) that share the sample among its positive labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from mlc.heads.base import Head, register_head
from mlc.heads.label_sets import EPSILON, fold_marginals, fold_shares
from mlc.heads.sigmoid import SigmoidScores


class Shares(Head):
    """A head whose scores are shares: each of n certain labels of a sample scores 1 / n."""

    estimates = "shares"

    @classmethod
    def natural_threshold(cls, n_labels: int) -> float | None:
        """1/K, the least share of a certain label; 1/2 for one label, whose share is its marginal."""
        return min(1 / n_labels, 0.5)


class Softmax(Shares):
    """A softmax over the K labels, which are more than one, for else its score is always 1."""

    least_labels = 2

    def scores(self, outputs: Tensor) -> Tensor:
        """softmax(z), which sums to one over the labels: (R, B, K)."""
        return outputs.softmax(dim=-1)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """Logarithms of the expected shares, which need not sum to one."""
        return fold_shares(joint, self.n_labels).clamp(min=EPSILON).log()


@register_head("pick_one")
class PickOne(Softmax):
    """Softmax over the K labels; the target is one positive label, drawn afresh each epoch.

    loss = logsumexp(z) - z_j, j uniform over the positives of the sample; 0 for a sample without
    labels. In expectation this is the cross-entropy to y/|y| (PAL-N in Menon et al. 2019, "Multilabel
    reductions: what is my loss optimising?"), so the scores estimate E[y_k / |y| given x]: they sum
    to one, are no marginals, and must be thresholded low: of n certain labels each has 1/n, which is
    1/K at least, so 1/K misses none of them and is the highest such threshold.
    Consistent for recall at k, whose best ranking is by E[y_k / |y|]; not in general for precision at
    k, whose best ranking is by P(y_k = 1 | x) (Menon et al. 2019, sections 2 and 4).
    Source: fastText's supervised softmax, `FastText::supervised` in src/fasttext.cc, which draws one
    label uniformly and returns early for a line without labels (Joulin et al. 2017).
    """

    needs_uniforms = True

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """Cross-entropy to the drawn label: (R, B)."""
        if uniforms is None:
            uniforms = torch.rand(targets.shape[:-1], device=targets.device)
        n_positive = targets.sum(dim=-1)
        # The product can round up to n itself, which no label has as its rank.
        rank = torch.minimum((uniforms * n_positive).floor(), n_positive - 1)
        picked = (targets.cumsum(dim=-1) > rank.unsqueeze(-1)).int().argmax(dim=-1, keepdim=True)
        cross_entropy = outputs.logsumexp(dim=-1) - outputs.gather(-1, picked).squeeze(-1)
        return torch.where(n_positive > 0, cross_entropy, torch.zeros_like(cross_entropy))

    def expected_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over the positives that may be drawn: (R, B)."""
        return _cross_entropy_to_shares(outputs, targets)


@register_head("softmax_uniform")
class SoftmaxUniform(Softmax):
    """Softmax over the K labels; the target is the uniform distribution over the positives.

    loss = -sum_k (y_k / |y|) log p_k, p = softmax(z); 0 for a sample without labels.
    Consistent for recall at k, as `pick_one`, whose expectation it is, and thresholded at 1/K as it.
    Source: pick-all-labels normalised (PAL-N), Menon et al. 2019, "Multilabel reductions: what is my
    loss optimising?"; Mahajan et al. 2018, "Exploring the limits of weakly supervised
    pretraining".
    """

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """Cross-entropy to the uniform distribution over the positives: (R, B)."""
        return _cross_entropy_to_shares(outputs, targets)


@register_head("softmax_all")
class SoftmaxAll(Softmax):
    """Softmax over the K labels; each positive label is a target of its own.

    loss = -sum_k y_k log p_k, p = softmax(z). A sample counts as often as it has labels, so that the
    scores estimate P(y_k = 1 | x) / E[|y| given x]. Without tuning they are thresholded at 1/K, the
    least that a certain label can have.
    Consistent for precision at k, whose best ranking is by P(y_k = 1 | x); not in general for recall
    at k (Menon et al. 2019, section 4).
    Source: pick-all-labels (PAL), Menon et al. 2019, "Multilabel reductions: what is my loss
    optimising?".
    """

    soft_targets = True

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """Cross-entropy to each positive, summed: (R, B)."""
        return -(targets * outputs.log_softmax(dim=-1)).sum(dim=-1)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """Logarithms of the marginals."""
        return fold_marginals(joint, self.n_labels).clamp(min=EPSILON).log()


@register_head("ova_n")
class OneVersusAllNormalised(Shares, SigmoidScores):
    """One sigmoid for each label, whose target is the label's share of the sample.

    loss = -sum_k [(y_k / |y|) log s_k + (1 - y_k / |y|) log(1 - s_k)], s = sigmoid(z); all targets
    are 0 for a sample without labels. The scores estimate E[y_k / |y| given x]. Without tuning they
    are thresholded at 1/K, the least that a certain label can have (1/2 for K = 1).
    Consistent for recall at k; not in general for precision at k.
    Source: one-versus-all normalised (OVA-N), Menon et al. 2019, "Multilabel reductions: what is my
    loss optimising?".
    """

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """Binary cross-entropy to the shares, summed over the labels: (R, B)."""
        shares = targets / targets.sum(dim=-1, keepdim=True).clamp(min=1)
        return binary_cross_entropy_with_logits(outputs, shares, reduction="none").sum(dim=-1)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The expected shares' logits."""
        return fold_shares(joint, self.n_labels).logit(eps=EPSILON)


def _cross_entropy_to_shares(outputs: Tensor, targets: Tensor) -> Tensor:
    shares = targets / targets.sum(dim=-1, keepdim=True).clamp(min=1)
    return -(shares * outputs.log_softmax(dim=-1)).sum(dim=-1)
