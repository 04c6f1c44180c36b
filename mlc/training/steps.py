"""The training step, op by op."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import _engine_run_backward

from mlc.data.resident import ResidentData
from mlc.training.augmentation import Augmentation
from mlc.training.model import Model
from mlc.training.stacked import Gradients, StackedOptimizer

Uniforms = Tensor | None
# Trains on rows (R, B) of the data, with uniforms (R, B).
Step = Callable[[Tensor, Uniforms], None]


class RowLosses(nn.Module):
    """The training losses of rows of the data, (R, B), as one module.

    With `weights`, (N,), of all rows of the data, the loss of a row counts as often as its weight.
    """

    def __init__(
        self,
        model: Model,
        data: ResidentData,
        bfloat16: bool = False,
        augmentation: Augmentation | None = None,
        weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self._data, self._bfloat16 = data, bfloat16
        self._augmentation, self._weights = augmentation, weights

    def forward(self, rows: Tensor, uniforms: Uniforms) -> Tensor:
        """Compute the losses of rows (R, B), with uniforms (R, B) for heads that need them."""
        batch = self._data.batch(rows)
        features = batch.features
        if self._augmentation is not None and isinstance(features, Tensor):
            features = self._augmentation(features)
        with self._precision():
            outputs = self.model(features)
        losses = self.model.losses(
            outputs.to(batch.targets.dtype), batch.targets, batch.known, uniforms
        )
        return losses if self._weights is None else losses * self._weights[rows]

    def _precision(self) -> AbstractContextManager[Any]:
        """Return the context of the computation; entering autocast takes time even if it is off."""
        if not self._bfloat16:
            return nullcontext()
        # A captured step must not use casts cached before the capture.
        return torch.autocast("cuda", dtype=torch.bfloat16, cache_enabled=False)


class PlainStep:
    """Forward, loss, backward, update.

    With `weights`, (N,), of all rows of the data, the loss of a row counts as often as its weight.

    Attributes:
        total: sum of the losses of all samples in this epoch, (R,), float64.
        finite: number of steps in this epoch after which `total` was finite, (R,), int64.
    """

    def __init__(
        self,
        model: Model,
        data: ResidentData,
        optimizer: StackedOptimizer,
        bfloat16: bool = False,
        clip_norm: float | None = None,
        n_parts: int = 1,
        augmentation: Augmentation | None = None,
        weights: Tensor | None = None,
    ) -> None:
        self.model, self.data, self.optimizer = model, data, optimizer
        self.clip_norm, self.n_parts = clip_norm, n_parts
        self._augmentation = augmentation
        self.losses = RowLosses(model, data, bfloat16, augmentation, weights)
        self.total = torch.zeros(model.n_runs, dtype=torch.float64, device=data.device)
        self.finite = torch.zeros(model.n_runs, dtype=torch.int64, device=data.device)
        # The gradients of the losses of a batch, by its size and share.
        self._of_losses: dict[tuple[int, float], Tensor] = {}

    def begin_epoch(self, n_rows: int) -> None:
        """Reset the counters, and draw the random changes of the epoch's samples."""
        self.total.zero_()
        self.finite.zero_()
        if self._augmentation is not None:
            self._augmentation.begin_epoch(n_rows)

    def __call__(self, rows: Tensor, uniforms: Uniforms) -> None:
        """Train on rows (R, B) of the data, with uniforms (R, B) for heads that need them."""
        self.optimizer.zero_grad()
        for part, uniform, share in self.parts(rows, uniforms):
            self._add_gradients(part, uniform, share)
        self.update()

    def parts(self, rows: Tensor, uniforms: Uniforms) -> list[tuple[Tensor, Uniforms, float]]:
        """Divide a batch; return for each part also its share of the batch."""
        if self.n_parts == 1:
            return [(rows, uniforms, 1.0)]
        parts = rows.chunk(self.n_parts, dim=1)
        noise = [None] * len(parts) if uniforms is None else uniforms.chunk(self.n_parts, dim=1)
        shares = [part.shape[1] / rows.shape[1] for part in parts]
        return list(zip(parts, noise, shares, strict=True))

    def update(self, gradients: Gradients | None = None) -> None:
        """Update the weights by the gradients of the batch, or by the given ones."""
        if self.clip_norm is not None:
            self.optimizer.clip(self.clip_norm, gradients)
        self.optimizer.apply(gradients)
        self.finite += self.total.abs() < torch.inf

    def _add_gradients(self, rows: Tensor, uniforms: Uniforms, share: float) -> None:
        """Add the gradients of a share of the batch."""
        losses = self.losses(rows, uniforms)
        # Runs share no weights, so the gradient of the sum gives each run the gradient of its loss.
        # What losses.backward(gradient) calls; before that, it imports sympy to compare two shapes.
        _engine_run_backward(
            (losses,), (self._of_mean(losses, share),), False, False, (),
            allow_unreachable=True, accumulate_grad=True,
        )  # fmt: skip
        self.total += losses.detach().sum(dim=1)

    def _of_mean(self, losses: Tensor, share: float) -> Tensor:
        """Return the gradient of the share of the mean, (R, B), which needs no backward pass."""
        key = losses.shape[1], share
        if key not in self._of_losses:
            of_mean = losses.new_full((1, 1), share) / losses.shape[1]
            self._of_losses[key] = of_mean.expand_as(losses)
        return self._of_losses[key]
