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

    def decide(
        self,
        scores: Tensor | None = None,
        *,
        log_joint: Tensor | None = None,
        label_sets: Tensor | None = None,
        cardinality: Tensor | None = None,
    ) -> Tensor:
        """The label set of the largest entry: (..., N, K), bool."""
        if log_joint is None or label_sets is None:
            raise self._missing("a joint distribution (log_joint and label_sets)")
        return label_sets[log_joint.argmax(dim=-1)]
