"""Dropout with a rate and a random stream for each run."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mlc.layers.bits import CountedBits


class StackedDropout(nn.Module):
    """Dropout: zero each activation with its run's probability, and scale the rest to keep the mean.

    Srivastava et al. 2014, in the inverted form of torch.nn.Dropout; the identity in evaluation. Each
    activation uses 16 random bits, so the rates are exact to 2^-16.

    Shape: input and output (R, B, D).

    Args:
        rates: a probability in [0, 1) for each run.
        seeds: a seed for each run.
        purpose: a name that is unique to this layer, so that no other layer has the same masks.
    """

    _limit: Tensor
    _scale: Tensor

    def __init__(self, rates: Sequence[float], seeds: Sequence[int], purpose: str) -> None:
        super().__init__()
        self.rates = tuple(rates)
        self._bits = CountedBits(seeds, purpose)
        counts = [max(1, round((1 - rate) * 2**16)) for rate in rates]
        limit = torch.tensor([[n - 2**15 - 1] for n in counts], dtype=torch.int16)
        self.register_buffer("_limit", limit, persistent=False)
        scale = torch.tensor([1 / (1 - rate) for rate in rates], dtype=torch.float64)
        self.register_buffer("_scale", scale.view(-1, 1, 1), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Mask and scale the activations in training; return the input in evaluation."""
        if not self.training or not any(self.rates):
            return inputs
        n_numbers = inputs[0].numel()
        numbers = self._bits.words(-(-n_numbers // 4)).view(torch.int16)[:, :n_numbers]
        mask = inputs.new_empty(numbers.shape)
        # Comparison into floating point, since a boolean mask takes eight times as long.
        torch.le(numbers, self._limit, out=mask)
        return inputs * mask.view_as(inputs).mul_(self._scale)
