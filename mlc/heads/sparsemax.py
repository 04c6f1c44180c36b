"""Sparsemax: a projection onto the simplex in place of the softmax."""

from __future__ import annotations

import torch
from torch import Tensor

from mlc.heads.base import register_head
from mlc.heads.label_sets import EPSILON, fold_shares
from mlc.heads.reductions import Shares, among_known


@register_head("sparsemax")
class Sparsemax(Shares):
    r"""The sparsemax over the K labels; the target is the uniform distribution over the positives.

    loss = $`\sum_k (p_k - q_k) z_k + \frac{1}{2} (\lVert q \rVert^2 - \lVert p \rVert^2)`$,
    $`q = y / \lvert y \rvert`$, $`p = \operatorname{sparsemax}(z)`$, the Euclidean projection of
    $`z`$ onto the simplex; 0 for a sample without labels. It equals $`-\sum_k q_k z_k + \frac{1}{2}
    \sum_{k: p_k > 0} (z_k^2 - t^2) + \frac{1}{2} \lVert q \rVert^2`$ with $`p_k = \max(z_k - t, 0)`$;
    its gradient is $`p - q`$. Unlike those of a softmax, the $`p_k`$ can be 0, and $`p`$ can equal
    $`q`$.
    Consistent for recall at k, as `softmax_uniform`: the scores estimate
    $`\mathbb{E}[y_k / \lvert y \rvert \mid x, y \neq \emptyset]`$; not in general for precision at k.
    The threshold without tuning is $`1 / K`$, the lowest score of a certain label. The source
    predicts the labels with $`p_k > 0`$ after it has tuned a scale of z.
    Source: Martins and Astudillo 2016, "From softmax to sparsemax: a sparse model of attention and
    multi-label classification", section 3; train_multilabel_classifier_lbfgs.py in
    github.com/Unbabel/sparsemax.
    Avoid: where samples without labels are frequent: the scores sum to one (docs/theory.md, statement
    13).
    """

    least_labels = 2
    masks = True

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The sparsemax loss: (R, B)."""
        # The loss does not change with a constant; the highest output becomes 0.
        shifted = outputs - outputs.detach().amax(dim=-1, keepdim=True)
        # By the envelope theorem the gradient through p is 0.
        p = sparsemax(shifted.detach())
        count = targets.sum(dim=-1)
        q = targets / count.clamp(min=1).unsqueeze(-1)
        losses = ((p - q) * shifted + (q.square() - p.square()) / 2).sum(dim=-1)
        return torch.where(count > 0, losses, 0)

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """The sparsemax loss among the known labels: (R, B)."""
        return self.loss(among_known(outputs, known), targets)

    def scores(self, outputs: Tensor) -> Tensor:
        """sparsemax(z), which sums to one over the labels: (R, B, K)."""
        return sparsemax(outputs).clamp(max=1)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The expected shares among the samples with labels."""
        shares = fold_shares(joint, self.n_labels)
        return shares / shares.sum(dim=-1, keepdim=True).clamp(min=EPSILON)


def sparsemax(numbers: Tensor) -> Tensor:
    """Project numbers onto the simplex: (..., K) to (..., K)."""
    shifted = numbers - numbers.amax(dim=-1, keepdim=True)
    descending = shifted.sort(dim=-1, descending=True).values
    rank = torch.arange(1, numbers.shape[-1] + 1, device=numbers.device, dtype=numbers.dtype)
    above = descending.cumsum(dim=-1) - 1
    size = (rank * descending > above).sum(dim=-1, keepdim=True)
    threshold = above.gather(-1, size - 1) / size
    return (shifted - threshold).clamp(min=0)
