"""Least-squares regression."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mlc.config.options import Choice, option
from mlc.heads.base import register_head
from mlc.heads.label_sets import EPSILON, fold_marginals
from mlc.heads.label_wise import LabelWise


@dataclass
class RegressionOptions:
    """Whether the estimates are the outputs or their sigmoids."""

    outputs: str = option(
        "linear", choices=("linear", "sigmoid"), search=Choice("linear", "sigmoid")
    )


@register_head("regression")
class Regression(LabelWise):
    r"""Least-squares regression on zeros and ones.

    loss = $`\sum_k (o_k - y_k)^2`$, $`o = z`$ or $`o = \sigma(z)`$. Linear outputs are clipped to [0,
    1] as scores.
    Consistent for the marginals, which are the mean of $`y_k`$ given x, and thus for the same
    measures as `sigmoid`.
    Source: Brier 1950, "Verification of forecasts expressed in terms of probability"; Bishop 2006,
    "Pattern Recognition and Machine Learning", section 4.1.3.
    """

    Options = RegressionOptions
    soft_targets = True

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Squared error of each label: (R, B, K)."""
        return (self._estimate(outputs) - targets).square()

    def scores(self, outputs: Tensor) -> Tensor:
        """The estimates, in [0, 1]: (R, B, K)."""
        return self._estimate(outputs).clamp(0, 1)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The marginals, or their logits."""
        marginals = fold_marginals(joint, self.n_labels)
        return marginals.logit(eps=EPSILON) if self.options.outputs == "sigmoid" else marginals

    def _estimate(self, outputs: Tensor) -> Tensor:
        return outputs.sigmoid() if self.options.outputs == "sigmoid" else outputs
