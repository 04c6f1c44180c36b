"""The training step, op by op or as a captured CUDA graph."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import _engine_run_backward

from mlc.data.resident import ResidentData
from mlc.training.augmentation import Augmentation
from mlc.training.model import Model
from mlc.training.stacked import StackedOptimizer

log = logging.getLogger(__name__)

# Captures the operations of a function; each call of the result replays them.
Capture = Callable[[Callable[[], None]], Callable[[], None]]
Uniforms = Tensor | None

# Steps before the capture, as torch advises, so that lazily created objects exist.
_WARM_UP = 3


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
        self.model, self.data, self.optimizer, self.bfloat16 = model, data, optimizer, bfloat16
        self.clip_norm, self.n_parts = clip_norm, n_parts
        self._augmentation = augmentation
        self._weights = weights
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
        if self.n_parts == 1:
            self._add_gradients(rows, uniforms, 1.0)
        else:
            parts = rows.chunk(self.n_parts, dim=1)
            noise = [None] * len(parts) if uniforms is None else uniforms.chunk(self.n_parts, dim=1)
            for part, uniform in zip(parts, noise, strict=True):
                self._add_gradients(part, uniform, part.shape[1] / rows.shape[1])
        if self.clip_norm is not None:
            self.optimizer.clip(self.clip_norm)
        self.optimizer.apply()
        self.finite += self.total.abs() < torch.inf

    def _add_gradients(self, rows: Tensor, uniforms: Uniforms, share: float) -> None:
        """Add the gradients of a share of the batch."""
        batch = self.data.batch(rows)
        features = batch.features
        if self._augmentation is not None and isinstance(features, Tensor):
            features = self._augmentation(features)
        with self._precision():
            outputs = self.model(features)
        losses = self.model.losses(
            outputs.to(batch.targets.dtype), batch.targets, batch.known, uniforms
        )
        if self._weights is not None:
            losses = losses * self._weights[rows]
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

    def _precision(self) -> AbstractContextManager[Any]:
        """Return the context of the computation; entering autocast takes time even if it is off."""
        if not self.bfloat16:
            return nullcontext()
        # A captured step must not use casts cached before the capture.
        return torch.autocast("cuda", dtype=torch.bfloat16, cache_enabled=False)


class GraphStep:
    """The plain step, captured once and then replayed: one kernel launch instead of a hundred.

    The first steps, and batches of a different size (the last of an epoch), use the plain step.
    """

    def __init__(self, plain: PlainStep, capture: Capture) -> None:
        self._plain, self._capture = plain, capture
        self._shape: torch.Size | None = None
        self._warm = 0
        self._replay: Callable[[], None] | None = None

    def __call__(self, rows: Tensor, uniforms: Uniforms) -> None:
        """Train on rows (R, B) of the data, like `PlainStep`."""
        self._shape = self._shape or rows.shape
        if rows.shape != self._shape or self._warm < _WARM_UP:
            self._warm += rows.shape == self._shape
            self._plain(rows, uniforms)
            return
        if self._replay is None:
            self._rows = rows.clone()
            self._uniforms = None if uniforms is None else uniforms.clone()
            self._replay = self._capture(lambda: self._plain(self._rows, self._uniforms))
        self._rows.copy_(rows)
        if self._uniforms is not None and uniforms is not None:
            self._uniforms.copy_(uniforms)
        self._replay()


def cuda_capture(work: Callable[[], None]) -> Callable[[], None]:
    """Capture with `torch.cuda.graph`.

    See https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def step_for(plain: PlainStep, graphs: bool) -> PlainStep | GraphStep:
    """Return the captured step if device, data, backbone and `graphs` allow it, else the plain one."""
    if not graphs or plain.data.device.type != "cuda":
        return plain
    if not plain.data.fixed_shapes:
        log.info("sparse rows have as many entries as they have: the step is not captured")
        return plain
    if not plain.model.backbone.stacked:
        # A replay would skip the Python code of the module.
        log.info("the backbone may be any module: the step is not captured")
        return plain
    return GraphStep(plain, cuda_capture)
