"""Logit adjustment: sigmoids that are trained with the label's log odds added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from mlc.config.options import Interval, option
from mlc.heads.base import KnownLabels, register_head
from mlc.heads.imbalance import counts
from mlc.heads.label_sets import EPSILON, fold_marginals
from mlc.heads.label_wise import LabelWise
from mlc.heads.sigmoid import SigmoidScores


@dataclass
class LogitAdjustedOptions:
    """The factor of the log odds of each label's frequency; 0 gives `sigmoid`."""

    tau: float = option(1.0, at_least=0, search=Interval(0.25, 2))


@register_head("logit_adjusted")
class LogitAdjusted(LabelWise, SigmoidScores):
    r"""One sigmoid for each label, trained on logits with the log odds of the label's frequency added.

    loss = $`-\sum_k [y_k \log s_k + (1 - y_k) \log(1 - s_k)]`$, $`s = \sigma(z + \tau b)`$,
    $`b_k = \log(\text{positives} / \text{negatives})`$ in the training rows, where a count of none is
    replaced by one half. The scores are $`\sigma(z)`$, without the log odds. This is the source's
    loss for the two classes of each label: the source adds $`\tau \log(\text{frequency})`$ to the
    logits of a softmax over the classes.
    Consistent for the order of samples within a label: $`z`$ estimates
    $`\operatorname{logit}(m) - \tau b`$ for the marginal $`m`$, so with $`\tau = 1`$ the threshold
    0.5 corresponds to the label's frequency on the marginals, which is optimal for balanced accuracy,
    as for `weighted_sigmoid` without a cap.
    Source: Menon et al. 2021, "Long-tail learning via logit adjustment", equation 10, for each label.
    Use: for balanced accuracy without tuned thresholds.
    """

    Options = LogitAdjustedOptions
    estimates = "order"
    soft_targets = True
    log_odds: Tensor

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """Compute each run's log odds from its training rows: (R, 1, K)."""
        positives, negatives = counts(self.require_known(known))
        self.register_buffer("log_odds", (positives / negatives).log())

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy of each adjusted logit: (R, B, K)."""
        adjusted = outputs + self.options.tau * self.log_odds.to(outputs.dtype)
        return binary_cross_entropy_with_logits(adjusted, targets, reduction="none")

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The logits of the marginals minus the log odds."""
        logits = fold_marginals(joint, self.n_labels).logit(eps=EPSILON)
        return logits.sub(self.log_odds[0].to(joint.dtype), alpha=self.options.tau)
