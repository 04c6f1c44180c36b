"""The most probable label set."""

from __future__ import annotations

from torch import Tensor

from mlc.decisions.base import DecisionRule, register_decision
from mlc.heads.prediction import Prediction


@register_decision("mode")
class Mode(DecisionRule):
    """Predicts argmax_y P(y | x), the first of equals: the head's own mode.

    A head that lists only some label sets may search beyond them, as `chain` does; plain `log_joint`
    and `label_sets` have no more than those.

    Optimal for subset accuracy (Dembczynski et al. 2012, "On label dependence and loss minimization
    in multi-label classification", section 4.2).
    """

    needs = ("joint",)

    def by_joint(self, prediction: Prediction) -> Tensor:
        """The mode: (..., N, K), bool."""
        return prediction.mode
