"""A rule that decides groups of labels, of which each sample has one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from mlc.config.errors import ConfigError
from mlc.config.options import option
from mlc.decisions.base import register_decision
from mlc.decisions.checks import Lack
from mlc.decisions.thresholds import ThresholdRule
from mlc.heads.grouped import GroupedOptions, require_groups
from mlc.metrics.sweep import top_label


@dataclass
class GroupsOptions:
    """Groups of label indices, from 0, that exclude each other; all other labels are free."""

    # Without groups, those of the head `grouped`.
    groups: list[list[int]] = field(default_factory=list)
    # Whether a sample may have no label of a group; null is false, or with the head's groups its `none`.
    none: bool | None = None
    # Of the free labels; null is the head's natural threshold.
    threshold: float | None = option(None, at_least=0, at_most=1)
    at_least_one: bool = False

    def validate(self, prefix: str) -> None:
        """Check the groups as far as that needs no number of labels."""
        require_groups(f"{prefix}groups", self.groups, f"{prefix}none", bool(self.none))


@register_decision("groups")
class Groups(ThresholdRule):
    r"""The label with the highest score of each group, and the other labels by a threshold.

    `groups` are lists of label indices from 0; without them the rule takes those of the head `grouped`
    and its `none`. Of each group exactly one label is predicted, the first of equals. With `none=true`
    a sample may have no label of a group: that is predicted if its probability $`\max(0, 1 -
    \sum_{k \in G} p_k)`$ exceeds that of each label, which needs scores that are marginals. A label
    outside of all groups is predicted from the threshold, by default the natural one of the head. With
    `at_least_one`, a sample without a label gets the label with the highest score.

    Optimal for subset accuracy if the scores are marginals, the labels of each group exclude each other,
    and groups and other labels are independent given x, at a threshold of 0.5: the joint is then a
    product, and its mode is the mode of each factor (Dembczynski et al. 2012, "On label dependence and
    loss minimization in multi-label classification", section 4.2, for single labels; Bishop 2006,
    "Pattern Recognition and Machine Learning", section 1.5.1, for one class of several).

    Use: for groups of labels of which each sample has one: scores and network can stay sigmoids
    (experiments/one_network_or_many).
    Avoid: for labels that occur together, since one of each group is predicted.
    """

    Options = GroupsOptions
    needs = ("marginals", "scores")
    _n_labels: int | None = None
    _are_marginals = True

    def suit(self, head: Any, provides: Collection[str], n_labels: int) -> Self:
        """Take the groups of a head, unless the options name some, and check them against its labels."""
        if isinstance(head, GroupedOptions):
            self._complete(head.groups, head.none)
        self._require_within(n_labels)
        self._n_labels, self._are_marginals = n_labels, "marginals" in provides
        return self

    @property
    def lacks(self) -> Lack | None:
        """Groups; marginals for `none`; or a threshold if there are free labels."""
        if not self.options.groups:
            return Lack(
                "groups",
                "neither its options nor the head name groups of labels, as in [[0,1,2],[3,4]]",
            )
        if self.options.none and not self._are_marginals:
            return Lack("none=false", "these scores are no probabilities of labels")
        if self._n_labels is not None and self._free(self._n_labels) and self._value() is None:
            return Lack("threshold", "these scores have no natural one")
        return None

    def threshold(self) -> Tensor:
        """Return the given or natural threshold of the free labels."""
        value = self._value()
        if value is None:
            raise self._missing("a threshold for the labels outside of its groups")
        return torch.tensor(value, dtype=torch.float64)

    def by_scores(self, scores: Tensor) -> Tensor:
        """Return the best label of each group, and the free labels that pass: (..., N, K), bool."""
        n_labels = scores.shape[-1]
        if not self.options.groups:
            raise self._missing("groups=, lists of label indices")
        self._require_within(n_labels)
        decided = torch.zeros_like(scores, dtype=torch.bool)
        if self._free(n_labels):
            decided = scores.double() >= self.by_pair().to(scores.device)
        for group in self.options.groups:
            # In the order of the data, so that of equals the first label is taken.
            index = torch.tensor(sorted(group), device=scores.device)
            decided = decided.index_copy(-1, index, self._best(scores.index_select(-1, index)))
        if not self.options.at_least_one:
            return decided
        return decided | (top_label(scores) & ~decided.any(dim=-1, keepdim=True))

    def fitted(self) -> dict[str, Tensor]:
        """Return the threshold of the free labels, if there is one."""
        return {} if self._value() is None else {"threshold": self.threshold()}

    def described(self) -> dict[str, Any]:
        """Return the threshold and the groups, which may be those of a head."""
        groups = {"groups": self.options.groups, "none": bool(self.options.none)}
        return {**super().described(), **groups}

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Restore the natural threshold, and the groups unless the options name some."""
        self._complete(fitted["groups"], fitted["none"])
        threshold = fitted.get("threshold")
        self.natural_threshold = None if threshold is None else float(threshold)
        return self

    def _complete(self, groups: list[list[int]], none: bool) -> None:
        if self.options.groups or not groups:
            return
        own = self.options.none
        self.options = replace(self.options, groups=groups, none=none if own is None else own)
        self.options.validate("decision.groups.")

    def _free(self, n_labels: int) -> bool:
        """Whether there are labels outside of all groups."""
        return sum(map(len, self.options.groups)) < n_labels

    def _value(self) -> float | None:
        given: float | None = self.options.threshold
        return self.natural_threshold if given is None else given

    def _best(self, scores: Tensor) -> Tensor:
        """Return the predicted label of a group, (..., N, labels of the group), bool."""
        classes = scores.double()
        if self.options.none:
            without = (1 - classes.sum(dim=-1, keepdim=True)).clamp(min=0)
            classes = torch.cat([classes, without], dim=-1)
        return top_label(classes)[..., : scores.shape[-1]]

    def _require_within(self, n_labels: int) -> None:
        """Raise ConfigError if the groups name a label that is not among K."""
        largest = max((label for group in self.options.groups for label in group), default=0)
        if largest >= n_labels:
            raise ConfigError(
                f"The rule {self.name!r} has groups={self.options.groups}, which name label {largest},"
                f" and the labels are numbered from 0 to {n_labels - 1}: name those."
            )
