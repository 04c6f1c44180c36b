"""A rule that is chosen among others on validation rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Size, Tensor

from mlc.config.errors import ConfigError
from mlc.config.options import option
from mlc.config.texts import counted
from mlc.decisions.base import DecisionRule, register_decision
from mlc.decisions.calibrated import Calibrated
from mlc.decisions.candidates import BY_WORDS, CANDIDATES, Candidate, decided_by, rows_of
from mlc.decisions.folds import N_FOLDS, folds
from mlc.decisions.seen import distinct
from mlc.heads.prediction import Prediction
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.jackknife import by_run, standard_error, values_left_out
from mlc.metrics.sweep import EQUAL, first_best

# Fewer rows cannot tell rules apart.
LEAST_ROWS = 20
# The number of standard errors by which a rule must be better than `global`.
MARGIN = 0.5


@dataclass
class AutoOptions:
    """The metric for which the rule is chosen and tuned."""

    metric: str = option("jaccard_samples", choices=COUNT_METRICS)


@register_decision("auto")
class Auto(DecisionRule):
    """A rule that takes the best candidate for a metric on validation rows, or else `global`.

    The candidates are `CANDIDATES`, each with and without `at_least_one`: `global`, `fixed` at the
    head's natural threshold (where it has one), `top_k`, `per_label`, `cardinality` for heads that
    predict a number of labels, `mode` for heads with a joint, and `seen` where the training label sets
    are known. For F1 and the Jaccard index the rules that maximise the expectation are candidates too:
    by the joint; with independent labels where the natural threshold is that of marginals (0.5); by
    calibrated scores for every head; and among the seen sets, unless their number would take minutes.

    Each candidate is cross-fitted: the validation rows are split into five random folds (the same for
    the same number of rows), and the candidate is tuned on four folds and decides the fifth. Its value
    is the metric of all these decisions together, so a flexible candidate gains nothing from luck
    (Stone 1974, "Cross-validatory choice and assessment of statistical predictions"). The best of many
    candidates is still lucky. It therefore replaces `global` only if it is better by more than `MARGIN`
    standard errors of the difference (by the jackknife over 20 blocks of rows). Of equally good
    candidates the first, and so the simplest, is the best. The chosen rule is then tuned on all rows.
    With fewer than 20 rows the choice is between `global` with and without `at_least_one`, by the value
    on the rows that tune them. Rows without a known label count nowhere.

    Use: where it is not known which rule suits the head and the data: it is clearly behind `global` in
    none of the measured pairs of head and data set (results/benchmarks/rules.md).
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
        few = torch.tensor(targets.shape[-2] < LEAST_ROWS).expand(targets.shape[:-2])
        return self._learn_from(prediction, targets, few, None)

    def learn_masked(self, prediction: Prediction, targets: Tensor, known: Tensor) -> Self:
        """Choose and tune a rule for each run by its known pairs, (..., N, K), bool."""
        few = known.any(dim=-1).sum(dim=-1) < LEAST_ROWS
        return self._learn_from(prediction, targets & known, few, known)

    def _learn_from(
        self, prediction: Prediction, targets: Tensor, few: Tensor, known: Tensor | None
    ) -> Self:
        """Choose and tune; `few` (...) marks runs with too few rows to tell rules apart."""
        if self.training_sets is not None:
            self.training_sets = distinct(self.training_sets)
        choices = [
            self._choice_of(prediction, targets, are_few, known)
            for are_few in few.unique().tolist()
        ]
        # False is the first of both.
        self._choice = choices[0].where(~few.to(targets.device), choices[-1])
        chosen = [CANDIDATES[index] for index in self._choice.unique().tolist()]
        self._rules = {one: self._tuned(one, prediction, targets, known) for one in chosen}
        return self

    def _choice_of(
        self, prediction: Prediction, targets: Tensor, few: bool, known: Tensor | None
    ) -> Tensor:
        """Return the index in `CANDIDATES` of the best of each run: (...)."""
        decisions: dict[Candidate, Tensor] = {}
        for candidate in CANDIDATES:
            if self._suits(candidate, prediction) and (candidate.rule == "global" or not few):
                decisions[candidate] = self._cross_fitted(
                    candidate, prediction, targets, few, decisions, known
                )
        indices = torch.tensor([CANDIDATES.index(one) for one in decisions], device=targets.device)
        best = self._best(list(decisions.values()), targets, 0 if few else MARGIN, known)
        return indices[best]

    def _decide(self, prediction: Prediction) -> Tensor:
        choice = self._chosen().to(prediction.scores.device)
        decided = torch.zeros_like(prediction.scores, dtype=torch.bool)
        for candidate, rule in self._rules.items():
            lacking = candidate.lacking(prediction)
            if lacking is not None:
                raise ConfigError(
                    f"The rule 'auto' chose {candidate.words} on the validation rows, which cannot"
                    f" decide from the scores alone: give {lacking} as well."
                )
            takes = (choice == CANDIDATES.index(candidate))[..., None, None]
            # An ensemble's scores are averaged on the CPU, its joint stays on the device.
            by_rule = decided_by(candidate, rule, prediction).to(decided.device)
            decided = decided | (by_rule & takes)
        return decided

    def by_joint_beside(
        self, provides: Collection[str], deciding: bool = False
    ) -> dict[str, DecisionRule]:
        """Return the candidates by the joint that suit the metric; to decide, those that were chosen."""
        if "joint" not in provides:
            return {}
        candidates = self._rules if deciding else filter(self._is_apt, CANDIDATES)
        return {one.words: self._built(one) for one in candidates if one.by_joint}

    def fitted(self) -> dict[str, Tensor]:
        """Return the indices in `CANDIDATES`: (...)."""
        return {} if self._choice is None else {"choice": self._choice}

    def described(self) -> dict[str, Any]:
        """Return which rule was chosen for each run, in words, and what the chosen rules learned."""
        words = [CANDIDATES[index].words for index in self._chosen().flatten().tolist()]
        return {
            "chosen": np.array(words, dtype=object).reshape(self._chosen().shape).tolist(),
            "learned": {one.words: rule.described() for one, rule in self._rules.items()},
        }

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Restore the choices, and what the chosen rules learned."""
        words = np.array(fitted["chosen"], dtype=object)
        indices = [CANDIDATES.index(BY_WORDS[one]) for one in words.ravel()]
        self._choice = torch.tensor(indices).view(words.shape)
        self._rules = {
            BY_WORDS[one]: self._built(BY_WORDS[one]).restore(values)
            for one, values in fitted["learned"].items()
        }
        return self

    def _learned(self) -> str:
        """Return the chosen rule, or the chosen rules and their numbers of runs, in words."""
        if self._choice is None:
            return ""
        runs = {one: int((self._choice == CANDIDATES.index(one)).sum()) for one in self._rules}
        one_run = self._choice.numel() == 1
        return ": " + "; ".join(
            f"{one.words}{rule._learned()}"
            if one_run
            else f"{one.words} ({counted(runs[one], 'run')})"
            for one, rule in self._rules.items()
        )

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
        """Build a candidate's rule, not tuned."""
        rule = candidate.build(self.options.metric, self.natural_threshold)
        rule.training_sets = self.training_sets
        return rule

    def _tuned(
        self, candidate: Candidate, prediction: Prediction, targets: Tensor, known: Tensor | None
    ) -> DecisionRule:
        rule = self._built(candidate)
        return rule if candidate.by_joint else rule.fit(rows_of(prediction), targets, known)

    def _cross_fitted(
        self,
        candidate: Candidate,
        prediction: Prediction,
        targets: Tensor,
        few: bool,
        earlier: Mapping[Candidate, Tensor],
        known: Tensor | None,
    ) -> Tensor:
        """Return decisions for all rows, by a rule tuned on the other folds: (..., N, K), bool.

        With few rows the rule is tuned on all of them. `earlier` are the decisions of the candidates
        before this one.
        """
        plain = earlier.get(candidate.may_be_empty()) if candidate.changes_only_empty_sets else None
        if plain is not None and bool(plain.any(dim=-1).all()):
            return plain
        if few or not candidate.is_tuned_on_rows:
            rule = self._tuned(candidate, prediction, targets, known)
            return decided_by(candidate, rule, prediction)
        if known is not None:
            return self._cross_fitted_by_known(candidate, prediction, targets, known)
        fold = folds(targets.shape[-2]).to(targets.device)
        decided = torch.zeros_like(targets)
        for index in range(N_FOLDS):
            out, rest = (fold == index).nonzero().squeeze(1), (fold != index).nonzero().squeeze(1)
            rule = self._built_for_a_fold(candidate)
            rule.fit(rows_of(prediction, rest), targets[..., rest, :])
            decided[..., out, :] = rule.decide(rows_of(prediction, out))
        return decided

    def _cross_fitted_by_known(
        self, candidate: Candidate, prediction: Prediction, targets: Tensor, known: Tensor
    ) -> Tensor:
        """The same with folds of each run's rows with known labels; other rows are decided by any."""
        fold = by_run(known.any(dim=-1), folds).unsqueeze(-1)
        decided = torch.zeros_like(targets)
        for index in range(N_FOLDS):
            rest = known & (fold != index)
            # Runs with few rows are judged otherwise.
            rest = torch.where(rest.any(dim=-1).any(dim=-1)[..., None, None], rest, known)
            rule = self._built_for_a_fold(candidate).fit(rows_of(prediction), targets, rest)
            decided = torch.where(fold == index, rule.decide(rows_of(prediction)), decided)
        return decided

    def _built_for_a_fold(self, candidate: Candidate) -> DecisionRule:
        rule = self._built(candidate)
        if isinstance(rule, Calibrated):
            rule.is_judged = False
        return rule

    def _best(
        self, decisions: list[Tensor], targets: Tensor, margin: float, known: Tensor | None
    ) -> Tensor:
        """Return the index of the best decisions, or 0 if they are not better by the margin: (...)."""
        metric = COUNT_METRICS[self.options.metric]
        values = torch.stack([metric(one, targets, known) for one in decisions], dim=-1)
        values = metric.sign * values
        best = first_best(values)
        gain = values.gather(-1, best.unsqueeze(-1)).squeeze(-1) - values[..., 0]
        if margin == 0:
            return torch.where(gain > EQUAL, best, 0)
        left_out = torch.stack([values_left_out(metric, one, targets, known) for one in decisions])
        index = best[None, ..., None].expand(1, *left_out.shape[1:])
        error = standard_error(left_out.gather(0, index).squeeze(0) - left_out[0])
        return torch.where(gain > margin * error + EQUAL, best, 0)
