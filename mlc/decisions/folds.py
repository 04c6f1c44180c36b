"""Folds of rows for cross-fitting."""

from __future__ import annotations

import torch
from torch import Tensor

N_FOLDS = 5


def folds(n_rows: int, n_folds: int = N_FOLDS) -> Tensor:
    """Return a random fold from 0 for each row: (N,); the sizes of folds differ by at most one.

    The folds are the same for the same number of rows.
    """
    generator = torch.Generator().manual_seed(0)
    return torch.randperm(n_rows, generator=generator) % n_folds
