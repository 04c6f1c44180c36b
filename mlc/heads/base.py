"""The contract of an output layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mlc.layers import StackedLinear, Streams
from mlc.registry import NoOptions, Registry


class Head(nn.Module):
    """An output layer: an affine map to `n_outputs` numbers, a loss on them, and a score per label.

    A head is one class with `loss` and `scores`, and `count_outputs` where it needs other than one
    output for each label. Both work on any leading axes, so (R, B, ...) and (B, ...) alike.

    Class attributes:
        Options: dataclass of the head's settings.
        natural_threshold: the score from which a label counts as relevant when nothing is tuned.
        draws: whether the loss needs a random number for each sample.

    Args:
        n_features: width of the features, D.
        n_labels: K.
        options: an instance of `Options`.
        seeds: one for each run; the output weights are drawn from them.
    """

    name: ClassVar[str]
    Options: ClassVar[type] = NoOptions
    natural_threshold: ClassVar[float] = 0.5
    draws: ClassVar[bool] = False

    def __init__(self, n_features: int, n_labels: int, options: Any, seeds: Sequence[int]) -> None:
        super().__init__()
        self.n_labels = n_labels
        self.options = options
        n_outputs = self.count_outputs(n_labels, options)
        self.output = StackedLinear(n_features, n_outputs, Streams(seeds, "initialisation/head"))

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any) -> int:
        """How many numbers the output layer gives for each sample; K unless a head says otherwise."""
        return n_labels

    def forward(self, features: Tensor) -> Tensor:
        """Features (R, B, D) to outputs (R, B, n_outputs)."""
        outputs: Tensor = self.output(features)
        return outputs

    def loss(self, outputs: Tensor, targets: Tensor, noise: Tensor | None = None) -> Tensor:
        """One value for each sample, nothing reduced: (..., B).

        Args:
            outputs: (..., B, n_outputs).
            targets: (..., B, K), zeros and ones in the outputs' dtype.
            noise: (..., B), uniform on [0, 1), for heads that draw; drawn here where it is None.
        """
        raise NotImplementedError

    def scores(self, outputs: Tensor) -> Tensor:
        """Relevance of each label, in [0, 1], higher is more likely relevant: (..., B, K)."""
        raise NotImplementedError

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """Log-probability of the label set, (..., B), or None where the head defines no such thing."""
        return None


class JointHead(Head):
    """A head that defines a distribution over label sets, listed in `label_sets` (M, K)."""

    @property
    def label_sets(self) -> Tensor:
        """The label sets that have a probability: (M, K), bool."""
        raise NotImplementedError

    def log_joint(self, outputs: Tensor) -> Tensor:
        """Log-probabilities of the label sets, which sum to one: (..., B, M)."""
        raise NotImplementedError

    def marginals(self, outputs: Tensor) -> Tensor:
        """P(y_k = 1 | x): (..., B, K)."""
        joint = self.log_joint(outputs).exp()
        return joint @ self.label_sets.to(joint.dtype)

    def mode(self, outputs: Tensor) -> Tensor:
        """The most probable label set (the first of equals): (..., B, K), bool."""
        return self.label_sets[self.log_joint(outputs).argmax(dim=-1)]

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One label set drawn for each sample: (..., B, K), bool."""
        joint = self.log_joint(outputs).exp()
        drawn = torch.multinomial(joint.flatten(0, -2), 1, generator=generator)
        return self.label_sets[drawn.view(joint.shape[:-1])]

    def scores(self, outputs: Tensor) -> Tensor:
        """The marginals."""
        return self.marginals(outputs)


HEADS: Registry[Head] = Registry("head")
register_head = HEADS.register
