"""Random numbers that belong to a run, whatever runs share its cohort."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Streams:
    """R random generators, one for each run, for one purpose.

    A run's stream depends on its own seed and on the purpose alone, so that its initialisation, batch
    order and label picks are the same alone or in any cohort, and so that drawing more for one purpose
    does not shift another. Drawn on the CPU, so that a run is the same on any device.
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
        """Uniform on [low, high): shape (R, *shape)."""
        drawn = torch.empty(len(self), *shape, dtype=dtype)
        for run, generator in zip(drawn, self._generators, strict=True):
            run.uniform_(low, high, generator=generator)
        return drawn

    def permutations(self, n: int) -> Tensor:
        """Each run's own order of n items: (R, n), int64."""
        return torch.stack([torch.randperm(n, generator=g) for g in self._generators])


def seed_for(seed: int, purpose: str) -> int:
    """63 bits that no other seed or purpose has."""
    digest = hashlib.blake2b(f"{purpose}/{seed}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
