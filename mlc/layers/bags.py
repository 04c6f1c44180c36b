"""Batches of sparse rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Bags:
    """Sparse rows (R, B, D) as lists of entries, ordered by run and row.

    Attributes:
        run, bag, column: run, row (among all R * B) and column of each entry, int64.
        value: value of each entry.
        offsets: index of each row's first entry, (R * B,).
        shape: R, B, D.
        by_column: the rows and values of the entries in the order of runs and columns, and the first
            entry of each column, (R * D,); None where the order is not known.
    """

    run: Tensor
    bag: Tensor
    column: Tensor
    value: Tensor
    offsets: Tensor
    shape: tuple[int, int, int]
    by_column: tuple[Tensor, Tensor, Tensor] | None = None

    @property
    def totals(self) -> Tensor:
        """Sums of the rows' values: (R * B,)."""
        return self.value.new_zeros(len(self.offsets)).index_add_(0, self.bag, self.value)

    def with_columns_sorted(self) -> Bags:
        """Return the same rows with `by_column`, for rows that are multiplied many times."""
        column, order = (self.column + self.run * self.shape[2]).sort(stable=True)
        every = torch.arange(self.shape[0] * self.shape[2], device=column.device)
        offsets = torch.searchsorted(column, every)
        return replace(self, by_column=(self.bag[order], self.value[order], offsets))

    def dense(self) -> Tensor:
        """Return the dense rows, (R, B, D)."""
        dense = self.value.new_zeros(len(self.offsets) * self.shape[2])
        dense[self.bag * self.shape[2] + self.column] = self.value
        return dense.view(self.shape)


def summed_by(
    index: Tensor, n: int, bag: Tensor, offsets: Tensor, weight: Tensor, gradient: Tensor
) -> Tensor:
    """Return for each index the weighted sum of the gradients of the rows that it occurs in.

    Args:
        index: of each entry of sparse rows, from 0 to n - 1.
        n: number of sums.
        bag, offsets: of the entries, as in `Bags`.
        weight: of each entry.
        gradient: of each row, (R * B, width).

    Returns:
        Sums (n, width).
    """
    if is_plain(gradient):
        # The same sums; torch would store the product of each entry.
        from scipy.sparse import csc_array  # Heads alone load PyTorch and nothing beside it.

        starts = np.append(offsets.numpy(), len(index))
        by_row = csc_array((weight.numpy(), index.numpy(), starts), shape=(n, len(gradient)))
        return torch.from_numpy(by_row @ gradient.numpy())
    products = gradient.index_select(0, bag).mul_(weight.unsqueeze(1))
    return gradient.new_zeros(n, gradient.shape[1]).index_add_(0, index, products)


def is_plain(tensor: Tensor) -> bool:
    """Whether SciPy can read the tensor's numbers, and nobody asks for their gradient."""
    is_known = type(tensor) is Tensor and tensor.device.type == "cpu" and not tensor.requires_grad
    return is_known and tensor.dtype in (torch.float32, torch.float64)
