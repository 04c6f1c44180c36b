"""A counter-based random generator for all runs at once, on any device and in CUDA graphs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mlc.layers.streams import seed_for

# As signed numbers, which torch multiplies modulo 2^64.
GAMMA = 0x9E3779B97F4A7C15 - 2**64
_MIX = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))


class CountedBits(nn.Module):
    """A stream of random 64-bit words for each run, which depends only on its seed and the purpose.

    Word i of a run is the i-th output of splitmix64 from the run's start (Steele, Lea and Flood 2014,
    "Fast splittable pseudorandom number generators", figure 17). The only state is the number of words
    drawn, so that one operation draws for all runs, and a captured step draws new words in each replay.
    """

    _start: Tensor
    _drawn: Tensor

    def __init__(self, seeds: Sequence[int], purpose: str) -> None:
        super().__init__()
        start = torch.tensor([[seed_for(seed, purpose)] for seed in seeds])
        self.register_buffer("_start", start, persistent=False)
        self.register_buffer("_drawn", torch.zeros((), dtype=torch.int64), persistent=False)

    def words(self, n: int) -> Tensor:
        """Draw the next n words of each run: (R, n), int64."""
        count = torch.arange(1, n + 1, device=self._start.device) + self._drawn
        words = self._start + count.mul_(GAMMA)
        self._drawn += n
        return mixed(words)


def mixed(states: Tensor) -> Tensor:
    """Return the output of splitmix64 for each state, int64, in place."""
    for shift, factor in _MIX:
        states.bitwise_xor_(shifted(states, shift)).mul_(factor)
    return states.bitwise_xor_(shifted(states, 31))


def shifted(words: Tensor, by: int) -> Tensor:
    """Shift right as unsigned numbers."""
    return (words >> by).bitwise_and_((1 << (64 - by)) - 1)
