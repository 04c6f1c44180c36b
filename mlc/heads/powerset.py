"""A softmax over label sets: over all of them, or over those in the training data."""

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
from mlc.heads.masking import agreeing, log_total
from mlc.heads.prediction import Prediction


@register_head("powerset")
class Powerset(JointHead):
    r"""A softmax in which each of the 2^K label sets is a class.

    loss = $`\log \sum_v \exp z_v - z_y`$ over all $`2^K`$ label sets v; the outputs are in the order
    of the sets as binary numbers, the first label as the most significant bit.
    Consistent for the conditional distribution $`P(y \mid x)`$, so for every measure whose decision
    rule is applied to the joint; with the mode, for subset accuracy (Dembczynski et al. 2012,
    section 4). It needs $`(D + 1)\, 2^K`$ weights.
    Source: label powerset, Boutell et al. 2004, "Learning multi-label scene classification", in a
    dense form: unseen label sets have a class too.
    Use: with few labels that depend on each other: with the rule that suits the metric it reaches
    the optimum of every metric, given enough data (docs/theory.md, statement 2).
    Avoid: with many labels, since each further label doubles the outputs
    (experiments/powerset_feasibility), and with few rows where labels are independent given x
    (experiments/powerset_samples).
    """

    many_labels = False
    masks = True

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """Return 2^K."""
        return int(2**n_labels)

    @property
    def label_sets(self) -> Tensor:
        """All 2^K label sets: (M, K), bool."""
        return all_label_sets(self.n_labels, next(self.parameters()).device)

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of the label set: (R, B)."""
        return log_probability(outputs, targets)

    def masked_log_likelihood(self, outputs: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """Log of the total probability of the label sets with the known labels: (R, B)."""
        return log_total(self.log_joint(outputs), agreeing(self.label_sets, targets, known))

    def log_joint(self, outputs: Tensor) -> Tensor:
        """log_softmax(z): (R, B, 2^K)."""
        return outputs.log_softmax(dim=-1)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The log-probabilities of all label sets."""
        return joint.clamp(min=EPSILON).log()

    def marginals_of(self, outputs: Tensor, prediction: Prediction) -> Tensor:
        """P(y_k = 1 | x): (R, B, K)."""
        return fold_marginals(outputs.softmax(dim=-1), self.n_labels).clamp_(max=1)


@dataclass
class LabelPowersetOptions:
    """Options; a label set is a class if it occurs at least `min_count` times in training."""

    min_count: int = option(1, at_least=1, search=Choice(1, 2, 3, 5))


@register_head("label_powerset")
class LabelPowerset(JointHead):
    r"""A softmax in which each label set in the training data is a class; with min_count, each that
    occurs at least so often (the most frequent ones if none does).

    loss = $`-\log P(y \mid x)`$: a softmax over the classes, times the probability that is not
    reserved for other label sets. That reserve is the share of training rows whose set would be no
    class without that row (Good-Turing, with half a row more), divided evenly among the other sets.
    If a sample's label set is no class, its loss has no gradient: such training samples are pruned,
    while validation and test samples count. With missing labels, the label sets of complete rows are
    classes. So is the set of each row that agrees with none of these, with its missing labels taken
    as negative.
    Consistent for $`P(y \mid x)`$ on the classes, so for subset accuracy with the mode, if all label
    sets of new samples are classes; it cannot predict others.
    Source: Boutell et al. 2004, "Learning multi-label scene classification"; pruned: Read et al.
    2008, "Multi-label classification using ensembles of pruned sets", without its reintroduced
    subsets.
    Use: for exact label sets where $`2^K`$ is out of reach and label sets repeat.
    Avoid: where many new rows have a label set that training has not: the data card gives their
    share among the validation rows.
    """

    Options = LabelPowersetOptions
    masks = True

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """List the label sets."""
        self.observed = ObservedSets(self.require_known(known), self.options.min_count)

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """Return the number of distinct label sets in the known rows, also rare and unseen ones."""
        return len(cls.require_known(known).distinct[0])

    @property
    def label_sets(self) -> Tensor:
        """The label sets of the known rows: (M, K), bool."""
        return self.observed.label_sets

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of the label set, seen or not: (R, B)."""
        return self.observed.log_likelihood(outputs, targets)

    def masked_log_likelihood(self, outputs: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """Log of the total probability of the label sets with the known labels: (R, B)."""
        return self.observed.masked_log_likelihood(outputs, targets, known)

    def log_joint(self, outputs: Tensor) -> Tensor:
        """Log-probabilities of the classes, normalised without other label sets: (R, B, M)."""
        return self.observed.log_softmax(outputs)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The log-probabilities of the classes."""
        return joint.clamp(min=EPSILON).log()[:, label_set_index(self.label_sets)]
