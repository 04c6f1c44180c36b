"""No hidden layer: the model is the affine map of the head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mlc.backbones.base import Backbone, register_backbone
from mlc.layers.bags import Bags


@register_backbone("linear")
class Linear(Backbone):
    """The identity; with a head, this is (multinomial) logistic regression."""

    takes_sparse = True

    def __init__(
        self, n_features: int, options: Sequence[Any], seeds: Sequence[int], n_labels: int = 1
    ) -> None:
        super().__init__(n_features, options, seeds, n_labels)
        self.n_outputs = n_features

    def forward(self, features: Tensor | Bags) -> Tensor | Bags:
        """Return the input."""
        return features
