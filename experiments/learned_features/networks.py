"""The backbone `efficientnet_lite0`: --import experiments.learned_features.networks"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.learned_features.features import MEAN, SCALE, pretrained_efficientnet
from mlc.backbones.base import register_backbone
from mlc.config.options import option


@dataclass
class EfficientNetOptions:
    """The learning rate of the network as a multiple of optimizer.lr, and the final dropout rate."""

    rate_factor: float = option(0.01, above=0)
    dropout: float = option(0.2, at_least=0, below=1)


@register_backbone("efficientnet_lite0", EfficientNetOptions)
class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 (Google 2020), trained on ImageNet, without its last layer.

    The features are the means of the last feature maps.
    """

    def __init__(self, sample_shape: tuple[int, ...], options: EfficientNetOptions) -> None:
        super().__init__()
        self.network = pretrained_efficientnet()
        self.network._fc = None  # Its weights would have no gradient.
        # Depthwise convolutions take half of the time in this format.
        self.network.to(memory_format=torch.channels_last)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, images: Tensor) -> Tensor:
        """Images in [0, 1], (B, 3, height, width), to features (B, 1280)."""
        scaled = ((255 * images - MEAN) / SCALE).contiguous(memory_format=torch.channels_last)
        maps: Tensor = self.network.extract_features(scaled)
        features: Tensor = self.dropout(maps.mean(dim=(2, 3)))
        return features
