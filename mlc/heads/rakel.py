"""Random k-labelsets: an ensemble of small powersets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mlc.config.options import Choice, option
from mlc.heads.base import Head, KnownLabels, register_head
from mlc.heads.label_sets import EPSILON, all_label_sets, label_set_index, log_probability
from mlc.heads.masking import agreeing, log_total
from mlc.layers import Streams


@dataclass
class RakelOptions:
    """The size of a labelset, and the number of labelsets (null for 2K)."""

    size: int = option(3, at_least=1, at_most=12, search=Choice(2, 3, 4, 5))
    n_sets: int | None = option(None, at_least=1)


@register_head("rakel")
class Rakel(Head):
    r"""A powerset for each of m random k-subsets of the labels; their marginals are averaged.

    loss = $`\frac{K}{m k} \sum_{j=1}^m [\log \sum_v \exp z_{jv} - z_{j y(j)}]`$, y(j) the labels of
    the sample in labelset j, v all its subsets: cross-entropies, scaled so that a label counts once
    on average. k is the option `size`, m the option `n_sets` (null for 2K; one set if k is K). Each
    run draws its labelsets from random partitions of the labels (the last part of each is filled at
    random), so that all labels are in about equally many labelsets.
    Consistent for the marginals, and for the joint of each labelset; not for the joint of all
    labels. A label in no labelset, as there may be with a small n_sets, has the score 0.
    Source: Tsoumakas et al. 2011, "Random k-labelsets for multilabel classification", RAkELo with m
    = 2K and k = 3, its votes replaced by marginals and its draw by partitions, as in RAkELd.
    Use: for labels that depend on each other within small groups: the joint of each labelset is
    modelled.
    Avoid: for exact label sets: the joint of all labels is not modelled, so the rule `mode` does not
    apply.
    """

    Options = RakelOptions
    masks = True
    labelsets: Tensor
    occurrences: Tensor

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """Draw each run's labelsets."""
        n_labels = self.n_labels
        n_sets, size = self._shape(n_labels, self.options)
        streams = Streams(seeds, "labelsets")
        per_partition = -(-n_labels // size)
        partitions: list[Tensor] = []
        while len(partitions) * per_partition < n_sets:
            order = streams.permutations(n_labels)
            # The last part is filled with the first labels of the order, which are not in it.
            filled = torch.cat([order, order[:, : per_partition * size - n_labels]], dim=1)
            partitions.append(filled.view(len(seeds), per_partition, size))
        labelsets = torch.cat(partitions, dim=1)[:, :n_sets]
        self.register_buffer("labelsets", labelsets)
        occurrences = torch.zeros(len(seeds), 1, n_labels)
        flat = labelsets.flatten(1).unsqueeze(1)
        occurrences.scatter_add_(-1, flat, torch.ones_like(flat, dtype=occurrences.dtype))
        self.register_buffer("occurrences", occurrences)

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """Return 2^k for each labelset."""
        n_sets, size = cls._shape(n_labels, options)
        return int(n_sets * 2**size)

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The scaled sum of the labelsets' cross-entropies: (R, B)."""
        log_p = log_probability(self._by_labelset(outputs), self._parts(targets))
        return self._scaled(-log_p.sum(dim=-1))

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """The same of the probabilities of the known labels of each labelset: (R, B)."""
        log_joint = self._by_labelset(outputs).log_softmax(dim=-1)
        sets = all_label_sets(self.labelsets.shape[-1], outputs.device)
        agrees = agreeing(sets, self._parts(targets), self._parts(known))
        return self._scaled(-log_total(log_joint, agrees).sum(dim=-1))

    def scores(self, outputs: Tensor) -> Tensor:
        """Mean of a label's marginals over the labelsets with it; 0 if there are none: (R, B, K)."""
        joint = self._by_labelset(outputs).softmax(dim=-1)
        bits = all_label_sets(self.labelsets.shape[-1], outputs.device).to(joint.dtype)
        marginals = (joint @ bits).flatten(-2)
        summed = marginals.new_zeros(*outputs.shape[:-1], self.n_labels)
        summed = summed.scatter_add(-1, self._index(outputs), marginals)
        return (summed / self.occurrences.clamp(min=1).to(joint.dtype)).clamp(max=1)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The log-probabilities of the label sets of each labelset."""
        label_sets = all_label_sets(self.n_labels, joint.device)
        parts = []
        for labelset in self.labelsets[0]:
            part = joint.new_zeros(len(joint), 2 ** len(labelset))
            parts.append(part.index_add(1, label_set_index(label_sets[:, labelset]), joint))
        return torch.cat(parts, dim=1).clamp(min=EPSILON).log()

    def _scaled(self, total: Tensor) -> Tensor:
        n_sets, size = self.labelsets.shape[1:]
        scaled: Tensor = total * self.n_labels / (n_sets * size)
        return scaled

    def _parts(self, values: Tensor) -> Tensor:
        """The values of the labels of each labelset: (R, B, K) to (R, B, m, k)."""
        parts: Tensor = values.gather(-1, self._index(values))
        by_labelset: Tensor = parts.unflatten(-1, self.labelsets.shape[1:])
        return by_labelset

    def _by_labelset(self, outputs: Tensor) -> Tensor:
        by_labelset: Tensor = outputs.unflatten(-1, (self.labelsets.shape[1], -1))
        return by_labelset

    def _index(self, like: Tensor) -> Tensor:
        """The labels of all labelsets, for each sample: (R, B, m k)."""
        return self.labelsets.flatten(1).unsqueeze(1).expand(-1, like.shape[1], -1)

    @staticmethod
    def _shape(n_labels: int, options: Any) -> tuple[int, int]:
        size = min(options.size, n_labels)
        if size == n_labels:
            return 1, size
        return options.n_sets or 2 * n_labels, size
