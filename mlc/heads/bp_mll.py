"""BP-MLL: an exponential loss of all pairs of a positive and a negative label."""

from __future__ import annotations

from torch import Tensor

from mlc.heads.base import Head, register_head


@register_head("bp_mll")
class BPMLL(Head):
    r"""The exponential loss of all pairs of a positive and a negative label of a sample.

    loss = $`\frac{1}{\lvert y \rvert (K - \lvert y \rvert)} \sum_{j: y_j = 1} \sum_{i: y_i = 0}
    \exp(-(c_j - c_i))`$, $`c = \tanh(z)`$; 0 for a sample without positives or without negatives
    (the source leaves such samples out). It is the product of a sum over the positives and one over
    the negatives, so it takes K steps.
    Consistent for none of the usual measures: convex pairwise losses are not consistent for the
    ranking loss (Gao and Zhou 2013, "On the consistency of multi-label learning"). A label is
    predicted if $`c_k \geq 0`$, a score of 0.5, since $`c`$ is 1 or -1 for certain labels. The
    source learns a threshold for each sample by least squares; here the rules do that.
    Source: Zhang and Zhou 2006, "Multilabel neural networks with applications to functional genomics
    and text categorization", equation 3 and tanh units.
    """

    least_labels = 2
    estimates = "order"
    identifiable = False
    masks = True

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The mean over the pairs: (R, B)."""
        return self._of_pairs(outputs, targets, 1 - targets)

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """The mean over the pairs of known labels: (R, B)."""
        return self._of_pairs(outputs, targets, (1 - targets) * known)

    @staticmethod
    def _of_pairs(outputs: Tensor, targets: Tensor, absent: Tensor) -> Tensor:
        c = outputs.tanh()
        pairs = targets.sum(dim=-1) * absent.sum(dim=-1)
        total = (targets * (-c).exp()).sum(dim=-1) * (absent * c.exp()).sum(dim=-1)
        return total / pairs.clamp(min=1)

    def scores(self, outputs: Tensor) -> Tensor:
        """(1 + c) / 2: (R, B, K)."""
        return (2 * outputs).sigmoid()
