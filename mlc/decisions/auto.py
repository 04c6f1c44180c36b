"""A rule that is chosen among others on validation rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Size, Tensor

from mlc.config.options import option
from mlc.decisions.base import DECISIONS, DecisionRule, register_decision
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.sweep import first_best

# The simplest first: of equally good ones the first is chosen. Stored runs name them by their place, so
# new ones come last.
CANDIDATES: tuple[tuple[str, bool], ...] = (
    ("fixed", False), ("fixed", True), ("global", False), ("global", True),
    ("top_k", False), ("top_k", True), ("expected_jaccard", False), ("expected_f1", False),
    ("per_label", False), ("per_label", True),
)  # fmt: skip
N_FOLDS = 5
# Fewer rows cannot tell rules apart.
LEAST_ROWS = 20
_FEW = (CANDIDATES.index(("global", False)), CANDIDATES.index(("global", True)))
# The threshold that heads whose scores are marginals have.
_OF_MARGINALS = 0.5


@dataclass
class AutoOptions:
    """The metric for which the rule is chosen and tuned."""

    metric: str = option("jaccard_samples", choices=COUNT_METRICS)


@register_decision("auto")
class Auto(DecisionRule):
    """The rule by scores that is best for a named metric on validation rows, cross-fitted.

    The candidates are `CANDIDATES`: `fixed` at the head's natural threshold (where it has one),
    `global`, `top_k`, and `per_label`, each also with at least one label, and, where the natural
    threshold is that of marginals (0.5), `expected_jaccard` and `expected_f1` with independent labels.
    No candidate takes a joint or a cardinality, for only scores are kept of validation rows.

    The validation rows are dealt into five folds at random, always in the same way. Each candidate is
    tuned on four folds and decides the fifth; the metric of all these decisions together is its value,
    so a flexible candidate gains nothing from luck (Stone 1974, "Cross-validatory choice and assessment
    of statistical predictions"). The best one, the simplest of equals, is then tuned on all rows. Below
    20 rows it is `global`, with or without at least one label, whichever has the better value on the
    rows that it is tuned on.
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
        places = list(_FEW) if few else self._suitable()
        values = [
            metric(self._tried(place, scores, targets, few), targets).to(scores.device)
            for place in places
        ]
        best = first_best(torch.stack(values, dim=-1), metric.higher_is_better)
        self._choice = torch.tensor(places, device=scores.device)[best]
        self._threshold = scores.new_zeros(scores.shape[:-2] + scores.shape[-1:]).double()
        self._k = torch.zeros_like(self._choice)
        for place in self._choice.unique().tolist():
            self._keep(place, self._candidate(place).tune(scores, targets))
        return self

    def by_scores(self, scores: Tensor) -> Tensor:
        """The decisions of the chosen rules: (..., N, K), bool."""
        choice = self._chosen().to(scores.device)
        decided = torch.zeros_like(scores, dtype=torch.bool)
        for place in choice.unique().tolist():
            name, _ = CANDIDATES[place]
            # A threshold for all labels is stored for each of them.
            threshold = self._threshold if name == "per_label" else self._threshold[..., 0]
            rule = self._candidate(place).restore({"threshold": threshold, "k": self._k})
            own = (choice == place)[..., None, None]
            decided = decided | (rule.by_scores(scores) & own)
        return decided

    def fitted(self) -> dict[str, Tensor]:
        """The places in `CANDIDATES`, (...), thresholds of each label, (..., K), and k, (...)."""
        if self._choice is None:
            return {}
        return {"choice": self._choice, "threshold": self._threshold, "k": self._k}

    def described(self) -> dict[str, Any]:
        """The fitted values, and in words which rule was chosen."""
        words = [self._words(place) for place in self._chosen().flatten().tolist()]
        single = self._chosen().ndim == 0
        return {"chosen": words[0] if single else words, **super().described()}

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Take the choices, the thresholds and k."""
        self._choice = torch.as_tensor(fitted["choice"])
        self._threshold = torch.as_tensor(fitted["threshold"], dtype=torch.float64)
        self._k = torch.as_tensor(fitted["k"])
        return self

    def fitted_shapes(self, shape: Size) -> dict[str, Size]:
        """The thresholds are those of each label."""
        return {name: shape[:-2] + (shape[-1:] * (name == "threshold")) for name in self.fitted()}

    def _suitable(self) -> list[int]:
        """The places of the candidates that suit the head."""
        unsuitable = {"fixed"} if self.natural_threshold is None else set()
        if self.natural_threshold != _OF_MARGINALS:
            unsuitable |= {"expected_jaccard", "expected_f1"}
        return [place for place, (name, _) in enumerate(CANDIDATES) if name not in unsuitable]

    def _candidate(self, place: int) -> DecisionRule:
        """A candidate that is not tuned."""
        name, at_least_one = CANDIDATES[place]
        options: dict[str, Any] = {"at_least_one": True} if at_least_one else {}
        metric = self.options.metric
        if name in ("global", "top_k"):
            options["metric"] = metric
        elif name == "per_label":
            options["metric"] = "jaccard" if metric.startswith("jaccard") else "f1"
        return DECISIONS[name](DECISIONS.options(name, **options), self.natural_threshold)

    def _tried(self, place: int, scores: Tensor, targets: Tensor, few: bool) -> Tensor:
        """A candidate's decisions for all rows, tuned on the other folds: (..., N, K), bool."""
        rule = self._candidate(place)
        if few or rule.tuned_on == "nothing":
            return rule.tune(scores, targets).by_scores(scores)
        fold = folds(scores.shape[-2]).to(scores.device)
        decided = torch.zeros_like(scores, dtype=torch.bool)
        for index in range(N_FOLDS):
            out, rest = fold == index, fold != index
            rule.tune(scores[..., rest, :], targets[..., rest, :])
            decided[..., out, :] = rule.by_scores(scores[..., out, :])
        return decided

    def _keep(self, place: int, rule: DecisionRule) -> None:
        """Store what a tuned candidate learned, for the runs that chose it."""
        own, fitted = self._chosen() == place, rule.fitted()
        if "threshold" in fitted:
            threshold = fitted["threshold"].to(self._threshold.device)
            if rule.name != "per_label":
                threshold = threshold.unsqueeze(-1)
            self._threshold = torch.where(own.unsqueeze(-1), threshold, self._threshold)
        if "k" in fitted:
            self._k = torch.where(own, fitted["k"].to(self._k.device), self._k)

    def _chosen(self) -> Tensor:
        if self._choice is None:
            raise self._missing("a call of fit(scores, targets) first")
        return self._choice

    @staticmethod
    def _words(place: int) -> str:
        name, at_least_one = CANDIDATES[place]
        return f"{name}, at least one label" if at_least_one else name


def folds(n_rows: int) -> Tensor:
    """The fold of each row, equally many rows in each but for one: (N,), from 0 to N_FOLDS - 1."""
    generator = torch.Generator().manual_seed(0)
    return torch.randperm(n_rows, generator=generator) % N_FOLDS
