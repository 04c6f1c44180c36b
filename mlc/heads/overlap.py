"""Losses that are smooth forms of F1 and of the Jaccard index."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mlc.config.options import Choice, Interval, option
from mlc.heads.base import register_head
from mlc.heads.sigmoid import SigmoidScores

# The authors' guard against 0/0.
_TINY = 1e-16


@dataclass
class SigmoidF1Options:
    """Slope and offset of the sigmoid that counts, and whether it is applied to a sigmoid."""

    slope: float = option(1.0, above=0, search=Interval(1, 30, log=True))
    offset: float = option(0.0, search=Interval(0, 2))
    twice: bool = option(False, search=Choice(False, True))


@register_head("sigmoid_f1")
class SigmoidF1(SigmoidScores):
    r"""One sigmoid for each label, with the smooth macro F1 of the batch as the loss.

    loss = $`1 - \frac{1}{K} \sum_k \frac{2 t_k}{2 t_k + f_k + n_k}`$, the same for all samples of
    the batch, with sums over the batch: $`t = \sum s y`$, $`f = \sum s (1 - y)`$,
    $`n = \sum (1 - s) y`$, and $`s = \sigma(a (z + b))`$ with the slope $`a`$ and the offset $`b`$.
    With the default options this is the soft F1. With `twice`, $`s`$ is
    $`\sigma(a (\sigma(z) + b))`$, as in the authors' code: with the default slope and offset it
    lies between 0.5 and 0.73, so that the loss never reaches 0. A label without a positive in the
    batch adds $`1 / K`$ and has no gradient.
    Consistent for none of the usual measures: the expectation of the F1 of a small batch is not the
    macro F1. A label is predicted if $`s \geq 0.5`$; with `twice` if $`\sigma(z) \geq 0.5`$, as in
    the source.
    Source: Benedict et al. 2022, "sigmoidF1: a smooth F1 score surrogate loss for multilabel
    classification"; its code (`sigmoidF1` and `macroSoftF1` in src/loss_functions/losses.py,
    github.com/gabriben/sigmoidF1) applies the sigmoid twice, its formula once.
    Avoid: with small batches: the expectation of their F1 is not the macro F1.
    """

    Options = SigmoidF1Options
    estimates = "order"
    compares_samples = True
    identifiable = False
    masks = True

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The cost of the batch, for each of its samples: (R, B)."""
        return self._cost(self._decided(outputs), targets)

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """The cost of the batch by the known pairs of sample and label: (R, B)."""
        return self._cost(self._decided(outputs) * known, targets)

    def _decided(self, outputs: Tensor) -> Tensor:
        return self._counted(outputs.sigmoid() if self.options.twice else outputs)

    @staticmethod
    def _cost(decided: Tensor, targets: Tensor) -> Tensor:
        true = (decided * targets).sum(dim=-2)
        f1 = 2 * true / (decided.sum(dim=-2) + targets.sum(dim=-2) + _TINY)
        cost = 1 - f1.mean(dim=-1, keepdim=True)
        return cost.expand(decided.shape[:-1])

    def scores(self, outputs: Tensor) -> Tensor:
        """The sigmoid that counts, or with `twice` the inner one: (R, B, K)."""
        return outputs.sigmoid() if self.options.twice else self._counted(outputs)

    def _counted(self, numbers: Tensor) -> Tensor:
        counted: Tensor = (self.options.slope * (numbers + self.options.offset)).sigmoid()
        return counted


@dataclass
class SoftJaccardOptions:
    """Whether the loss is that of the Jaccard index or of F1, and the smoothing of both counts."""

    form: str = option("jaccard", choices=("jaccard", "f1"), search=Choice("jaccard", "f1"))
    smoothing: float = option(1.0, above=0, search=Interval(0.1, 1, log=True))


@register_head("soft_jaccard")
class SoftJaccard(SigmoidScores):
    r"""One sigmoid for each label, with the smooth Jaccard index of each sample as the loss.

    loss = $`1 - J`$, $`J = \frac{I + c}{U + c}`$, $`I = \sum_k s_k y_k`$,
    $`U = \sum_k (s_k + y_k - s_k y_k)`$, $`s = \sigma(z)`$, smoothing $`c`$; with form=f1 it is
    $`1 - 2 J / (1 + J)`$, the soft F1 (Dice) of the sample. The sums are over the labels of a
    sample, so samples are not compared. For a sample without labels $`J = c / (\sum_k s_k + c)`$,
    whose optimum is the empty set.
    Consistent for none of the usual measures: with $`s_k \in \{0, 1\}`$ and $`c = 0`$ it is the
    Jaccard index, but the expectation over label sets is of a ratio, which has local minima.
    Source: Rahman and Wang 2016, "Optimizing intersection-over-union in deep neural networks for
    image segmentation", equations 3 and 4, for the labels of a sample in place of pixels and with
    smoothing; Milletari et al. 2016, "V-Net: fully convolutional neural networks for volumetric
    medical image segmentation", for Dice, which squares in the denominator.
    """

    Options = SoftJaccardOptions
    estimates = "order"
    masks = True

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """One minus the smooth index of each sample: (R, B)."""
        return self._distance(outputs.sigmoid(), targets)

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """One minus the smooth index of the known labels of each sample: (R, B)."""
        return self._distance(outputs.sigmoid() * known, targets)

    def _distance(self, decided: Tensor, targets: Tensor) -> Tensor:
        both = (decided * targets).sum(dim=-1)
        either = decided.sum(dim=-1) + targets.sum(dim=-1) - both
        below = either + self.options.smoothing
        if self.options.form == "f1":
            below = below + both + self.options.smoothing
        # 1 - J, or 1 - 2 J / (1 + J).
        loss: Tensor = (either - both) / below
        return loss
