"""Sigmoids whose mean number of positives is regularised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from mlc.config.options import Interval, option
from mlc.heads.base import KnownLabels, register_head
from mlc.heads.label_wise import LabelWise
from mlc.heads.sigmoid import SigmoidScores


@dataclass
class ExpectedPositiveOptions:
    """The weight of the penalty, and the expected number of positives of a sample.

    null is the sum over the labels of their frequency where they are known; state a number if
    positives are known more often than negatives.
    """

    weight: float = option(1.0, at_least=0, search=Interval(0.1, 10, log=True))
    positives: float | None = option(None, at_least=0)


@register_head("expected_positive")
class ExpectedPositive(LabelWise, SigmoidScores):
    r"""One sigmoid for each label; missing labels are bounded by the expected number of positives.

    loss = $`-\sum_k [y_k \log s_k + (1 - y_k) \log(1 - s_k)] + \lambda K (\frac{\hat n - n}{K})^2`$
    over the known labels k, $`s = \sigma(z)`$; $`\hat n`$ is the mean over the batch of the sum of
    all $`s_k`$, n the expected number of positives (the option `positives`; null is the sum of the
    labels' frequencies where they are known) and $`\lambda`$ the option `weight`. The penalty is
    the same for all samples of the batch. The source (EPR) has positives alone as known labels, and
    divides the whole loss by K.
    Consistent for none of the usual measures with missing labels: the penalty restricts the mean
    over samples and labels alone. Without missing labels its expectation is least at the marginals
    if n is their sum and the batch is large.
    Source: Cole et al. 2021, "Multi-label learning from single positive labels", and
    `loss_epr` with `expected_positive_regularizer` in losses.py,
    github.com/elijahcole/single-positive-multi-label.
    Use: where positives alone are known, and their number is known from elsewhere.
    Avoid: with small batches, and where negatives are known too.
    """

    Options = ExpectedPositiveOptions
    estimates = "order"
    compares_samples = True
    identifiable = False
    masks = True
    expected: Tensor

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """Compute each run's expected number of positives from its training rows: (R, 1)."""
        training = self.require_known(known)
        positives = training.of_runs.sum(dim=1, keepdim=True).double()
        # A label that is never known counts as one without a positive.
        n_known = torch.as_tensor(training.n_known).clamp(min=1)
        expected = (positives / n_known).sum(dim=-1)
        if self.options.positives is not None:
            expected = expected.fill_(self.options.positives)
        self.register_buffer("expected", expected)

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy of each label: (R, B, K)."""
        return binary_cross_entropy_with_logits(outputs, targets, reduction="none")

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """Binary cross-entropy summed over the labels, plus the penalty: (R, B)."""
        return super().loss(outputs, targets) + self._penalty(outputs)

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """Binary cross-entropy summed over the known labels, plus the penalty: (R, B)."""
        return super().masked_loss(outputs, targets, known) + self._penalty(outputs)

    def _penalty(self, outputs: Tensor) -> Tensor:
        """Return the penalty of the batch: (R, 1)."""
        predicted = outputs.sigmoid().sum(dim=-1).mean(dim=-1, keepdim=True)
        excess = predicted - self.expected.to(outputs.dtype)
        penalty: Tensor = self.options.weight / self.n_labels * excess.square()
        return penalty
