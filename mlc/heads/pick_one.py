"""One softmax over the labels, trained on one positive label at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from mlc.heads.base import Head, register_head


@register_head("pick_one")
class PickOne(Head):
    """Softmax over the K labels; the target is one positive label, drawn afresh each epoch.

    loss = logsumexp(z) - z_j, j uniform over the positives of the sample; 0 for a sample without
    labels. In expectation this is the cross-entropy to y/|y| (PAL-N in Menon et al. 2019, "Multilabel
    reductions: what is my loss optimising?"), so the scores estimate E[y_k / |y| given x]: they sum
    to one, are no marginals, and must be thresholded low.
    Consistent for recall at k, whose best ranking is by E[y_k / |y|]; not in general for precision at
    k, whose best ranking is by P(y_k = 1 | x) (Menon et al. 2019, sections 2 and 4).
    Source: fastText's supervised softmax, `FastText::supervised` in src/fasttext.cc, which draws one
    label uniformly and returns early for a line without labels (Joulin et al. 2017).
    """

    draws = True

    def loss(self, outputs: Tensor, targets: Tensor, noise: Tensor | None = None) -> Tensor:
        """Cross-entropy to the drawn label: (..., B)."""
        if noise is None:
            noise = torch.rand(targets.shape[:-1], device=targets.device)
        n_positive = targets.sum(dim=-1)
        # The product can round up to n itself, which no label has as its rank.
        rank = torch.minimum((noise * n_positive).floor(), n_positive - 1)
        picked = (targets.cumsum(dim=-1) > rank.unsqueeze(-1)).int().argmax(dim=-1, keepdim=True)
        cross_entropy = outputs.logsumexp(dim=-1) - outputs.gather(-1, picked).squeeze(-1)
        return torch.where(n_positive > 0, cross_entropy, torch.zeros_like(cross_entropy))

    def scores(self, outputs: Tensor) -> Tensor:
        """softmax(z), which sums to one over the labels: (..., B, K)."""
        return outputs.softmax(dim=-1)
