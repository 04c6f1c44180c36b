"""Layers that carry the runs axis: each tensor is `(R, B, ...)`, R independent runs side by side."""

from mlc.layers.bits import CountedBits
from mlc.layers.dropout import StackedDropout
from mlc.layers.linear import StackedBlockLinear, StackedLinear
from mlc.layers.normalization import StackedBatchNorm, StackedLayerNorm
from mlc.layers.streams import Streams

__all__ = [
    "CountedBits",
    "StackedBatchNorm",
    "StackedBlockLinear",
    "StackedDropout",
    "StackedLayerNorm",
    "StackedLinear",
    "Streams",
]
