"""Folds of rows, for what is tuned on some and judged on the others."""

from __future__ import annotations

import torch
from torch import Tensor

N_FOLDS = 5


def folds(n_rows: int, n_folds: int = N_FOLDS) -> Tensor:
    """The fold of each row at random, equally many rows in each but for one: (N,), from 0.

    It is always the same for as many rows.
    """
    generator = torch.Generator().manual_seed(0)
    return torch.randperm(n_rows, generator=generator) % n_folds
