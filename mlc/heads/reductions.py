"""Reductions to multi-class: a softmax (or K sigmoids) whose targets are shares of a sample."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from mlc.heads.base import Head, register_head
from mlc.heads.label_sets import EPSILON, fold_marginals, fold_shares
from mlc.heads.label_wise import LabelWise
from mlc.heads.masking import lowest
from mlc.heads.sigmoid import SigmoidScores


class Shares(Head):
    """A head whose scores are shares: each of n certain labels of a sample has the score 1 / n.

    Of uncertain labels, heads whose loss is 0 without labels estimate E[y_k / |y| | x, y not empty].
    """

    estimates = "shares"

    @classmethod
    def natural_threshold(cls, n_labels: int) -> float | None:
        """Return 1/K, the least share of a certain label; 1/2 for K = 1, where it is the marginal."""
        return min(1 / n_labels, 0.5)


class Softmax(Shares):
    """A softmax over the K labels; with a single label, its score would always be 1."""

    least_labels = 2

    def scores(self, outputs: Tensor) -> Tensor:
        """softmax(z), which sums to one over the labels: (R, B, K)."""
        return outputs.softmax(dim=-1)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The logarithms of the expected shares, which need not sum to one."""
        return fold_shares(joint, self.n_labels).clamp(min=EPSILON).log()


@register_head("pick_one")
class PickOne(Softmax):
    r"""Softmax over the K labels; the target is one positive label, drawn anew in each epoch.

    loss = $`\log \sum_k \exp z_k - z_j`$, j uniform over the positives of the sample; 0 for a
    sample without labels. In expectation this is the cross-entropy to $`y / \lvert y \rvert`$
    (PAL-N in Menon et al. 2019, "Multilabel reductions: what is my loss optimising?"), so the
    scores estimate $`\mathbb{E}[y_k / \lvert y \rvert \mid x, y \neq \emptyset]`$: they sum to one,
    are not marginals, and need a low threshold. Each of n certain labels has the score $`1 / n`$,
    at least $`1 / K`$, so $`1 / K`$ is the highest threshold that misses none of them.
    Consistent for recall at k, whose best ranking is by
    $`\mathbb{E}[y_k / \lvert y \rvert \mid x, y \neq \emptyset]`$; not in general for precision at
    k, whose best ranking is by $`P(y_k = 1 \mid x)`$ (Menon et al. 2019, sections 2 and 4).
    Source: fastText's supervised softmax, `FastText::supervised` in src/fasttext.cc, which draws one
    label uniformly and skips lines without labels (Joulin et al. 2017).
    Use: if all samples have the same number of labels: the threshold on its scores then decides as
    one on marginals does (docs/theory.md, statement 7).
    Avoid: where samples without labels are frequent, or where the number of labels varies
    (docs/theory.md, statements 11 to 13; experiments/pick_one).
    """

    needs_uniforms = True
    masks = True

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """Cross-entropy to the drawn label: (R, B)."""
        picked = drawn_positive(targets, uniforms)
        cross_entropy = outputs.logsumexp(dim=-1) - outputs.gather(-1, picked).squeeze(-1)
        return torch.where(targets.any(dim=-1), cross_entropy, torch.zeros_like(cross_entropy))

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """Cross-entropy to the label drawn from the known positives, among the known labels: (R, B)."""
        return self.loss(among_known(outputs, known), targets, uniforms)

    def expected_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over the positives: (R, B)."""
        return _cross_entropy_to_shares(outputs, targets)

    def expected_masked_loss(self, outputs: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """The mean over the known positives: (R, B)."""
        return _cross_entropy_to_shares(among_known(outputs, known), targets)


@register_head("softmax_uniform")
class SoftmaxUniform(Softmax):
    r"""Softmax over the K labels; the target is the uniform distribution over the positives.

    loss = $`-\sum_k \frac{y_k}{\lvert y \rvert} \log p_k`$, $`p = \operatorname{softmax}(z)`$; 0 for
    a sample without labels.
    Consistent for recall at k, as `pick_one`, whose expected loss it is; the threshold $`1 / K`$ is
    the same.
    Source: pick-all-labels normalised (PAL-N), Menon et al. 2019, "Multilabel reductions: what is my
    loss optimising?"; Mahajan et al. 2018, "Exploring the limits of weakly supervised pretraining".
    Use: in place of `pick_one`: the minimum is the same and the gradient has less noise
    (docs/theory.md, statement 3).
    Avoid: where `pick_one` is to be avoided.
    """

    masks = True

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """Cross-entropy to the uniform distribution over the positives: (R, B)."""
        return _cross_entropy_to_shares(outputs, targets)

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """Cross-entropy among the known labels: (R, B)."""
        return _cross_entropy_to_shares(among_known(outputs, known), targets)


@register_head("softmax_all")
class SoftmaxAll(Softmax):
    r"""Softmax over the K labels; each positive label is a target.

    loss = $`-\sum_k y_k \log p_k`$, $`p = \operatorname{softmax}(z)`$. A sample counts once for each
    label, so the scores estimate $`P(y_k = 1 \mid x) / \mathbb{E}[\lvert y \rvert \mid x]`$: they
    sum to one, and are the mean share if all samples have the same number of labels. The
    threshold without tuning is $`1 / K`$, the lowest score of a certain label.
    Consistent for precision at k, whose best ranking is by $`P(y_k = 1 \mid x)`$; not in general for
    recall at k (Menon et al. 2019, section 4).
    Source: pick-all-labels (PAL), Menon et al. 2019, "Multilabel reductions: what is my loss
    optimising?".
    Use: to rank the labels of a sample by their marginals (docs/theory.md, statement 4).
    Avoid: where samples without labels are frequent, or where the number of labels varies
    (docs/theory.md, statements 11 and 13).
    """

    soft_targets = True
    masks = True

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """Cross-entropy to each positive, summed: (R, B)."""
        return -(targets * outputs.log_softmax(dim=-1)).sum(dim=-1)

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """Cross-entropy to each known positive among the known labels, summed: (R, B)."""
        return self.loss(among_known(outputs, known), targets)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The logarithms of the marginals."""
        return fold_marginals(joint, self.n_labels).clamp(min=EPSILON).log()


