"""K^2 + 1 sigmoids, from which the label set with the highest expected F1 follows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot, softplus

from mlc.heads.base import Head, KnownLabels, register_head
from mlc.heads.label_sets import EPSILON, all_label_sets
from mlc.heads.prediction import Prediction


@register_head("f_measure")
class FMeasure(Head):
    r"""A sigmoid for each pair of a label and a number of labels, and one for the empty set.

    loss = $`-\sum_e [t_e \log q_e + (1 - t_e) \log(1 - q_e)]`$, $`q = \sigma(z)`$, over $`K^2 + 1`$
    events e: $`y_k = 1, \lvert y \rvert = s`$ for each label k and number s from 1 to K, and
    $`\lvert y \rvert = 0`$; $`t_e = 1`$ if e is true. The scores are $`\sum_s q_{ks}`$, at most 1.
    Consistent for the marginals, and with the rule `expected_f1`, which decides from the $`q`$, for
    the expected F1 of each sample: these $`K^2 + 1`$ probabilities are all that its maximiser needs,
    without an assumption of independent labels.
    Source: Zhang, Ramaswamy and Agarwal 2020, "Convex calibrated surrogates for the multi-label
    F-measure", with logistic losses; the decision is the general F-measure maximiser of Dembczynski
    et al. 2011, "An exact algorithm for F-measure maximization".
    Use: for the F1 of each sample with the rule `expected_f1`, where labels depend on each other.
    Avoid: with many labels: the head has $`K^2 + 1`$ outputs.
    """

    many_labels = False

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """Return K^2 + 1: first the empty set, then the sizes 1 to K of label 1, and so on."""
        return n_labels**2 + 1

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The sum of the K^2 + 1 binary cross-entropies: (R, B)."""
        count = targets.sum(dim=-1)
        of_size = self._by_size(outputs).gather(-1, self._column(count)).squeeze(-1)
        true = torch.where(count > 0, (targets * of_size).sum(dim=-1), outputs[..., 0])
        return softplus(outputs).sum(dim=-1) - true

    def scores(self, outputs: Tensor) -> Tensor:
        """The estimate of P(y_k = 1 | x), at most 1: (R, B, K)."""
        return self._by_size(outputs.sigmoid()).sum(dim=-1).clamp(max=1)

    def predict(self, outputs: Tensor) -> Prediction:
        """Return the inputs of decision rules, with the K^2 + 1 probabilities as `sizes`."""
        return Prediction(
            lambda _: self.scores(outputs),
            cardinality=lambda prediction: self.cardinality(outputs, prediction.scores),
            sizes=lambda _: outputs.sigmoid(),
        )

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """The logits of the K^2 + 1 probabilities."""
        label_sets = all_label_sets(self.n_labels, joint.device)
        size = one_hot(label_sets.sum(dim=1), self.n_labels + 1)[:, 1:]
        table = (label_sets[:, :, None] * size[:, None]).flatten(1).to(joint.dtype)
        return torch.cat([joint[:, :1], joint @ table], dim=1).logit(eps=EPSILON)

    @classmethod
    def provides(cls) -> frozenset[str]:
        """The marginals, and the probabilities of each label with each number of labels."""
        return super().provides() | {"sizes"}

    def _by_size(self, numbers: Tensor) -> Tensor:
        """Return the numbers of the pairs by label and size: (R, B, K, K)."""
        by_size: Tensor = numbers[..., 1:].unflatten(-1, (self.n_labels, self.n_labels))
        return by_size

    def _column(self, count: Tensor) -> Tensor:
        """The index of the size of each sample, for each label: (R, B, K, 1)."""
        column = (count.long() - 1).clamp(min=0)[..., None, None]
        return column.expand(*count.shape, self.n_labels, 1)
