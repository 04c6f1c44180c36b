"""Random streams that depend on a run, not on the other runs of its cohort."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Streams:
    """R random generators, one for each run, for one purpose.

    A run's stream depends only on the run's seed and the purpose. Its initialisation, batch order and
    label picks are therefore the same in every cohort, and drawing more numbers for one purpose does not
    change another. Numbers are drawn on the CPU, so that a run is the same on every device.
    """

    def __init__(self, seeds: Sequence[int], purpose: str) -> None:
        self.seeds = tuple(seeds)
        self._generators = [
            torch.Generator().manual_seed(seed_for(seed, purpose)) for seed in self.seeds
        ]

    def __getstate__(self) -> dict[str, Any]:
        states = [generator.get_state() for generator in self._generators]
        return {"seeds": self.seeds, "states": states}

    def __setstate__(self, stored: dict[str, Any]) -> None:
        self.seeds = stored["seeds"]
        self._generators = []
        for state in stored["states"]:
            self._generators.append(torch.Generator())
            self._generators[-1].set_state(state)

    def __len__(self) -> int:
        return len(self.seeds)

    def uniform(
        self, *shape: int, low: float = 0.0, high: float = 1.0, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Draw uniform numbers on [low, high): (R, *shape)."""
        numbers = torch.empty(len(self), *shape, dtype=dtype)
        for row, generator in zip(numbers, self._generators, strict=True):
            row.uniform_(low, high, generator=generator)
        return numbers

    def permutations(self, n: int) -> Tensor:
        """Draw a random permutation of n items for each run: (R, n), int64."""
        return torch.stack([torch.randperm(n, generator=g) for g in self._generators])


def seed_for(seed: int, purpose: str) -> int:
    """Hash a seed and a purpose to 63 bits."""
    digest = hashlib.blake2b(f"{purpose}/{seed}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
