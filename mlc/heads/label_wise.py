"""Heads whose loss is a sum over the labels."""

from __future__ import annotations

from torch import Tensor

from mlc.heads.base import Head


class LabelWise(Head):
    """A head whose loss is a sum over the labels; unknown labels are left out of it.

    A subclass defines `label_losses` in place of `loss`. The sum over the known labels is not divided by
    their number: like the loss without unknown labels, it is a sum, so each known label counts alike.
    """

    masks = True

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss of each label of each sample: (R, B, K)."""
        raise NotImplementedError

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The sum over the labels: (R, B)."""
        return self.label_losses(outputs, targets).sum(dim=-1)

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """The sum over the known labels: (R, B)."""
        return self.label_losses(outputs, targets).masked_fill(~known, 0).sum(dim=-1)
