"""Tensors over the memory of arrays."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def shared(array: NDArray[Any]) -> Tensor:
    """Return a tensor over the same memory, which may be read-only: nothing may write into it.

    Rows or columns in reverse are copied, since tensors have no negative strides.
    """
    is_reversed = any(stride < 0 for stride in array.strides)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writ")
        return torch.from_numpy(np.ascontiguousarray(array) if is_reversed else array)
