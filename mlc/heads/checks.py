"""Checks of the targets that a loss is given: their shape and their values."""

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
    """Wrap a loss so that it refuses targets of another shape than the outputs' samples and labels."""

    @wraps(loss)
    def checked(
        head: Head, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        # A subclass may call the loss of its base class with a part of the outputs.
        is_complete = outputs.shape[-1] == head.n_outputs
        n_labels = head.n_labels if is_complete else targets.shape[-1]
        require_shapes(head.name, outputs, targets, n_labels)
        return loss(head, outputs, targets, uniforms)

    return checked


def as_tensor(name: str, targets: Any, device: torch.device) -> Tensor:
    """Convert targets, which may be an array or nested lists, to a tensor.

    Raises:
        DataError: the targets are not rows of numbers.
    """
    if isinstance(targets, Tensor):
        return targets
    try:
        return torch.as_tensor(targets, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"The head {name!r} is given targets that are not an array of numbers ({error}): give zeros"
            " and ones, a column for each label."
        ) from error


def require_shapes(name: str, outputs: Tensor, targets: Tensor, n_labels: int) -> None:
    """Require targets (..., K) of the same samples as the outputs (..., n_outputs).

    Raises:
        DataError: the shapes do not agree; they are not broadcast.
    """
    expected = (*outputs.shape[:-1], n_labels)
    if targets.shape != expected:
        raise DataError(
            f"The head {name!r} is given targets of shape {tuple(targets.shape)} for outputs of shape"
            f" {tuple(outputs.shape)}: give {expected}, a column for each label."
        )


def require_values(name: str, targets: Tensor, soft: bool) -> None:
    """Require that targets (N, K) are zeros and ones, or with `soft` numbers between them.

    Waits for the device of the targets, unless they are bool.

    Raises:
        DataError: a value is not allowed; the message names the first.
    """
    if targets.dtype == torch.bool:
        return
    valid = (targets >= 0) & (targets <= 1) if soft else (targets == 0) | (targets == 1)
    if bool(valid.all()):
        return
    row, column = (~valid).nonzero()[0].tolist()
    value = targets[row, column].item()
    expected = "numbers from 0 to 1" if soft else "zeros and ones"
    reason = "" if soft or not 0 < value < 1 else ", since it takes no soft targets"
    raise DataError(
        f"The head {name!r} is given targets with {value:.6g} in row {row}, column {column}: give"
        f" {expected}, a column for each label{reason}."
    )
