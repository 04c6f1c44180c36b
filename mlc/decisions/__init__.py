"""Decision rules: from scores, or from a joint distribution, to a label set."""

from mlc.decisions.base import DECISIONS, DecisionRule, build_decision, register_decision

__all__ = ["DECISIONS", "DecisionRule", "build_decision", "register_decision"]
