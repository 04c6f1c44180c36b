"""The rule that predicts the most probable label set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlc.decisions.base import DecisionRule, register_decision
from mlc.heads.prediction import Prediction
from mlc.metrics.sweep import top_label


@dataclass
class ModeOptions:
    """Whether each label set has at least one label."""

    at_least_one: bool = False


@register_decision("mode")
class Mode(DecisionRule):
    """A rule that predicts the mode of the head: the most probable label set, the first of equals.

    A head that lists only some label sets may search beyond them, as `chain` does. From plain
    `log_joint` and `label_sets` the mode is one of these sets. With `at_least_one`, a sample whose mode
    is the empty set gets the most probable other set in `label_sets`, or the first label if there is
    none.

    Optimal for subset accuracy (Dembczynski et al. 2012, "On label dependence and loss minimization
    in multi-label classification", section 4.2).

    Use: for the exact label set, with a head that has a joint distribution (docs/theory.md,
    statement 2).
    Avoid: for the Jaccard index, by which it is behind `global` on several tables of the league
    (results/league/rules.md).
    """

    Options = ModeOptions
    needs = ("joint",)

    def by_joint(self, prediction: Prediction) -> Tensor:
        """Return the mode: (..., N, K), bool."""
        mode = prediction.mode
        if not self.options.at_least_one:
            return mode
        sets = prediction.label_sets
        assert sets is not None
        likely = prediction.log_joint.masked_fill(~sets.any(dim=-1), -torch.inf).argmax(dim=-1)
        other = sets[likely]
        other = other | (top_label(other.double()) & ~other.any(dim=-1, keepdim=True))
        return torch.where(mode.any(dim=-1, keepdim=True), mode, other)
