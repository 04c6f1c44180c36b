"""Linear layers for all runs at once."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from mlc.layers.bags import Bags, summed_by
from mlc.layers.streams import Streams


class StackedLinear(nn.Module):
    """A linear layer for each of R runs, as one batched matrix product.

    Initialised like torch.nn.Linear, uniform on (-1/sqrt(in), 1/sqrt(in)), from each run's stream.

    Shape: input (R, B, in), dense or as `Bags`, output (R, B, out); `weight` (R, in, out), `bias`
    (R, 1, out). Only the entries of sparse rows are multiplied; the gradient is dense, so that
    optimisers update all weights as for dense rows.

    >>> layer = StackedLinear(4, 3, Streams(seeds=[0, 1], purpose="initialisation"))
    >>> layer(torch.zeros(2, 5, 4)).shape
    torch.Size([2, 5, 3])
    """

    def __init__(self, n_inputs: int, n_outputs: int, streams: Streams) -> None:
        super().__init__()
        bound = 1 / math.sqrt(max(n_inputs, 1))
        self.weight = nn.Parameter(streams.uniform(n_inputs, n_outputs, low=-bound, high=bound))
        self.bias = nn.Parameter(streams.uniform(1, n_outputs, low=-bound, high=bound))

    def forward(self, inputs: Tensor | Bags) -> Tensor:
        """The map of each run applied to that run's rows."""
        if isinstance(inputs, Bags):
            product: Tensor = _SparseProduct.apply(self.weight, inputs)
            return product + self.bias
        if torch.compiler.is_dynamo_compiling():
            # The compiler adds the bias in the kernel of what follows, and baddbmm by one of its own.
            product = torch.bmm(inputs, self.weight)
            # Autocast makes the product bfloat16, and baddbmm's result too.
            return product + self.bias.to(product.dtype)
        return torch.baddbmm(self.bias, inputs, self.weight)


class _SparseProduct(torch.autograd.Function):
    """Sparse rows (R, B, in) times weights (R, in, out)."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bags: Bags) -> Tensor:
        n_runs, n_inputs, n_outputs = weight.shape
        index = bags.column + bags.run * n_inputs
        product = embedding_bag(
            index,
            weight.reshape(-1, n_outputs),
            bags.offsets,
            mode="sum",
            per_sample_weights=bags.value,
        )
        ctx.save_for_backward(index, bags.bag, bags.value, bags.offsets)
        ctx.by_column, ctx.size = bags.by_column, weight.shape
        return product.view(n_runs, -1, n_outputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        index, bag, value, offsets = ctx.saved_tensors
        n_runs, n_inputs, n_outputs = ctx.size
        gradient = gradient.reshape(-1, n_outputs)
        if ctx.by_column is not None:
            # The fastest for thousands of rows, but the order takes long to compute.
            row, value, offsets = ctx.by_column
            total = embedding_bag(row, gradient, offsets, mode="sum", per_sample_weights=value)
            return total.view(ctx.size), None
        total = summed_by(index, n_runs * n_inputs, bag, offsets, value, gradient)
        return total.view(ctx.size), None


class StackedBlockLinear(nn.Module):
    """Several linear layers for each run, each applied to its block of the inputs.

    Shape: input (R, B, blocks * in), or (R, B, in) if all blocks share their inputs; output
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
        """Apply the layer of each run and block to the run's rows and the block."""
        blocks = inputs.unflatten(2, (-1, self.n_inputs)).transpose(1, 2)
        mapped = blocks @ self.weight + self.bias
        outputs: Tensor = mapped.transpose(1, 2).flatten(2)
        return outputs
