"""Targets that a head's loss can mean: their shape, which costs nothing, and their values."""

from __future__ import annotations

import torch
from torch import Tensor

from mlc.errors import DataError


def require_shapes(name: str, outputs: Tensor, targets: Tensor, n_labels: int) -> None:
    """Targets (..., K) must be of the samples that the outputs (..., n_outputs) are of.

    Raises:
        DataError: they are not, and must not be broadcast.
    """
    needed = (*outputs.shape[:-1], n_labels)
    if targets.shape != needed:
        raise DataError(
            f"The head {name!r} is given targets of shape {tuple(targets.shape)} for outputs of shape"
            f" {tuple(outputs.shape)}: give {needed}, a column for each label."
        )


def require_values(name: str, targets: Tensor, soft: bool) -> None:
    """Targets (N, K) must be zeros and ones; with `soft` anything between them too.

    Waits for the device that the targets are on, unless they are bool.

    Raises:
        DataError: one is not; the message names the first.
    """
    if targets.dtype == torch.bool:
        return
    usable = (targets >= 0) & (targets <= 1) if soft else (targets == 0) | (targets == 1)
    if bool(usable.all()):
        return
    row, column = (~usable).nonzero()[0].tolist()
    value = targets[row, column].item()
    needed = "numbers from 0 to 1" if soft else "zeros and ones"
    is_share = "" if soft or not 0 < value < 1 else ", for it takes no soft targets"
    raise DataError(
        f"The head {name!r} is given targets with {value:.6g} in row {row}, column {column}: give"
        f" {needed}, a column for each label{is_share}."
    )
