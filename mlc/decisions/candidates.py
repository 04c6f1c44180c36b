"""The rules among which `auto` chooses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from mlc.decisions.base import DECISIONS, MARGINAL_THRESHOLD, DecisionRule
from mlc.decisions.checks import ARGUMENTS
from mlc.heads.prediction import Prediction

# Rows times pairs of seen sets, beyond which their expectations would take minutes.
_MOST_PAIRS = 10**11
# The rules that maximise the expectation of a metric; no rule does so for other metrics.
_EXPECTATIONS = {"jaccard": "expected_jaccard", "f1": "expected_f1"}


@dataclass(frozen=True)
class Candidate:
    """A rule with its options, among which `auto` chooses.

    Attributes:
        rule: the name of the rule.
        at_least_one: whether each set has at least one label.
        by_joint: whether the rule decides from the joint.
        inner: what `seen` maximises, or the rule of `calibrated`.
    """

    rule: str
    at_least_one: bool = False
    by_joint: bool = False
    inner: str | None = None

    @property
    def words(self) -> str:
        """The name of the candidate in results and stored runs."""
        parts = [self.rule if self.inner is None else f"{self.rule} ({self.inner})"]
        parts += ["by the joint"] * self.by_joint + ["at least one label"] * self.at_least_one
        return ", ".join(parts)

    def build(self, metric: str, natural_threshold: float | None) -> DecisionRule:
        """Build the rule, not tuned, for a metric."""
        options: dict[str, Any] = {"at_least_one": self.at_least_one}
        if self.rule in ("global", "top_k"):
            options["metric"] = metric
        elif self.rule == "per_label":
            options["metric"] = "jaccard" if metric.startswith("jaccard") else "f1"
        elif self.inner is not None:
            options["maximise" if self.rule == "seen" else "rule"] = self.inner
        rule = DECISIONS[self.rule]
        return rule(rule.Options(**options), natural_threshold)

    def may_be_empty(self) -> Candidate:
        """The same candidate without `at_least_one`."""
        return replace(self, at_least_one=False)

    @property
    def changes_only_empty_sets(self) -> bool:
        """Whether it differs from the candidate without `at_least_one` only where that set is empty."""
        return self.at_least_one and self.rule not in ("global", "top_k", "per_label")

    @property
    def is_tuned_on_rows(self) -> bool:
        """Whether the rule learns from the targets that `fit` sees."""
        return self.rule in ("global", "top_k", "per_label", "calibrated")

    def is_apt(self, metric: str) -> bool:
        """Whether the candidate suits the metric: it maximises no other metric's expectation."""
        maximised = self.rule if self.inner is None else self.inner
        suitable = _EXPECTATIONS.get(metric.partition("_")[0])
        return maximised == suitable or not maximised.startswith("expected")

    def lacking(self, prediction: Prediction) -> str | None:
        """Return what the prediction lacks for this candidate, in words, or None."""
        if self.by_joint and self.words not in prediction.decided and not prediction.has_joint:
            return ARGUMENTS["joint"]
        if self.rule == "cardinality" and prediction.cardinality is None:
            return "an expected cardinality"
        return None

    def is_possible(
        self, natural_threshold: float | None, prediction: Prediction, n_seen: int
    ) -> bool:
        """Whether the candidate can be tried; `n_seen` is the number of known label sets."""
        if self.lacking(prediction) is not None:
            return False
        if self.by_joint:
            return True
        if self.rule == "seen":
            n_rows = prediction.scores.shape[:-1].numel()
            is_quick = self.inner == "probability" or n_rows * n_seen**2 <= _MOST_PAIRS
            return n_seen > 0 and is_quick
        if self.rule == "fixed":
            return natural_threshold is not None
        return not self.rule.startswith("expected") or natural_threshold == MARGINAL_THRESHOLD


def _both(rule: str, by_joint: bool = False, inner: str | None = None) -> list[Candidate]:
    return [Candidate(rule, some, by_joint, inner) for some in (False, True)]


# The simplest first.
CANDIDATES: tuple[Candidate, ...] = (
    *_both("global"),
    *_both("fixed"),
    *_both("top_k"),
    *_both("cardinality"),
    *_both("mode", by_joint=True),
    *_both("expected_jaccard", by_joint=True),
    *_both("expected_f1", by_joint=True),
    *_both("expected_jaccard"),
    *_both("expected_f1"),
    *_both("calibrated", inner="expected_jaccard"),
    *_both("calibrated", inner="expected_f1"),
    *_both("seen", inner="probability"),
    *_both("seen", inner="expected_jaccard"),
    *_both("seen", inner="expected_f1"),
    *_both("per_label"),
)
BY_WORDS = {candidate.words: candidate for candidate in CANDIDATES}


def decided_by(candidate: Candidate, rule: DecisionRule, prediction: Prediction) -> Tensor:
    """Return the decisions of a candidate's rule, tuned where it needs that: (..., N, K), bool."""
    if candidate.by_joint:
        given = prediction.decided.get(candidate.words)
        return rule.decide(prediction) if given is None else given
    return rule.decide(rows_of(prediction))


def rows_of(prediction: Prediction, rows: Tensor | None = None) -> Prediction:
    """Return the scores and the cardinality alone, of these rows or of all."""
    scores, cardinality = prediction.scores, prediction.cardinality
    if rows is not None:
        scores = scores[..., rows, :]
        cardinality = None if cardinality is None else cardinality[..., rows]
    return Prediction(scores, cardinality=cardinality)
