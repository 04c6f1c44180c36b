"""Layers and random streams for R independent runs: tensors are (R, B, ...)."""

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
