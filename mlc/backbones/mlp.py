"""The multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from mlc.backbones.base import Backbone, register_backbone
from mlc.config.errors import ConfigError
from mlc.config.options import Auto, Interval, option
from mlc.layers import (
    StackedBatchNorm,
    StackedBlockLinear,
    StackedDropout,
    StackedLayerNorm,
    StackedLinear,
    Streams,
)

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}
NORMALIZATIONS = {"batch": StackedBatchNorm, "layer": StackedLayerNorm}


@dataclass
class MLPOptions:
    """Options of hidden layers: linear, normalisation, activation, dropout.

    With `separate`, each label has its separate network of these widths.
    """

    widths: Auto[list[int]] = option([256], at_least=1)
    dropout: Auto[float] = option(0.3, at_least=0, below=1, search=Interval(0, 0.7))
    activation: str = option("relu", choices=tuple(ACTIVATIONS))
    normalization: Auto[str] = option("none", choices=("none", *NORMALIZATIONS))
    separate: bool = False

    def validate(self, prefix: str) -> None:
        """Check that separate networks have a hidden layer and share no normalisation."""
        if self.separate and self.widths == []:
            raise ConfigError(f"{prefix}separate=true needs a hidden layer: name {prefix}widths.")
        if self.separate and self.normalization == "layer":
            raise ConfigError(
                f"{prefix}normalization=layer would mix the separate networks: choose batch or none."
            )


@register_backbone("mlp")
class MLP(Backbone):
    """Hidden layers of the given widths; `widths=[]` is the linear backbone."""

    Options = MLPOptions
    per_run = ("dropout",)

    def __init__(
        self,
        n_features: int,
        options: Sequence[MLPOptions],
        seeds: Sequence[int],
        n_labels: int = 1,
    ) -> None:
        super().__init__(n_features, options, seeds, n_labels)
        shape = options[0]
        weights = Streams(seeds, "initialisation/backbone")
        layers: list[nn.Module] = []
        self.separate = shape.separate
        self.takes_sparse = not shape.separate
        n_blocks = n_labels if shape.separate else 1
        width = n_features
        rates = [run.dropout for run in options]
        for depth, next_width in enumerate(shape.widths):
            if shape.separate:
                layers.append(StackedBlockLinear(n_labels, width, next_width, weights))
            else:
                layers.append(StackedLinear(width, next_width, weights))
            if shape.normalization != "none":
                total = next_width * n_blocks
                layers.append(NORMALIZATIONS[shape.normalization](total, len(seeds)))
            layers.append(ACTIVATIONS[shape.activation]())
            layers.append(StackedDropout(rates, seeds, f"dropout/{depth}"))
            width = next_width
        self.layers = nn.Sequential(*layers)
        self.n_outputs = width * n_blocks

    def forward(self, features: Tensor) -> Tensor:
        """Compute the last hidden layer, (R, B, widths[-1]), or K of them, concatenated."""
        hidden: Tensor = self.layers(features)
        return hidden
