"""The affine map of every run at once."""

import math

import torch
from torch import Tensor, nn

from mlc.layers.streams import Streams


class StackedLinear(nn.Module):
    """R affine maps, one for each run, as one batched matrix product.

    Initialised as torch.nn.Linear is, uniform on (-1/sqrt(in), 1/sqrt(in)), from each run's stream.

    Shape: input (R, B, in), output (R, B, out); `weight` (R, in, out), `bias` (R, 1, out).

    >>> layer = StackedLinear(4, 3, Streams(seeds=[0, 1], purpose="initialisation"))
    >>> layer(torch.zeros(2, 5, 4)).shape
    torch.Size([2, 5, 3])
    """

    def __init__(self, n_inputs: int, n_outputs: int, streams: Streams) -> None:
        super().__init__()
        bound = 1 / math.sqrt(max(n_inputs, 1))
        self.weight = nn.Parameter(streams.uniform(n_inputs, n_outputs, low=-bound, high=bound))
        self.bias = nn.Parameter(streams.uniform(1, n_outputs, low=-bound, high=bound))

    def forward(self, inputs: Tensor) -> Tensor:
        """The map of each run applied to that run's rows."""
        return torch.baddbmm(self.bias, inputs, self.weight)
