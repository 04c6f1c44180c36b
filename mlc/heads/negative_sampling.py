"""Negative sampling: one drawn positive against a few drawn negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from mlc.config.options import Choice, option
from mlc.heads.base import KnownLabels, register_head
from mlc.heads.label_sets import EPSILON, fold_shares
from mlc.heads.reductions import drawn_positive
from mlc.heads.sigmoid import SigmoidScores
from mlc.layers.bits import GAMMA, mixed, shifted


@dataclass
class NegativeSamplingOptions:
    """The number of negatives that are drawn for a sample, with replacement."""

    n_negatives: int = option(5, at_least=1, search=Choice(5, 10, 20))


@register_head("negative_sampling")
class NegativeSampling(SigmoidScores):
    r"""One sigmoid for each label; in each epoch one positive and some negatives are drawn for a sample.

    loss = $`-\log s_t - \sum_j \log(1 - s_j)`$ over the drawn negatives j, $`s = \sigma(z)`$, t
    uniform over the positives of the sample, each j with probability $`q_j / (1 - q_t)`$ over the
    labels but t, $`q_j`$ proportional to the square root of the label's positives in the training
    rows (one half for none); 0 for a sample without labels. Other positives of the sample may be
    drawn as negatives, as in the source. With missing labels t is a known positive, and drawn
    negatives that are missing have no loss.
    Consistent for none of the usual measures: at the minimum $`s_k = a / (a + b)`$ with
    $`a = r_k`$ and $`b = n q_k \sum_{t \neq k} r_t / (1 - q_t)`$ for n negatives, with
    $`r_k = \mathbb{E}[y_k / \lvert y \rvert \mid x, y \neq \emptyset]`$, so frequent labels are
    scored lower. The threshold without tuning is 1/6 for any n: the lowest score of a certain label
    with five negatives and equally frequent labels, which is $`1 / (1 + n)`$ in general.
    Source: fastText's `NegativeSamplingLoss` in src/loss.cc (Joulin et al. 2017, "Bag of tricks for
    efficient text classification"; Mikolov et al. 2013, "Distributed representations of words and
    phrases and their compositionality"), with exact probabilities in place of its table.
    Avoid: where frequent and rare labels share one threshold: frequent labels are scored lower.
    """

    Options = NegativeSamplingOptions
    least_labels = 2
    needs_uniforms = True
    masks = True
    estimates = "order"
    share: Tensor
    _steps: Tensor

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """Compute q of each run from its training rows: (R, 1, K)."""
        count = self.require_known(known).of_runs.sum(dim=1, keepdim=True)
        root = count.clamp(min=0.5).sqrt()
        self.register_buffer("share", root / root.sum(dim=-1, keepdim=True))
        self.register_buffer("_steps", steps(self.options.n_negatives), persistent=False)

    @classmethod
    def natural_threshold(cls, n_labels: int) -> float | None:
        """Return 1/6, the lowest score of a certain label among equally frequent ones."""
        return 1 / 6

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The loss of the drawn labels: (R, B)."""
        return self._of_drawn(outputs, targets, uniforms)

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """The loss of the drawn labels without unknown negatives: (R, B)."""
        return self._of_drawn(outputs, targets, uniforms, known)

    def _of_drawn(
        self,
        outputs: Tensor,
        targets: Tensor,
        uniforms: Tensor | None,
        known: Tensor | None = None,
    ) -> Tensor:
        if uniforms is None:
            uniforms = torch.rand(targets.shape[:-1], device=targets.device)
        positive = drawn_positive(targets, uniforms)
        negatives = self.negatives(positive, uniforms)
        losses = softplus(-outputs.gather(-1, positive)).squeeze(-1)
        absent = softplus(outputs.gather(-1, negatives))
        if known is not None:
            absent = absent * known.gather(-1, negatives)
        losses = losses + absent.sum(dim=-1)
        return torch.where(targets.any(dim=-1), losses, 0)

    def negatives(self, positive: Tensor, uniforms: Tensor) -> Tensor:
        """Draw the negatives of each sample.

        Args:
            positive: (R, B, 1), the index of the positive, which is not drawn.
            uniforms: (R, B), from which the random numbers are computed.

        Returns:
            (R, B, n), int64.
        """
        q = self._q().squeeze(1)
        upper = q.cumsum(dim=-1)
        own = q.gather(1, positive.flatten(1)).unsqueeze(-1)
        below = upper.gather(1, positive.flatten(1)).unsqueeze(-1) - own
        # A number that skips the interval of the positive.
        number = spread(uniforms, self._steps) * (1 - own)
        number = torch.where(number >= below, number + own, number)
        drawn = torch.searchsorted(upper, number.flatten(1), right=True).view(number.shape)
        drawn = drawn.clamp(max=self.n_labels - 1)
        # At the end of an interval, rounding can hit the positive.
        return torch.where(drawn == positive, (positive + 1) % self.n_labels, drawn)

    def expected_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean over the positives and over the negatives of each: (R, B)."""
        return self._mean(outputs, targets, softplus(outputs))

    def expected_masked_loss(self, outputs: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """The mean over the known positives and over the known negatives of each: (R, B)."""
        return self._mean(outputs, targets, softplus(outputs) * known)

    def _mean(self, outputs: Tensor, targets: Tensor, losses: Tensor) -> Tensor:
        q = self._q().to(outputs.dtype)
        shares = targets / targets.sum(dim=-1, keepdim=True).clamp(min=1)
        odds, absent = shares / (1 - q), q * losses
        total = odds.sum(dim=-1) * absent.sum(dim=-1) - (odds * absent).sum(dim=-1)
        present: Tensor = (shares * softplus(-outputs)).sum(dim=-1)
        return present.add(total, alpha=self.options.n_negatives)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The logits of a / (a + b)."""
        q = self._q()[0].to(joint.dtype)
        shares = fold_shares(joint, self.n_labels)
        odds = shares / (1 - q)
        absent = self.options.n_negatives * q * (odds.sum(dim=-1, keepdim=True) - odds)
        logits: Tensor = shares.clamp(min=EPSILON).log() - absent.clamp(min=EPSILON).log()
        return logits

    def _q(self) -> Tensor:
        """The probabilities of the labels in float64: (R, 1, K)."""
        share = self.share.double()
        q: Tensor = share / share.sum(dim=-1, keepdim=True)
        return q


def steps(n: int) -> Tensor:
    """Return what SplitMix64 adds to its state for each of n numbers: (n,), int64."""
    return GAMMA * torch.arange(1, n + 1)


def spread(uniforms: Tensor, steps: Tensor) -> Tensor:
    """Compute further uniform numbers from each, by SplitMix64: (...) to (..., n), float64.

    The same number gives the same ones, on each device.
    """
    bits = (uniforms.double() * 2.0**53).long().unsqueeze(-1) + steps
    numbers: Tensor = shifted(mixed(bits), 11).double() * 2.0**-53
    return numbers
