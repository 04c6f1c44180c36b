"""Dropout with each run's own rate and own random stream."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mlc.layers.bits import CountedBits


class StackedDropout(nn.Module):
    """Zero each activation with its run's probability and scale the rest to keep the mean.

    Srivastava et al. 2014, in the inverted form of torch.nn.Dropout; the identity in evaluation. A
    random word serves four activations, so that the rates are met to 2^-16.

    Shape: input and output (R, B, D).

    Args:
        rates: one in [0, 1) for each run.
        seeds: one for each run.
        purpose: what tells this layer's masks from another's.
    """

    _limit: Tensor
    _scale: Tensor

    def __init__(self, rates: Sequence[float], seeds: Sequence[int], purpose: str) -> None:
        super().__init__()
        self.rates = tuple(rates)
        self._bits = CountedBits(seeds, purpose)
        kept = [max(1, round((1 - rate) * 2**16)) for rate in rates]
        limit = torch.tensor([[n - 2**15 - 1] for n in kept], dtype=torch.int16)
        self.register_buffer("_limit", limit, persistent=False)
        scale = torch.tensor([1 / (1 - rate) for rate in rates], dtype=torch.float64)
        self.register_buffer("_scale", scale.view(-1, 1, 1), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """The masked and scaled activations while training, else the input itself."""
        if not self.training or not any(self.rates):
            return inputs
        n_numbers = inputs[0].numel()
        numbers = self._bits.words(-(-n_numbers // 4)).view(torch.int16)[:, :n_numbers]
        mask = inputs.new_empty(numbers.shape)
        # Straight into floating point: a mask of booleans costs eight times as much.
        torch.le(numbers, self._limit, out=mask)
        return inputs * mask.view_as(inputs).mul_(self._scale)
