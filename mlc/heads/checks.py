"""Targets that a head's loss can mean: their shape, which costs nothing, and their values."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mlc.config.errors import DataError

if TYPE_CHECKING:
    from mlc.heads.base import Head


def without_broadcasting(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The loss, which refuses targets that are not of the outputs' samples and labels."""

    @wraps(loss)
    def checked(
        head: Head, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        # Other outputs are a part of them that a head hands to the class it is derived from.
        whole = outputs.shape[-1] == head.n_outputs
        n_labels = head.n_labels if whole else targets.shape[-1]
        require_shapes(head.name, outputs, targets, n_labels)
        return loss(head, outputs, targets, uniforms)

    return checked


def as_tensor(name: str, targets: Any, device: torch.device) -> Tensor:
    """Targets as a tensor, which may be an array or nested lists.

    Raises:
        DataError: they are not rows of numbers.
    """
    if isinstance(targets, Tensor):
        return targets
    try:
        return torch.as_tensor(targets, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"The head {name!r} is given targets that are no array of numbers ({error}): give zeros and"
            " ones, a column for each label."
        ) from error


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
