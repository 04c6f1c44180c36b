"""The multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from mlc.backbones.base import Backbone, register_backbone
from mlc.layers import StackedBatchNorm, StackedDropout, StackedLayerNorm, StackedLinear, Streams
from mlc.options import option

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh}
NORMALIZATIONS = {"batch": StackedBatchNorm, "layer": StackedLayerNorm}


@dataclass
class MLPOptions:
    """Hidden layers, each: linear, normalisation, activation, dropout."""

    widths: list[int] = option([256], at_least=1)
    dropout: float = option(0.3, at_least=0, below=1)
    activation: str = option("relu", choices=tuple(ACTIVATIONS))
    normalization: str = option("none", choices=("none", *NORMALIZATIONS))


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
    ) -> None:
        super().__init__(n_features, options, seeds)
        shape = options[0]
        weights = Streams(seeds, "initialisation/backbone")
        layers: list[nn.Module] = []
        width = n_features
        rates = [run.dropout for run in options]
        for depth, next_width in enumerate(shape.widths):
            layers.append(StackedLinear(width, next_width, weights))
            if shape.normalization != "none":
                layers.append(NORMALIZATIONS[shape.normalization](next_width, len(seeds)))
            layers.append(ACTIVATIONS[shape.activation]())
            layers.append(StackedDropout(rates, seeds, f"dropout/{depth}"))
            width = next_width
        self.layers = nn.Sequential(*layers)
        self.n_outputs = width

    def forward(self, features: Tensor) -> Tensor:
        """The last hidden layer: (R, B, widths[-1])."""
        hidden: Tensor = self.layers(features)
        return hidden
