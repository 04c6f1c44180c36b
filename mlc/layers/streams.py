"""Random numbers that belong to a run, whatever runs share its cohort."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


class Streams:
    """R random generators, one for each run, for one purpose.

    A run's stream depends on its own seed and on the purpose alone, so that its initialisation, batch
    order, dropout masks and label picks are the same alone or in any cohort, and so that drawing more
    for one purpose does not shift another.
    """

    def __init__(
        self, seeds: Sequence[int], purpose: str, device: torch.device | str = "cpu"
    ) -> None:
        self.seeds = tuple(seeds)
        self.device = torch.device(device)
        self._generators = [
            torch.Generator(self.device).manual_seed(_mix(seed, purpose)) for seed in self.seeds
        ]

    def __len__(self) -> int:
        return len(self.seeds)

    def uniform(
        self, *shape: int, low: float = 0.0, high: float = 1.0, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Uniform on [low, high): shape (R, *shape)."""
        drawn = torch.empty(len(self), *shape, dtype=dtype, device=self.device)
        for run, generator in zip(drawn, self._generators, strict=True):
            run.uniform_(low, high, generator=generator)
        return drawn

    def bernoulli(self, probabilities: Sequence[float], like: Tensor) -> Tensor:
        """Ones with each run's own probability, zeros elsewhere: shape and dtype of `like` (R, ...).

        The probabilities are met to 2^-16: a random word of 64 bits serves four numbers, which makes
        this eight times as fast as Tensor.bernoulli_.
        """
        n_numbers = like[0].numel()
        words = torch.empty(len(self), -(-n_numbers // 4), dtype=torch.int64, device=self.device)
        for run, generator in zip(words, self._generators, strict=True):
            run.random_(-(2**63), None, generator=generator)
        numbers = words.view(torch.int16)[:, :n_numbers]
        limits = [round(p * 2**16) - 2**15 for p in probabilities]
        ones = numbers < torch.tensor(limits, device=self.device).unsqueeze(1)
        return ones.to(like.dtype).view_as(like)

    def permutations(self, n: int) -> Tensor:
        """Each run's own order of n items: (R, n), int64."""
        return torch.stack(
            [torch.randperm(n, generator=g, device=self.device) for g in self._generators]
        )


def _mix(seed: int, purpose: str) -> int:
    digest = hashlib.blake2b(f"{purpose}/{seed}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
