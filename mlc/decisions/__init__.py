"""Decision rules: from scores, or from a joint distribution, to a label set."""

from mlc.decisions.base import DECISIONS, DecisionRule, build_decision, register_decision
from mlc.decisions.mode import Mode
from mlc.decisions.thresholds import Fixed, Global, Oracle

__all__ = [
    "DECISIONS",
    "DecisionRule",
    "Fixed",
    "Global",
    "Mode",
    "Oracle",
    "build_decision",
    "register_decision",
]
