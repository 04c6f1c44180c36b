"""Independent sigmoids: binary relevance in one network."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from mlc.heads.base import Head, register_head
from mlc.heads.label_sets import EPSILON, fold_marginals
from mlc.heads.label_wise import LabelWise


class SigmoidScores(Head):
    """A head whose scores are the sigmoids of its outputs."""

    def scores(self, outputs: Tensor) -> Tensor:
        """sigmoid(z): (R, B, K)."""
        return outputs.sigmoid()


@register_head("sigmoid")
class Sigmoid(LabelWise, SigmoidScores):
    r"""One sigmoid for each label, with binary cross-entropy summed over the labels.

    loss = $`-\sum_k [y_k \log s_k + (1 - y_k) \log(1 - s_k)]`$, $`s = \sigma(z)`$: the negative
    log-likelihood of a label set whose labels are independent given x.
    Consistent for the marginals $`P(y_k = 1 \mid x)`$, so for Hamming loss, and with a suitable
    threshold for ranking and label-wise measures; not for subset accuracy if labels depend on each
    other (Dembczynski et al. 2012, "On label dependence and loss minimization", sections 4 and 5).
    Source: Bishop 2006, "Pattern Recognition and Machine Learning", section 5.2;
    torch.nn.BCEWithLogitsLoss.
    Use: as the default. Estimates the marginals, so any rule on scores suits it; with its rule chosen
    on validation rows it is close to the best head on most tables (experiments/league).
    Avoid: for exact label sets of labels that depend on each other: no rule on marginals is optimal
    then (docs/theory.md, statement 14).
    """

    soft_targets = True
    masks = True

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy of each label: (R, B, K)."""
        return binary_cross_entropy_with_logits(outputs, targets, reduction="none")

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The logits of the marginals."""
        return fold_marginals(joint, self.n_labels).logit(eps=EPSILON)

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """Log-probability of the label set, with labels independent given x: (R, B)."""
        return -self.loss(outputs, targets)

    def masked_log_likelihood(
        self, outputs: Tensor, targets: Tensor, known: Tensor
    ) -> Tensor | None:
        """Log-probability of the known labels: (R, B)."""
        return -self.masked_loss(outputs, targets, known)
