"""The most probable label set."""

from __future__ import annotations

from torch import Tensor

from mlc.decisions.base import DecisionRule, register_decision


@register_decision("mode")
class Mode(DecisionRule):
    """Predicts argmax_y P(y | x), the first of equals.

    Optimal for subset accuracy (Dembczynski et al. 2012, "On label dependence and loss minimization
    in multi-label classification", section 4.2).
    """

    takes = ("joint",)

    def by_joint(self, log_joint: Tensor, label_sets: Tensor) -> Tensor:
        """The label set of the largest entry: (..., N, K), bool."""
        return label_sets[log_joint.argmax(dim=-1)]
