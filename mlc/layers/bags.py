"""Batches of sparse rows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Bags:
    """Sparse rows (R, B, D) as lists of entries, ordered by run and row.

    Attributes:
        run, bag, column: run, row (among all R * B) and column of each entry, int64.
        value: value of each entry.
        offsets: index of each row's first entry, (R * B,).
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
        """Sums of the rows' values: (R * B,)."""
        return self.value.new_zeros(len(self.offsets)).index_add_(0, self.bag, self.value)

    def dense(self) -> Tensor:
        """Return the dense rows, (R, B, D)."""
        dense = self.value.new_zeros(len(self.offsets) * self.shape[2])
        dense[self.bag * self.shape[2] + self.column] = self.value
        return dense.view(self.shape)
