"""Labels that depend on each other in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mlc.heads.base import KnownLabels, register_head
from mlc.heads.label_sets import fold_marginals, log_probability
from mlc.heads.listed import ListedHead
from mlc.options import Choice, option


@dataclass
class PairwiseOptions:
    """Whether the pairs' energies are parameters, or outputs, which depend on x."""

    interactions: str = option(
        "shared", choices=("shared", "conditional"), search=Choice("shared", "conditional")
    )


@register_head("pairwise")
class Pairwise(ListedHead):
    """Energies of labels and of pairs, normalised over all label sets.

    loss = log sum_v exp(E(v)) - E(y), E(y) = sum_k z_k y_k + sum_{j<k} A_jk y_j y_k. With up to 16
    labels the sum is over all 2^K label sets, and exact; with more it is over those that occur in
    training, an approximation, in which all others share the mass set aside for them (ObservedSets).
    Consistent for P(y | x) where it has this form: as `sigmoid` where labels are independent given x,
    as `powerset` where they depend in pairs, with K (K - 1) / 2 numbers more than the former.
    Source: Ghamrawi and McCallum 2005, "Collective multi-label classification", the CML model; the
    Ising model of Ravikumar et al. 2010 for the energies.
    """

    Options = PairwiseOptions
    _pairs: Tensor
    _listed: Tensor

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """The pairs, and what each label set has of labels and pairs."""
        super().set_up(seeds, known)
        n_labels = self.n_labels
        pairs = torch.triu_indices(n_labels, n_labels, offset=1)
        self.register_buffer("_pairs", pairs, persistent=False)
        if self.options.interactions == "shared":
            self.interactions = nn.Parameter(torch.zeros(len(seeds), 1, pairs.shape[1]))
        self.register_buffer(
            "_listed", self._terms(self.label_sets).T.contiguous(), persistent=False
        )

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """K, and the pairs where they depend on x."""
        n_pairs = n_labels * (n_labels - 1) // 2
        return n_labels + (n_pairs if options.interactions == "conditional" else 0)

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of the label set: (R, B)."""
        energies = self._energies(outputs)
        if self.observed is not None:
            return self.observed.log_likelihood(energies, targets)
        return log_probability(energies, targets)

    def log_joint(self, outputs: Tensor) -> Tensor:
        """Normalised energies: (R, B, M)."""
        energies = self._energies(outputs)
        if self.observed is not None:
            return self.observed.log_softmax(energies)
        return energies.log_softmax(dim=-1)

    def marginals(self, outputs: Tensor) -> Tensor:
        """P(y_k = 1 | x): (R, B, K)."""
        if self.observed is not None:
            return super().marginals(outputs)
        return fold_marginals(self.log_joint(outputs).exp(), self.n_labels).clamp_(max=1)

    def _energies(self, outputs: Tensor) -> Tensor:
        """Of the listed label sets: (R, B, M)."""
        listed = self._listed.to(outputs.dtype)
        if self.options.interactions == "conditional":
            return outputs @ listed
        singles, pairs = listed.split([self.n_labels, len(listed) - self.n_labels])
        energies: Tensor = outputs @ singles + self.interactions.to(outputs.dtype) @ pairs
        return energies

    def _terms(self, label_sets: Tensor) -> Tensor:
        """What the energies multiply: labels, then pairs, (M, K + K (K - 1) / 2)."""
        numbers = label_sets.float()
        first, second = self._pairs
        return torch.cat([numbers, numbers[:, first] * numbers[:, second]], dim=1)
