"""An energy model with pairwise interactions of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from mlc.config.options import Choice, option
from mlc.heads.base import KnownLabels, register_head
from mlc.heads.label_sets import MOST_LABELS, fold_marginals, log_probability
from mlc.heads.listed import ListedHead
from mlc.heads.masking import agreeing, log_total
from mlc.heads.prediction import Prediction


@dataclass
class PairwiseOptions:
    """Whether the energies of pairs are parameters, or outputs that depend on x."""

    interactions: str = option(
        "shared", choices=("shared", "conditional"), search=Choice("shared", "conditional")
    )


@register_head("pairwise")
class Pairwise(ListedHead):
    r"""A softmax over label sets, with an energy for each label and each pair of labels.

    loss = $`\log \sum_v \exp E(v) - E(y)`$,
    $`E(y) = \sum_k z_k y_k + \sum_{j < k} A_{jk} y_j y_k`$. A is a parameter, or with
    interactions=conditional an output. With up to 16 labels the sum is over all $`2^K`$ label sets
    and exact. With more labels it is over those in the training data; the others share a reserved
    probability, as for `label_powerset`, and only pairs that occur together have an energy.
    Consistent for $`P(y \mid x)`$ if it has this form: like `sigmoid` if labels are independent
    given x, like `powerset` if they interact in pairs, with $`K (K - 1) / 2`$ numbers more than the
    former (outputs, if conditional).
    Source: Ghamrawi and McCallum 2005, "Collective multi-label classification", the CML model; the
    Ising model of Ravikumar et al. 2010 for the energies.
    Use: for exact label sets, decided by the rule `mode` (experiments/equal_budgets).
    """

    Options = PairwiseOptions
    many_labels = False
    masks = True
    _pairs: Tensor
    _has_label: Tensor
    _has_pair: Tensor
    _offsets: Tensor
    _sets: Tensor
    _set_offsets: Tensor

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """List the pairs, and the labels and pairs in each label set."""
        super().set_up(seeds, known)
        pairs = _pairs(self.n_labels, known)
        self.register_buffer("_pairs", pairs, persistent=False)
        if self.options.interactions == "shared":
            self.interactions = nn.Parameter(torch.zeros(len(seeds), 1, pairs.shape[1]))
        has_label = self.label_sets.float().T.contiguous()
        has_pair = has_label[pairs[0]] * has_label[pairs[1]]
        if self.observed is not None:
            # Label sets hold few pairs: a list of their indices, and where each set's list begins. For
            # the gradient likewise of the sets that hold a pair.
            self.register_buffer("_offsets", _begins(has_pair.sum(dim=0)), persistent=False)
            self.register_buffer("_sets", has_pair.nonzero()[:, 1], persistent=False)
            self.register_buffer("_set_offsets", _begins(has_pair.sum(dim=1)), persistent=False)
            has_pair = has_pair.T.nonzero()[:, 1]
        self.register_buffer("_has_label", has_label, persistent=False)
        self.register_buffer("_has_pair", has_pair, persistent=False)

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """Return K, plus the number of pairs if their energies depend on x."""
        if options.interactions == "shared":
            return n_labels
        return n_labels + _pairs(n_labels, known).shape[1]

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of the label set: (R, B)."""
        energies = self._energies(outputs)
        if self.observed is not None:
            return self.observed.log_likelihood(energies, targets)
        return log_probability(energies, targets)

    def masked_log_likelihood(self, outputs: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """Log of the total probability of the label sets with the known labels: (R, B)."""
        energies = self._energies(outputs)
        if self.observed is not None:
            return self.observed.masked_log_likelihood(energies, targets, known)
        return log_total(energies.log_softmax(dim=-1), agreeing(self.label_sets, targets, known))

    def log_joint(self, outputs: Tensor) -> Tensor:
        """Normalised energies: (R, B, M)."""
        energies = self._energies(outputs)
        if self.observed is not None:
            return self.observed.log_softmax(energies)
        return energies.log_softmax(dim=-1)

    def marginals_of(self, outputs: Tensor, prediction: Prediction) -> Tensor:
        """P(y_k = 1 | x): (R, B, K)."""
        if self.observed is not None:
            return super().marginals_of(outputs, prediction)
        return fold_marginals(prediction.log_joint.exp(), self.n_labels).clamp_(max=1)

    def _energies(self, outputs: Tensor) -> Tensor:
        """Energies of the listed label sets: (R, B, M)."""
        if self.options.interactions == "conditional":
            outputs, pairs = outputs.tensor_split([self.n_labels], dim=-1)
        else:
            pairs = self.interactions.to(outputs.dtype)
        return outputs @ self._has_label.to(outputs.dtype) + self._of_pairs(pairs)

    def _of_pairs(self, energies: Tensor) -> Tensor:
        """Sum the energies of pairs, (R, B or 1, P), over each listed label set: (..., M)."""
        if self.observed is None:
            return energies @ self._has_pair.to(energies.dtype)
        by_pair = energies.flatten(0, 1).T.contiguous()
        pairs, sets = (self._has_pair, self._offsets), (self._sets, self._set_offsets)
        by_set: Tensor = _SumOfBags.apply(by_pair, *pairs, *sets)
        energies_of_sets: Tensor = by_set.T.unflatten(0, energies.shape[:2])
        return energies_of_sets


class _SumOfBags(torch.autograd.Function):
    """Sums of rows by bag, with a gradient that sums over the bags of each row.

    Torch's own gradient of embedding_bag needs a row for each entry of a bag.
    """

    @staticmethod
    def forward(
        rows: Tensor, indices: Tensor, offsets: Tensor, bags: Tensor, bag_offsets: Tensor
    ) -> Tensor:
        return embedding_bag(indices, rows, offsets, mode="sum")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[3:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        bags, offsets = ctx.saved_tensors
        by_row = embedding_bag(bags, gradient.contiguous(), offsets, mode="sum")
        return by_row, None, None, None, None


def _begins(counts: Tensor) -> Tensor:
    """Return the first index of each of consecutive lists of these lengths."""
    lengths = counts.long()
    return lengths.cumsum(0) - lengths


def _pairs(n_labels: int, known: KnownLabels | None) -> Tensor:
    """List the pairs with an energy; with many labels, those that occur together: (2, P)."""
    together = torch.ones(n_labels, n_labels)
    if known is not None and n_labels > MOST_LABELS:
        occurring = known.distinct[0].float()
        together = occurring.T @ occurring
    return together.triu(diagonal=1).nonzero().T.contiguous()
