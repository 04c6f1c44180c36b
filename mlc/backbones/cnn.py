"""A small convolutional network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from mlc.backbones.base import register_backbone
from mlc.config.options import Interval, option


@dataclass
class CNNOptions:
    """Channels of each block, parts per side of the final pooling, and the final dropout rate."""

    channels: list[int] = option([32, 64], at_least=1)
    pooled: int = option(2, at_least=1)
    dropout: float = option(0.3, at_least=0, below=1, search=Interval(0, 0.7))


@register_backbone("cnn", CNNOptions)
class CNN(nn.Module):
    """Blocks of two 3 x 3 convolutions with batch normalisation and ReLU, and pooling by 2.

    The features are the maxima of pooled x pooled parts of the image, so any image size works.
    """

    def __init__(self, sample_shape: tuple[int, ...], options: CNNOptions) -> None:
        super().__init__()
        if len(sample_shape) != 3:
            raise ValueError("it takes images: (channels, height, width)")
        layers: list[nn.Module] = []
        before = sample_shape[0]
        for channels in options.channels:
            for n_inputs in (before, channels):
                convolution = nn.Conv2d(n_inputs, channels, 3, padding=1, bias=False)
                layers += [convolution, nn.BatchNorm2d(channels), nn.ReLU()]
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
            before = channels
        layers += [nn.AdaptiveMaxPool2d(options.pooled), nn.Flatten(), nn.Dropout(options.dropout)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, channels, height, width) to features (B, channels[-1] * pooled^2)."""
        features: Tensor = self.layers(images)
        return features
