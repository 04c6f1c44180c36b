"""Sparse rows of all runs."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Bags:
    """Sparse rows (R, B, D) as their entries, in the order of runs and rows.

    Attributes:
        run, bag, column: of each entry: its run, its row among all R * B, its column; int64.
        value: of each entry.
        offsets: each row's first entry, (R * B,).
        shape: R, B, D.
    """

    run: Tensor
    bag: Tensor
    column: Tensor
    value: Tensor
    offsets: Tensor
    shape: tuple[int, int, int]

    @property
    def totals(self) -> Tensor:
        """The sum of each row's values: (R * B,)."""
        return self.value.new_zeros(len(self.offsets)).index_add_(0, self.bag, self.value)

    def dense(self) -> Tensor:
        """(R, B, D)."""
        dense = self.value.new_zeros(len(self.offsets) * self.shape[2])
        dense[self.bag * self.shape[2] + self.column] = self.value
        return dense.view(self.shape)
