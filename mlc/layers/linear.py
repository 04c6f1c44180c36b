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


class StackedBlockLinear(nn.Module):
    """For each run several affine maps side by side, each from a block of the inputs of its own.

    Shape: input (R, B, blocks * in), or (R, B, in) for all blocks to share; output
    (R, B, blocks * out); `weight` (R, blocks, in, out), `bias` (R, blocks, 1, out).
    """

    def __init__(self, n_blocks: int, n_inputs: int, n_outputs: int, streams: Streams) -> None:
        super().__init__()
        self.n_inputs = n_inputs
        bound = 1 / math.sqrt(max(n_inputs, 1))
        shape = n_blocks, n_inputs, n_outputs
        self.weight = nn.Parameter(streams.uniform(*shape, low=-bound, high=bound))
        self.bias = nn.Parameter(streams.uniform(n_blocks, 1, n_outputs, low=-bound, high=bound))

    def forward(self, inputs: Tensor) -> Tensor:
        """The map of each run and block applied to that run's rows and block."""
        n_runs, n_rows, _ = inputs.shape
        blocks = inputs.view(n_runs, n_rows, -1, self.n_inputs).transpose(1, 2)
        mapped = blocks @ self.weight + self.bias
        return mapped.transpose(1, 2).reshape(n_runs, n_rows, -1)