@register_head("ova_n")
class OneVersusAllNormalised(LabelWise, Shares, SigmoidScores):
    r"""One sigmoid for each label, with the label's share of the sample as the target.

    loss = $`-\sum_k [q_k \log s_k + (1 - q_k) \log(1 - s_k)]`$, $`q = y / \lvert y \rvert`$,
    $`s = \sigma(z)`$; all targets are 0 for a sample without labels, which has a loss here. The
    scores estimate $`\mathbb{E}[q_k \mid x]`$, with $`q_k = 0`$ for samples without labels. The
    threshold without tuning is $`1 / K`$, the lowest score of a certain label (1/2 for K = 1).
    Consistent for recall at k; not in general for precision at k.
    Source: one-versus-all normalised (OVA-N), Menon et al. 2019, "Multilabel reductions: what is my
    loss optimising?".
    Avoid: where the number of labels varies: one threshold on shares does not fit samples of
    different sizes (docs/theory.md, statement 11).
    """

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy to the shares among the known positives: (R, B, K)."""
        shares = targets / targets.sum(dim=-1, keepdim=True).clamp(min=1)
        return binary_cross_entropy_with_logits(outputs, shares, reduction="none")

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The logits of the expected shares."""
        return fold_shares(joint, self.n_labels).logit(eps=EPSILON)


def among_known(outputs: Tensor, known: Tensor) -> Tensor:
    """Return the outputs, with those of unknown labels so low that their softmax is 0."""
    return outputs.masked_fill(~known, lowest(outputs))


def drawn_positive(targets: Tensor, uniforms: Tensor | None) -> Tensor:
    """Return the index of one of the positives of each sample, or 0 if there is none.

    Args:
        targets: (..., B, K).
        uniforms: (..., B), uniform on [0, 1); equal parts of it belong to each positive; None
            draws them.

    Returns:
        (..., B, 1), int64.
    """
    if uniforms is None:
        uniforms = torch.rand(targets.shape[:-1], device=targets.device)
    n_positive = targets.sum(dim=-1)
    # The product can round up to n; the largest rank is n - 1.
    rank = torch.minimum((uniforms * n_positive).floor(), n_positive - 1)
    return (targets.cumsum(dim=-1) > rank.unsqueeze(-1)).int().argmax(dim=-1, keepdim=True)


def mean_over_positives(losses: Tensor, targets: Tensor) -> Tensor:
    """Return the mean of the positives' losses, 0 without positives: two (..., K) to (...)."""
    shares = targets / targets.sum(dim=-1, keepdim=True).clamp(min=1)
    return (shares * losses).sum(dim=-1)


def _cross_entropy_to_shares(outputs: Tensor, targets: Tensor) -> Tensor:
    return mean_over_positives(-outputs.log_softmax(dim=-1), targets)
