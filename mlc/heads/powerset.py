"""One softmax over all 2^K label sets."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mlc.heads.base import JointHead, register_head
from mlc.heads.label_sets import all_label_sets, fold_marginals, label_set_index


@register_head("powerset")
class Powerset(JointHead):
    """Each of the 2^K label sets is a class of its own.

    loss = logsumexp(z) - z[index(y)], index most significant bit first.
    Consistent for the whole conditional distribution P(y | x), so for every measure once its
    decision rule is applied to the joint; with the mode, for subset accuracy (Dembczynski et al.
    2012, section 4). Costs (D + 1) 2^K weights.
    Source: label powerset, Boutell et al. 2004, "Learning multi-label scene classification", in its
    dense form: unseen label sets keep a class.
    """

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any) -> int:
        """2^K."""
        return int(2**n_labels)

    @property
    def label_sets(self) -> Tensor:
        """All 2^K label sets: (M, K), bool."""
        return all_label_sets(self.n_labels, self.output.weight.device)

    def loss(self, outputs: Tensor, targets: Tensor, noise: Tensor | None = None) -> Tensor:
        """Cross-entropy with the label set as the class: (..., B)."""
        return -self.log_likelihood(outputs, targets)

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of the label set: (..., B)."""
        index = label_set_index(targets).unsqueeze(-1)
        return outputs.gather(-1, index).squeeze(-1) - outputs.logsumexp(dim=-1)

    def log_joint(self, outputs: Tensor) -> Tensor:
        """log_softmax(z): (..., B, 2^K)."""
        return outputs.log_softmax(dim=-1)

    def marginals(self, outputs: Tensor) -> Tensor:
        """P(y_k = 1 | x), by folding the softmax: (..., B, K)."""
        return fold_marginals(outputs.softmax(dim=-1), self.n_labels).clamp_(max=1)
