"""The most probable label set."""

from __future__ import annotations

from torch import Tensor

from mlc.decisions.base import DecisionRule, register_decision
from mlc.heads.prediction import Prediction


@register_decision("mode")
class Mode(DecisionRule):
    """A rule that predicts argmax_y P(y | x), the first of equals: the mode of the head.

    A head that lists only some label sets may search beyond them, as `chain` does. Plain `log_joint`
    and `label_sets` have no other sets than those listed.

    Optimal for subset accuracy (Dembczynski et al. 2012, "On label dependence and loss minimization
    in multi-label classification", section 4.2).
    """

    needs = ("joint",)

    def by_joint(self, prediction: Prediction) -> Tensor:
        """Return the mode: (..., N, K), bool."""
        return prediction.mode
