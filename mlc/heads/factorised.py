"""Heads that separate the number of labels from their distribution, and unnormalised ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from mlc.config.options import Choice, Interval, option
from mlc.heads.base import Head, KnownLabels, register_head
from mlc.heads.label_sets import EPSILON, fold_marginals, fold_shares
from mlc.heads.label_wise import LabelWise

_FORMS = ("mse", "poisson", "gaussian", "product")
# Above this value the exponential is replaced by its tangent, so that no step can overflow.
_STEEPEST = 8.0
_SMALLEST_VARIANCE = 1e-2


@dataclass
class DistributionCardinalityOptions:
    """The loss of the number of labels, and its weight relative to that of the distribution."""

    form: str = option("poisson", choices=_FORMS, search=Choice(*_FORMS))
    weight: float = option(1.0, above=0, search=Interval(0.1, 10, log=True))


@register_head("distribution_cardinality")
class DistributionCardinality(Head):
    r"""A softmax over the labels times a number of labels; their product is a score.

    loss = $`\operatorname{KL}(y / \lvert y \rvert \,\Vert\, p) + w\, C(n, \lvert y \rvert)`$,
    $`p = \operatorname{softmax}(z_1, \dots, z_K)`$, $`n = K \sigma(z_{K+1})`$, w the option
    `weight`; the first term is 0 for a sample without labels. By the option `form`, C is
    $`(n - \lvert y \rvert)^2`$ for mse; $`n - \lvert y \rvert \log n`$ for poisson;
    $`\frac{1}{2} (\log v + (n - \lvert y \rvert)^2 / v)`$ with
    $`v = \log(1 + \exp z_{K+2}) + 0.01`$ for gaussian. For product the loss is
    $`\sum_k (n p_k - y_k)^2`$ alone.
    Consistent for $`\mathbb{E}[y_k / \lvert y \rvert \mid x, y \neq \emptyset]`$ and for
    $`\mathbb{E}[\lvert y \rvert \mid x]`$ (mse, poisson, gaussian), whose product is
    $`P(y_k = 1 \mid x)`$ only if share and number are uncorrelated given x and $`y \neq \emptyset`$,
    as if the label set is certain given x; for the marginals (product), so that the threshold 0.5 is
    optimal for Hamming loss.
    Source: the proposal to "model the partition function and the distribution separately" on forums;
    torch.nn.KLDivLoss, PoissonNLLLoss, GaussianNLLLoss (Nix and Weigend 1994) for the terms.
    Use: where the number of labels is to be predicted beside their order: the rule `cardinality`
    uses it.
    Avoid: the forms mse, poisson and gaussian where samples with many labels have other labels than
    samples with few (docs/theory.md, statement 15).
    """

    Options = DistributionCardinalityOptions
    estimates = "order"

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """Return K for the distribution, 1 for the number, 1 for its variance in the gaussian form."""
        return n_labels + (2 if options.form == "gaussian" else 1)

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The sum of both terms, or the loss of the product: (R, B)."""
        count = targets.sum(dim=-1)
        if self.options.form == "product":
            return (self._product(outputs) - targets).square().sum(dim=-1)
        expected = self._number(outputs)
        shares = targets / count.clamp(min=1).unsqueeze(-1)
        log_p = outputs[..., : self.n_labels].log_softmax(dim=-1)
        distance = -(shares * log_p).sum(dim=-1) - count.clamp(min=1).log()
        if self.options.form == "mse":
            count_loss = (expected - count).square()
        elif self.options.form == "poisson":
            log_expected = math.log(self.n_labels) + logsigmoid(outputs[..., self.n_labels])
            count_loss = expected - count * log_expected
        else:
            variance = softplus(outputs[..., self.n_labels + 1]) + _SMALLEST_VARIANCE
            count_loss = (variance.log() + (expected - count).square() / variance) / 2
        total: Tensor = distance + self.options.weight * count_loss
        return total

    def scores(self, outputs: Tensor) -> Tensor:
        """n p_k, at most 1: (R, B, K)."""
        return self._product(outputs).clamp(max=1)

    def cardinality(self, outputs: Tensor, scores: Tensor) -> Tensor:
        """n: (R, B)."""
        return self._number(outputs)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The expected shares (marginals for the product) and number; None for gaussian."""
        if self.options.form == "gaussian":
            return None
        marginals = fold_marginals(joint, self.n_labels)
        product = self.options.form == "product"
        shares = marginals if product else fold_shares(joint, self.n_labels)
        number = (marginals.sum(dim=-1, keepdim=True) / self.n_labels).logit(eps=EPSILON)
        return torch.cat([shares.clamp(min=EPSILON).log(), number], dim=-1)

    @classmethod
    def provides(cls) -> frozenset[str]:
        """The scores, and a cardinality that is not their sum."""
        return super().provides() | {"cardinality"}

    def _number(self, outputs: Tensor) -> Tensor:
        return self.n_labels * outputs[..., self.n_labels].sigmoid()

    def _product(self, outputs: Tensor) -> Tensor:
        p = outputs[..., : self.n_labels].softmax(dim=-1)
        return self._number(outputs).unsqueeze(-1) * p


@dataclass
class UnnormalisedKLOptions:
    """The link from an output to a positive number."""

    link: str = option("exp", choices=("exp", "softplus"), search=Choice("exp", "softplus"))


@register_head("unnormalised_kl")
class UnnormalisedKL(LabelWise):
    r"""A positive number for each label; they need not sum to one (a "pseudo-distribution").

    loss = $`\sum_k [y_k \log(y_k / q_k) - y_k + q_k]`$, $`q = \exp z`$ (its tangent above $`z = 8`$)
    or $`q = \log(1 + \exp z)`$: the Kullback-Leibler divergence of unnormalised measures.
    Consistent for the marginals, which are the mean of $`y_k`$ given x: it is a Bregman divergence
    (Banerjee et al. 2005, "Clustering with Bregman divergences").
    Source: Csiszar 1991, "Why least squares and maximum entropy?"; the Poisson likelihood of y_k.
    """

    Options = UnnormalisedKLOptions
    soft_targets = True

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The divergence of each label: (R, B, K)."""
        q = self._measure(outputs)
        # Far below 0, softplus(z) equals exp(z) in floating point, and may round to 0.
        log_q = torch.where(outputs < -30, outputs, q.clamp(min=torch.finfo(q.dtype).tiny).log())
        if self.options.link == "exp":
            log_q = torch.where(outputs <= _STEEPEST, outputs, log_q)
        # This term is 0 for zeros and ones.
        entropy: Tensor = torch.special.xlogy(targets, targets)
        return q - targets * (1 + log_q) + entropy

    def scores(self, outputs: Tensor) -> Tensor:
        """q, at most 1: (R, B, K)."""
        return self._measure(outputs).clamp(max=1)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The inverse of the link at the marginals."""
        marginals = fold_marginals(joint, self.n_labels).clamp(min=EPSILON)
        return marginals.log() if self.options.link == "exp" else marginals.expm1().log()

    def _measure(self, outputs: Tensor) -> Tensor:
        if self.options.link == "softplus":
            return softplus(outputs)
        tangent = 1 + (outputs - _STEEPEST).clamp(min=0)
        return outputs.clamp(max=_STEEPEST).exp() * tangent
