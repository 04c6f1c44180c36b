"""Sigmoids with a loss that gives rare labels, positives or hard samples a larger weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from mlc.config.options import Interval, option
from mlc.heads.base import KnownLabels, register_head
from mlc.heads.label_sets import EPSILON, fold_marginals
from mlc.heads.label_wise import LabelWise
from mlc.heads.sigmoid import Sigmoid, SigmoidScores


def counts(known: KnownLabels) -> tuple[Tensor, Tensor]:
    """Return the positives and the negatives of each label in each run's training rows: (R, 1, K).

    Rows in which the label is not known count as neither. A count of 0 is replaced by one half, so that
    no weight is 0 or infinite.
    """
    positives = known.of_runs.sum(dim=1, keepdim=True)
    return positives.clamp(min=0.5), (known.n_known - positives).clamp(min=0.5)


@dataclass
class WeightedSigmoidOptions:
    """The largest weight of a positive."""

    cap: float = option(20.0, at_least=1, search=Interval(1, 100, log=True))


@register_head("weighted_sigmoid")
class WeightedSigmoid(LabelWise, SigmoidScores):
    r"""One sigmoid for each label, with weights that balance its positives and negatives.

    loss = $`-\sum_k [w_k y_k \log s_k + (1 - y_k) \log(1 - s_k)]`$, $`s = \sigma(z)`$,
    $`w_k = \min(\text{negatives} / \text{positives}, c)`$ with the cap $`c`$, in the training rows,
    where a count of none is replaced by one half.
    Consistent for the order of samples within a label: $`s_k`$ estimates $`w m / (w m + 1 - m)`$ for
    the marginal $`m`$, so the threshold 0.5 corresponds to $`1 / (1 + w_k)`$ on the marginals; if
    $`w_k`$ is not capped, this is the label's frequency, which is optimal for balanced accuracy
    (Menon et al. 2013, "On the statistical consistency of algorithms for binary classification under
    class imbalance").
    Source: torch.nn.BCEWithLogitsLoss, `pos_weight`; King and Zeng 2001, "Logistic regression in
    rare events data".
    Use: for balanced accuracy without tuned thresholds (Menon et al. 2013).
    Avoid: as a remedy for rare labels: a tuned threshold on a plain sigmoid does the same
    (docs/theory.md, statement 5; experiments/imbalance).
    """

    Options = WeightedSigmoidOptions
    estimates = "order"
    soft_targets = True
    weights: Tensor

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """Compute each run's weights from its training rows."""
        positives, negatives = counts(self.require_known(known))
        self.register_buffer("weights", (negatives / positives).clamp(max=self.options.cap))

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Weighted binary cross-entropy of each label: (R, B, K)."""
        return binary_cross_entropy_with_logits(
            outputs, targets, pos_weight=self.weights.to(outputs.dtype), reduction="none"
        )

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The logits of the marginals plus the logarithms of the weights."""
        marginals = fold_marginals(joint, self.n_labels)
        return marginals.logit(eps=EPSILON) + self.weights[0].to(joint.dtype).log()


@dataclass
class ClassBalancedOptions:
    """Options; `beta` sets how fast the value of further samples of a label decreases."""

    beta: float = option(0.999, at_least=0, below=1, search=Interval(0.9, 0.9999))


@register_head("class_balanced")
class ClassBalanced(Sigmoid):
    r"""One sigmoid for each label, with weights by the labels' effective numbers of positives.

    loss = $`-\sum_k w_k [y_k \log s_k + (1 - y_k) \log(1 - s_k)]`$, $`s = \sigma(z)`$, $`w_k`$
    proportional to $`(1 - \beta) / (1 - \beta^{n_k})`$ with mean 1, $`n_k`$ the label's positives in
    the training rows (at least 1). The source weights a sample by its single class; here each of the
    K labels has a weight.
    Consistent for the marginals, as `sigmoid`: the weights matter only if capacity or data are
    limited.
    Source: Cui et al. 2019, "Class-balanced loss based on effective number of samples".
    """

    Options = ClassBalancedOptions
    masks = True
    weights: Tensor

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """Compute each run's weights from its training rows."""
        positives = self.require_known(known).of_runs.sum(dim=1, keepdim=True).clamp(min=1)
        beta = self.options.beta
        weights = (1 - beta) / (1 - beta ** positives.double())
        self.register_buffer("weights", weights / weights.mean(dim=-1, keepdim=True))

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Weighted binary cross-entropy of each label: (R, B, K)."""
        return super().label_losses(outputs, targets) * self.weights.to(outputs.dtype)

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of the label set, with labels independent given x: (R, B)."""
        return -super().label_losses(outputs, targets).sum(dim=-1)

    def masked_log_likelihood(self, outputs: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """Log-probability of the known labels: (R, B)."""
        return -super().label_losses(outputs, targets).masked_fill(~known, 0).sum(dim=-1)


@dataclass
class FocalOptions:
    """The exponent, and the weight of positives relative to negatives (null for no weights)."""

    gamma: float = option(2.0, at_least=0, search=Interval(0.5, 4))
    alpha: float | None = option(0.25, above=0, below=1, search=Interval(0.1, 0.9))


@register_head("focal")
class Focal(LabelWise, SigmoidScores):
    r"""One sigmoid for each label; well-predicted labels have a small weight.

    loss = $`-\sum_k a_k (1 - q_k)^\gamma \log q_k`$, $`q_k`$ the probability of the true value of
    label k, $`a_k = \alpha`$ where $`y_k = 1`$, else $`1 - \alpha`$; with alpha=null all $`a_k`$
    are 1.
    Consistent for the order of samples within a label, not for the marginals: $`q`$ is
    under-confident (Charoenphakdee et al. 2021, "On focal loss for class-posterior probability
    estimation"). As $`q`$ is the same for both values at $`z = 0`$, the threshold 0.5 corresponds to
    $`1 - \alpha`$ on the marginals, and to 0.5 with alpha=null.
    Source: Lin et al. 2017, "Focal loss for dense object detection", equation 5.
    Avoid: where scores are to be probabilities: they are under-confident (Charoenphakdee et al.
    2021).
    """

    Options = FocalOptions
    estimates = "order"

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The focal loss of each label: (R, B, K)."""
        signed = outputs * (2 * targets - 1)
        focus: Tensor = (self.options.gamma * logsigmoid(-signed)).exp()
        losses = -focus * logsigmoid(signed)
        if self.options.alpha is not None:
            losses = losses * torch.where(targets > 0, self.options.alpha, 1 - self.options.alpha)
        return losses


@dataclass
class AsymmetricOptions:
    """The exponents of positives and negatives, and the shift of the negatives."""

    gamma_positive: float = option(0.0, at_least=0, search=Interval(0, 2))
    gamma_negative: float = option(4.0, at_least=0, search=Interval(0, 6))
    shift: float = option(0.05, at_least=0, below=1, search=Interval(0, 0.2))


@register_head("asymmetric")
class Asymmetric(LabelWise, SigmoidScores):
    r"""One sigmoid for each label; easy negatives have a small weight, the easiest none.

    loss = $`-\sum_k [y_k (1 - s_k)^{\gamma_+} \log s_k + (1 - y_k) t_k^{\gamma_-} \log(1 - t_k)]`$,
    $`s = \sigma(z)`$, $`t = \max(s - m, 0)`$ with the shift $`m`$; the gradient is that of the whole
    expression.
    Consistent for none of the usual measures: negatives below the shift have no loss, and the scores
    are not marginals, so the threshold must be tuned. With the default options, the threshold 0.5
    corresponds to about 0.13 on the marginals.
    Source: Ridnik et al. 2021, "Asymmetric loss for multi-label classification".
    Avoid: without a tuned threshold.
    """

    Options = AsymmetricOptions
    estimates = "order"

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The asymmetric loss of each label: (R, B, K)."""
        options: Any = self.options
        positive = -(options.gamma_positive * logsigmoid(-outputs)).exp() * logsigmoid(outputs)
        shifted = (outputs.sigmoid() - options.shift).clamp(min=0)
        is_positive = shifted > 0
        # For exponents below 1 the gradient of the power is infinite at 0.
        focus = torch.where(is_positive, shifted, 1).pow(options.gamma_negative)
        absent = torch.log1p(-shifted) if options.shift > 0 else logsigmoid(-outputs)
        negative = torch.where(is_positive, -focus * absent, 0)
        return torch.where(targets > 0, positive, negative)
