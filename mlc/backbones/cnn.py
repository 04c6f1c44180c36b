"""A convolutional network for images of any size, trained from scratch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from mlc.backbones.base import register_backbone
from mlc.config.options import Interval, option

# A stem shrinks larger images to at most this many pixels a side; blocks shrink these to at most _LAST.
_FIRST, _LAST = 64, 8
_CHANNELS, _MOST_CHANNELS = 32, 256


@dataclass
class CNNOptions:
    """Options of the network.

    Attributes:
        channels: of each block; null is 32, doubled in each block, with as many blocks (2 at least) as
            shrink the image to at most 8 pixels a side.
        pooled: parts per side of the final pooling.
        dropout: the rate of the final dropout.
    """

    channels: list[int] | None = option(None, at_least=1)
    pooled: int = option(2, at_least=1)
    dropout: float = option(0.3, at_least=0, below=1, search=Interval(0, 0.7))


@register_backbone("cnn", CNNOptions)
class CNN(nn.Module):
    """Blocks of two 3 x 3 convolutions with batch normalisation and ReLU, and pooling by 2.

    The input is standardised by the channels' mean and variance in training. In images of more than 64
    pixels a side, a strided convolution comes first, so that the work does not grow with their size. The
    features are the maxima of pooled x pooled parts of the last block's output.
    """

    def __init__(self, sample_shape: tuple[int, ...], options: CNNOptions) -> None:
        super().__init__()
        if len(sample_shape) != 3:
            raise ValueError("it takes images: (channels, height, width)")
        n_inputs, *sides = sample_shape
        stride = 2 ** max(0, math.ceil(math.log2(max(sides) / _FIRST)))
        channels = options.channels or _channels(math.ceil(max(sides) / stride))
        layers: list[nn.Module] = [nn.BatchNorm2d(n_inputs, affine=False)]
        if stride > 1:
            layers += _convolution(n_inputs, channels[0], 2 * stride - 1, stride)
            n_inputs = channels[0]
        for width in channels:
            layers += _convolution(n_inputs, width, 3) + _convolution(width, width, 3)
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
            n_inputs = width
        layers += [nn.AdaptiveMaxPool2d(options.pooled), nn.Flatten(), nn.Dropout(options.dropout)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, channels, height, width) to features (B, channels[-1] * pooled^2)."""
        features: Tensor = self.layers(images)
        return features


def _channels(side: int) -> list[int]:
    """The channels of the blocks for images of at most this many pixels a side."""
    n_blocks = max(2, math.ceil(math.log2(side / _LAST)))
    return [min(_CHANNELS * 2**block, _MOST_CHANNELS) for block in range(n_blocks)]


def _convolution(n_inputs: int, n_outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(n_inputs, n_outputs, size, stride, padding=size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(n_outputs), nn.ReLU()]
