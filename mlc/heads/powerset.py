"""One softmax over label sets: all of them, or those that occur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mlc.config.options import Choice, option
from mlc.heads.base import JointHead, KnownLabels, register_head
from mlc.heads.label_sets import (
    EPSILON,
    ObservedSets,
    all_label_sets,
    fold_marginals,
    label_set_index,
    log_probability,
)


@register_head("powerset")
class Powerset(JointHead):
    """Each of the 2^K label sets is a class of its own.

    loss = logsumexp(z) - z[index(y)], index most significant bit first.
    Consistent for the whole conditional distribution P(y | x), so for every measure once its
    decision rule is applied to the joint; with the mode, for subset accuracy (Dembczynski et al.
    2012, section 4). Costs (D + 1) 2^K weights.
    Source: label powerset, Boutell et al. 2004, "Learning multi-label scene classification", in its
    dense form: unseen label sets keep a class.
    """

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """2^K."""
        return int(2**n_labels)

    @property
    def label_sets(self) -> Tensor:
        """All 2^K label sets: (M, K), bool."""
        return all_label_sets(self.n_labels, next(self.parameters()).device)

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of the label set: (R, B)."""
        return log_probability(outputs, targets)

    def log_joint(self, outputs: Tensor) -> Tensor:
        """log_softmax(z): (R, B, 2^K)."""
        return outputs.log_softmax(dim=-1)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The log-probabilities."""
        return joint.clamp(min=EPSILON).log()

    def marginals(self, outputs: Tensor) -> Tensor:
        """P(y_k = 1 | x), by folding the softmax: (R, B, K)."""
        return fold_marginals(outputs.softmax(dim=-1), self.n_labels).clamp_(max=1)


@dataclass
class LabelPowersetOptions:
    """How often a label set must occur in training to be a class."""

    min_count: int = option(1, at_least=1, search=Choice(1, 2, 3, 5))


@register_head("label_powerset")
class LabelPowerset(JointHead):
    """Each label set that occurs in training is a class of its own; with min_count, each frequent one
    (the most frequent ones where none occurs so often).

    loss = -log P(y | x): a softmax over the classes, less the mass that is set aside for all other
    label sets (see ObservedSets). A sample whose label set is no class has a loss that teaches
    nothing: such training samples are pruned, validation and test samples count.
    Consistent for P(y | x) on the classes, so for subset accuracy with the mode, as far as the label
    sets to come were seen; it can predict no other.
    Source: Boutell et al. 2004, "Learning multi-label scene classification"; pruned: Read et al. 2008,
    "Multi-label classification using ensembles of pruned sets", without its reintroduced subsets.
    """

    Options = LabelPowersetOptions

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """List the label sets."""
        self.observed = ObservedSets(self.require_known(known), self.options.min_count)

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """The distinct label sets of the known rows, those too that a run has not seen often enough."""
        return len(cls.require_known(known).distinct[0])

    @property
    def label_sets(self) -> Tensor:
        """Those that occur: (M, K), bool."""
        return self.observed.label_sets

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of the label set, seen or not: (R, B)."""
        return self.observed.log_likelihood(outputs, targets)

    def log_joint(self, outputs: Tensor) -> Tensor:
        """Over the classes alone, which is as if no other label set were possible: (R, B, M)."""
        return self.observed.log_softmax(outputs)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The log-probabilities of the classes."""
        return joint.clamp(min=EPSILON).log()[:, label_set_index(self.label_sets)]
