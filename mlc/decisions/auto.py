"""A rule that is chosen among others on validation rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Size, Tensor

from mlc.config.options import option
from mlc.decisions.base import DECISIONS, MARGINAL_THRESHOLD, DecisionRule, register_decision
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.sweep import first_best

# Simplest first: among equally good candidates the first is chosen. Stored runs refer to candidates by
# index, so new candidates are appended.
CANDIDATES: tuple[tuple[str, bool], ...] = (
    ("fixed", False), ("fixed", True), ("global", False), ("global", True),
    ("top_k", False), ("top_k", True), ("expected_jaccard", False), ("expected_f1", False),
    ("per_label", False), ("per_label", True),
)  # fmt: skip
N_FOLDS = 5
# With fewer rows the candidates cannot be compared reliably.
LEAST_ROWS = 20
_FEW_ROWS = (CANDIDATES.index(("global", False)), CANDIDATES.index(("global", True)))


@dataclass
class AutoOptions:
    """The metric that the choice and the tuning of the rule maximise."""

    metric: str = option("jaccard_samples", choices=COUNT_METRICS)


@register_decision("auto")
class Auto(DecisionRule):
    """A rule that chooses, by cross-fitting on validation rows, the best rule by scores for a metric.

    The candidates are `CANDIDATES`: `fixed` at the head's natural threshold (where it has one),
    `global`, `top_k`, and `per_label`, each also with at least one label, and, where the natural
    threshold is that of marginals (0.5), `expected_jaccard` and `expected_f1` with independent labels.
    No candidate takes a joint or a cardinality, because only the scores of validation rows are stored.

    The validation rows are split at random into five folds, always in the same way. Each candidate is
    tuned on four folds and decides the fifth. Its value is the metric of all these decisions together,
    so a flexible candidate does not profit from chance (Stone 1974, "Cross-validatory choice and
    assessment of statistical predictions"). The best candidate, the simplest of equals, is then tuned
    on all rows. Below 20 rows the rule is `global`, with or without at least one label, whichever has
    the better value on the rows that it is tuned on.
    """

    Options = AutoOptions
    tuned_on = "validation"
    _choice: Tensor | None = None
    _threshold: Tensor
    _k: Tensor

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Choose and tune a rule for each run: scores and targets (..., N, K)."""
        metric = COUNT_METRICS[self.options.metric]
        few = scores.shape[-2] < LEAST_ROWS
        indices = list(_FEW_ROWS) if few else self._suitable()
        values = [
            metric(self._cross_fitted(index, scores, targets, few), targets).to(scores.device)
            for index in indices
        ]
        best = first_best(torch.stack(values, dim=-1), metric.higher_is_better)
        self._choice = torch.tensor(indices, device=scores.device)[best]
        self._threshold = scores.new_zeros(scores.shape[:-2] + scores.shape[-1:]).double()
        self._k = torch.zeros_like(self._choice)
        for index in self._choice.unique().tolist():
            self._store(index, self._candidate(index).tune(scores, targets))
        return self

    def by_scores(self, scores: Tensor) -> Tensor:
        """Return the decisions of the chosen rules: (..., N, K), bool."""
        choice = self._chosen().to(scores.device)
        decided = torch.zeros_like(scores, dtype=torch.bool)
        for index in choice.unique().tolist():
            name, _ = CANDIDATES[index]
            # A threshold for all labels is stored for each of them.
            threshold = self._threshold if name == "per_label" else self._threshold[..., 0]
            rule = self._candidate(index).restore({"threshold": threshold, "k": self._k})
            chose_it = (choice == index)[..., None, None]
            decided = decided | (rule.by_scores(scores) & chose_it)
        return decided

    def fitted(self) -> dict[str, Tensor]:
        """Return the indices in `CANDIDATES`, (...), a threshold per label, (..., K), and k, (...)."""
        if self._choice is None:
            return {}
        return {"choice": self._choice, "threshold": self._threshold, "k": self._k}

    def described(self) -> dict[str, Any]:
        """Return the fitted values, and the chosen rule in words."""
        words = [self._words(index) for index in self._chosen().flatten().tolist()]
        single = self._chosen().ndim == 0
        return {"chosen": words[0] if single else words, **super().described()}

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Restore the choices, the thresholds and k."""
        self._choice = torch.as_tensor(fitted["choice"])
        self._threshold = torch.as_tensor(fitted["threshold"], dtype=torch.float64)
        self._k = torch.as_tensor(fitted["k"])
        return self

    def fitted_shapes(self, shape: Size) -> dict[str, Size]:
        """Return the shapes: the thresholds have an axis of labels."""
        return {name: shape[:-2] + (shape[-1:] * (name == "threshold")) for name in self.fitted()}

    def _suitable(self) -> list[int]:
        """Return the indices of the candidates that suit the head."""
        unsuitable = {"fixed"} if self.natural_threshold is None else set()
        if self.natural_threshold != MARGINAL_THRESHOLD:
            unsuitable |= {"expected_jaccard", "expected_f1"}
        return [index for index, (name, _) in enumerate(CANDIDATES) if name not in unsuitable]

    def _candidate(self, index: int) -> DecisionRule:
        """Return a candidate before tuning."""
        name, at_least_one = CANDIDATES[index]
        options: dict[str, Any] = {"at_least_one": True} if at_least_one else {}
        metric = self.options.metric
        if name in ("global", "top_k"):
            options["metric"] = metric
        elif name == "per_label":
            options["metric"] = "jaccard" if metric.startswith("jaccard") else "f1"
        return DECISIONS[name](DECISIONS.options(name, **options), self.natural_threshold)

    def _cross_fitted(self, index: int, scores: Tensor, targets: Tensor, few: bool) -> Tensor:
        """Return a candidate's decisions, each tuned on the other folds: (..., N, K), bool."""
        rule = self._candidate(index)
        if few or rule.tuned_on == "nothing":
            return rule.tune(scores, targets).by_scores(scores)
        fold = folds(scores.shape[-2]).to(scores.device)
        decided = torch.zeros_like(scores, dtype=torch.bool)
        for number in range(N_FOLDS):
            out, rest = fold == number, fold != number
            rule.tune(scores[..., rest, :], targets[..., rest, :])
            decided[..., out, :] = rule.by_scores(scores[..., out, :])
        return decided

    def _store(self, index: int, rule: DecisionRule) -> None:
        """Store the fitted values of a tuned candidate for the runs that chose it."""
        chose_it, fitted = self._chosen() == index, rule.fitted()
        if "threshold" in fitted:
            threshold = fitted["threshold"].to(self._threshold.device)
            if rule.name != "per_label":
                threshold = threshold.unsqueeze(-1)
            self._threshold = torch.where(chose_it.unsqueeze(-1), threshold, self._threshold)
        if "k" in fitted:
            self._k = torch.where(chose_it, fitted["k"].to(self._k.device), self._k)

    def _chosen(self) -> Tensor:
        if self._choice is None:
            raise self._missing("a call of fit(scores, targets) first")
        return self._choice

    @staticmethod
    def _words(index: int) -> str:
        name, at_least_one = CANDIDATES[index]
        return f"{name}, at least one label" if at_least_one else name


def folds(n_rows: int) -> Tensor:
    """Return the fold of each row, (N,), 0 to N_FOLDS - 1; fold sizes differ by at most one."""
    generator = torch.Generator().manual_seed(0)
    return torch.randperm(n_rows, generator=generator) % N_FOLDS
