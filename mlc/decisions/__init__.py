"""Decision rules: from scores, or from a joint distribution, to a label set."""

from mlc.decisions.base import DECISIONS, DecisionRule, build_decision, register_decision
from mlc.decisions.counting import Cardinality, TopK
from mlc.decisions.expected import ExpectedF1, ExpectedJaccard
from mlc.decisions.mode import Mode
from mlc.decisions.thresholds import Fixed, Global, Oracle, PerLabel

__all__ = [
    "DECISIONS",
    "Cardinality",
    "DecisionRule",
    "ExpectedF1",
    "ExpectedJaccard",
    "Fixed",
    "Global",
    "Mode",
    "Oracle",
    "PerLabel",
    "TopK",
    "build_decision",
    "register_decision",
]
