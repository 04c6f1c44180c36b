"""A rule that is chosen among others on validation rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Size, Tensor

from mlc.config.options import option
from mlc.decisions.base import DecisionRule, register_decision
from mlc.decisions.calibrated import Calibrated
from mlc.decisions.candidates import BY_WORDS, CANDIDATES, Candidate, decided_by, rows_of
from mlc.decisions.folds import N_FOLDS, folds
from mlc.decisions.seen import distinct
from mlc.heads.prediction import Prediction
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.jackknife import standard_error, values_left_out
from mlc.metrics.sweep import EQUAL, first_best

# Fewer rows cannot tell rules apart.
LEAST_ROWS = 20
# By how many standard errors a rule must be better than `global`.
MARGIN = 0.5


@dataclass
class AutoOptions:
    """The metric for which the rule is chosen and tuned."""

    metric: str = option("jaccard_samples", choices=COUNT_METRICS)


@register_decision("auto")
class Auto(DecisionRule):
    """The rule that is best for a named metric on validation rows, cross-fitted, or else `global`.

    The candidates are `CANDIDATES`, each also with at least one label: `global`, `fixed` at the head's
    natural threshold (where it has one), `top_k`, `per_label`, `cardinality` of heads that expect a
    number, `mode` of those with a joint, and `seen` where the training label sets are known. For F1 and
    the Jaccard index there is the expectation's rule: by the joint, and, where the natural threshold is
    that of marginals (0.5), with independent labels; by the calibrated scores of any head; and among
    the seen sets, unless these are so many that it would take minutes.

    The validation rows are dealt into five folds at random, always in the same way. Each candidate is
    tuned on four folds and decides the fifth; the metric of all these decisions together is its value,
    so a flexible candidate gains nothing from luck (Stone 1974, "Cross-validatory choice and assessment
    of statistical predictions"). The best of many candidates still has luck: it is taken if it is
    better than `global` by more than `MARGIN` standard errors of the difference (by the jackknife over
    20 blocks of rows); if not, `global` is. Of equally good candidates the first, and so simplest, is
    the best. The rule that is taken is then tuned on all rows. Below 20 rows it is `global`, with or
    without at least one label, whichever has the better value on the rows that it is tuned on.
    """

    Options = AutoOptions
    tuned_on = "validation"
    uses_training_sets = True
    _choice: Tensor | None = None

    def __init__(self, options: Any, natural_threshold: float | None = 0.5) -> None:
        super().__init__(options, natural_threshold)
        self._rules: dict[Candidate, DecisionRule] = {}

    def learn(self, prediction: Prediction, targets: Tensor) -> Self:
        """Choose and tune a rule for each run: a prediction with scores and targets (..., N, K)."""
        if self.training_sets is not None:
            self.training_sets = distinct(self.training_sets)
        few = targets.shape[-2] < LEAST_ROWS
        tried: dict[Candidate, Tensor] = {}
        for own in CANDIDATES:
            if self._suits(own, prediction) and (own.rule == "global" or not few):
                tried[own] = self._tried(own, prediction, targets, few, tried)
        places = torch.tensor([CANDIDATES.index(own) for own in tried], device=targets.device)
        self._choice = places[self._best(list(tried.values()), targets, 0 if few else MARGIN)]
        every = [CANDIDATES[index] for index in self._choice.unique().tolist()]
        self._rules = {one: self._tuned(one, prediction, targets) for one in every}
        return self

    def _decide(self, prediction: Prediction) -> Tensor:
        choice = self._chosen().to(prediction.scores.device)
        decided = torch.zeros_like(prediction.scores, dtype=torch.bool)
        for own, rule in self._rules.items():
            of_run = (choice == CANDIDATES.index(own))[..., None, None]
            # An ensemble's scores are averaged on the CPU, its joint stays on the device.
            by_rule = decided_by(own, rule, prediction).to(decided.device)
            decided = decided | (by_rule & of_run)
        return decided

    def by_joint_beside(
        self, provides: Collection[str], deciding: bool = False
    ) -> dict[str, DecisionRule]:
        """All candidates by the joint that suit the metric; to decide, those that were chosen."""
        every = [own for own in CANDIDATES if own.by_joint and "joint" in provides]
        own = [one for one in every if one in self._rules] if deciding else every
        return {one.words: self._built(one) for one in own if self._is_apt(one)}

    def fitted(self) -> dict[str, Tensor]:
        """The places in `CANDIDATES`: (...)."""
        return {} if self._choice is None else {"choice": self._choice}

    def described(self) -> dict[str, Any]:
        """In words which rule was chosen, for each run, and what the chosen ones learned."""
        words = [CANDIDATES[place].words for place in self._chosen().flatten().tolist()]
        nested = words[0] if self._chosen().ndim == 0 else words
        return {
            "chosen": nested,
            "learned": {own.words: rule.described() for own, rule in self._rules.items()},
        }

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Take the choices, and what the chosen rules learned."""
        chosen = fitted["chosen"]
        words = [chosen] if isinstance(chosen, str) else chosen
        places = torch.tensor([CANDIDATES.index(BY_WORDS[own]) for own in words])
        self._choice = places[0] if isinstance(chosen, str) else places
        self._rules = {
            BY_WORDS[own]: self._built(BY_WORDS[own]).restore(values)
            for own, values in fitted["learned"].items()
        }
        return self

    def _require_fitted_shape(self, shape: Size) -> None:
        super()._require_fitted_shape(shape)
        for rule in self._rules.values():
            rule._require_fitted_shape(shape)

    def _chosen(self) -> Tensor:
        if self._choice is None:
            raise self._missing("a call of fit(scores, targets) first")
        return self._choice

    def _is_apt(self, candidate: Candidate) -> bool:
        return candidate.is_apt(self.options.metric)

    def _suits(self, candidate: Candidate, prediction: Prediction) -> bool:
        n_seen = 0 if self.training_sets is None else len(self.training_sets)
        return self._is_apt(candidate) and candidate.is_possible(
            self.natural_threshold, prediction, n_seen
        )

    def _built(self, candidate: Candidate) -> DecisionRule:
        """A candidate's rule, not tuned."""
        rule = candidate.build(self.options.metric, self.natural_threshold)
        rule.training_sets = self.training_sets
        return rule

    def _tuned(self, own: Candidate, prediction: Prediction, targets: Tensor) -> DecisionRule:
        rule = self._built(own)
        return rule if own.by_joint else rule.fit(rows_of(prediction), targets)

    def _tried(
        self,
        own: Candidate,
        prediction: Prediction,
        targets: Tensor,
        few: bool,
        tried: Mapping[Candidate, Tensor],
    ) -> Tensor:
        """A candidate's decisions for all rows, tuned on the other folds: (..., N, K), bool."""
        plain = tried.get(own.may_be_empty())
        if own.changes_only_empty_sets and plain is not None and bool(plain.any(dim=-1).all()):
            return plain
        if few or not own.is_tuned_on_rows:
            return decided_by(own, self._tuned(own, prediction, targets), prediction)
        fold = folds(targets.shape[-2]).to(targets.device)
        decided = torch.zeros_like(targets)
        for index in range(N_FOLDS):
            out, rest = (fold == index).nonzero().squeeze(1), (fold != index).nonzero().squeeze(1)
            rule = self._built(own)
            if isinstance(rule, Calibrated):
                rule.is_judged = False
            rule.fit(rows_of(prediction, rest), targets[..., rest, :])
            decided[..., out, :] = rule.decide(rows_of(prediction, out))
        return decided

    def _best(self, decided: list[Tensor], targets: Tensor, margin: float) -> Tensor:
        """The index of the best decisions, or 0 if it is not better than that by the margin: (...)."""
        metric = COUNT_METRICS[self.options.metric]
        values = metric.sign * torch.stack([metric(own, targets) for own in decided], dim=-1)
        best = first_best(values)
        gain = values.gather(-1, best.unsqueeze(-1)).squeeze(-1) - values[..., 0]
        if margin == 0:
            return torch.where(gain > EQUAL, best, 0)
        left_out = torch.stack([values_left_out(metric, own, targets) for own in decided])
        place = best[None, ..., None].expand(1, *left_out.shape[1:])
        error = standard_error(left_out.gather(0, place).squeeze(0) - left_out[0])
        return torch.where(gain > margin * error + EQUAL, best, 0)
