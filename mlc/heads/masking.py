"""Losses of samples of which some labels are not known."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mlc.config.errors import ConfigError
from mlc.heads.checks import require_shapes


class MaskedLoss(nn.Module):
    """The part of a head that defines its loss where some labels are not known.

    The masked loss of a sample is the loss that the head would have if only the sample's known labels
    existed; for heads that define a distribution over label sets it is the negative logarithm of the
    total probability of the sets that agree with the known labels. Without unknown labels it equals
    `loss` exactly, and a sample without known labels has the loss 0.

    Class attributes:
        masks: whether `masked_loss` is defined. It is False for a subclass with its own `loss` or
            `log_likelihood` that does not state it.
    """

    name: ClassVar[str]
    n_labels: int
    n_outputs: int
    masks: ClassVar[bool] = False
    soft_targets: ClassVar[bool] = False

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Let no subclass with another loss inherit a masked one; clear the unknown targets of each."""
        super().__init_subclass__(**arguments)
        if {"loss", "log_likelihood"} & vars(cls).keys() and "masks" not in vars(cls):
            cls.masks = False
        for name in ("masked_loss", "expected_masked_loss"):
            if name in vars(cls):
                setattr(cls, name, _cleared(vars(cls)[name]))

    def require_masks(self) -> None:
        """Raise ConfigError if the head has no loss for samples with unknown labels."""
        if not self.masks:
            raise ConfigError(
                f"The head {self.name!r} has no loss for rows with missing labels: choose another head,"
                " such as sigmoid, or missing_labels=negative, which takes them as negative."
            )

    def require_soft(self) -> None:
        """Raise ConfigError if the head's loss takes no targets between 0 and 1."""
        if not self.soft_targets:
            raise ConfigError(
                f"The head {self.name!r} takes no soft labels: choose one that does, such as sigmoid, or"
                " leave soft_labels out."
            )

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """Compute the loss of the known labels of each sample: (R, B).

        Args:
            outputs: (R, B, n_outputs).
            targets: (R, B, K), zeros and ones in the outputs' dtype, of any value where not known.
            known: (R, B, K), bool.
            uniforms: as in `loss`.

        Raises:
            ConfigError: the head defines no such loss.
            DataError: targets or `known` have another shape.
        """
        self.require_masks()
        raise NotImplementedError

    def expected_masked_loss(self, outputs: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """Compute the mean of the masked loss over its uniforms: (R, B)."""
        return self.masked_loss(outputs, targets, known)


def _cleared(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Wrap a masked loss so that unknown targets are 0, and shapes are never broadcast."""

    @wraps(loss)
    def cleared(
        head: MaskedLoss, outputs: Tensor, targets: Tensor, known: Tensor, *uniforms: Tensor | None
    ) -> Tensor:
        # A subclass may call the loss of its base class with a part of the outputs.
        n_labels = head.n_labels if outputs.shape[-1] == head.n_outputs else targets.shape[-1]
        require_shapes(head.name, outputs, targets, n_labels)
        require_shapes(head.name, outputs, known, n_labels)
        return loss(head, outputs, targets.masked_fill(~known, 0), known, *uniforms)

    return cleared


def lowest(outputs: Tensor) -> float:
    """Return a number far below all outputs, for unknown labels in maxima and softmaxes.

    It is finite, since inf - inf would give NaN gradients in a sample without known labels.
    """
    return torch.finfo(outputs.dtype).min / 16


def agreeing(label_sets: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Return whether label sets (M, K) have the known labels (..., K) of samples: (..., M), bool.

    `targets` are zeros and ones of a floating-point type, 0 where not known.
    """
    sets = label_sets.to(targets.dtype)
    differences = targets @ (1 - sets).mT + (known.to(targets.dtype) - targets) @ sets.mT
    return differences == 0


def log_total(log_p: Tensor, agrees: Tensor) -> Tensor:
    """Return the logarithm of the total probability of the marked label sets: two (..., M) to (...)."""
    return log_p.masked_fill(~agrees, lowest(log_p)).logsumexp(dim=-1)
