"""The squared hinge loss of linear support vector machines."""

from __future__ import annotations

from torch import Tensor

from mlc.heads.base import register_head
from mlc.heads.label_sets import fold_marginals
from mlc.heads.label_wise import LabelWise
from mlc.heads.sigmoid import SigmoidScores


@register_head("squared_hinge")
class SquaredHinge(LabelWise, SigmoidScores):
    r"""A margin of 1 on both sides of 0 for each label, with the squared hinge loss.

    loss = $`\sum_k [y_k \max(0, 1 - z_k)^2 + (1 - y_k) \max(0, 1 + z_k)^2]`$, which for zeros and ones
    is $`\sum_k \max(0, 1 - t_k z_k)^2`$ with $`t_k = 2 y_k - 1`$. With `backbone=linear` and
    `optimizer=lbfgs` the minimised sum is that of LIBLINEAR's L2-loss support vector classification with
    the same C, one-vs-rest, but without its penalty on the intercept.
    Consistent for Hamming loss and for the order of the marginals: the expected loss is least at
    $`z_k = 2 P(y_k = 1 \mid x) - 1`$ (Zhang 2004, "Statistical behavior and consistency of
    classification methods based on convex risk minimization"). Outputs of finite data lie beyond the
    margin too, so the scores, $`\sigma(z)`$, only rank. A label is predicted if $`z_k \geq 0`$, a score
    of 0.5.
    Source: Fan et al. 2008, "LIBLINEAR: a library for large linear classification", section 2;
    sklearn.svm.LinearSVC, which is this loss with the same C and a penalised intercept.
    Use: with `backbone=linear` on sparse words, where it is ahead of `sigmoid` on Reuters-21578 and on
    GoEmotions, also of the default network (docs/defaults.md).
    Avoid: where scores are to be probabilities, and with hidden layers on sparse words, where
    `sigmoid` is ahead.
    """

    estimates = "order"
    soft_targets = True

    def label_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Squared hinge loss of each label: (R, B, K)."""
        positive = (1 - outputs).clamp(min=0).square()
        negative = (1 + outputs).clamp(min=0).square()
        return targets * positive + (1 - targets) * negative

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """2 m - 1 for the marginals m."""
        return 2 * fold_marginals(joint, self.n_labels) - 1
