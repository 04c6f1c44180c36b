"""The labels that a head may use before training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor


@dataclass(frozen=True)
class KnownLabels:
    """The labels that a head may use before training.

    Attributes:
        targets: (N, K), bool: all rows outside the test part, the same for all runs of a cohort.
        rows: (R, n), int64: the indices of each run's training rows.
        mask: (N, K), bool: which targets are known; the others are False. None if all are.
    """

    targets: Tensor
    rows: Tensor
    mask: Tensor | None = None

    @cached_property
    def distinct(self) -> tuple[Tensor, Tensor]:
        """The distinct label sets, (M, K), and the index of each row's label set, (N,)."""
        label_sets, index = self.targets.unique(dim=0, return_inverse=True)
        return label_sets, index

    @property
    def of_runs(self) -> Tensor:
        """Each run's training targets: (R, n, K), bool."""
        return self.targets[self.rows]

    @property
    def n_known(self) -> Tensor | int:
        """The number of training rows in which each label is known: (R, 1, K), or n for all."""
        if self.mask is None:
            return self.rows.shape[1]
        return self.mask[self.rows].sum(dim=1, keepdim=True)
