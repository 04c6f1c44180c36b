"""The training step as a captured CUDA graph, compiled before or not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from mlc.training.compiled import CompiledStep
from mlc.training.steps import PlainStep, Step, Uniforms

log = logging.getLogger(__name__)

# Captures the operations of a function; each call of the result replays them.
Capture = Callable[[Callable[[], None]], Callable[[], None]]

# Steps before the capture, as torch advises, so that lazily created objects exist.
_WARM_UP = 3


class GraphStep:
    """A step that is captured once for each shape of batch, and then replayed: one kernel launch.

    The first step of a shape is the plain one. What is captured is the plain step, or what `repeated`
    returns for each shape, which does the same in another way.
    """

    def __init__(
        self, plain: PlainStep, capture: Capture, repeated: Callable[[], Step] | None = None
    ) -> None:
        self._plain, self._capture, self._repeated = plain, capture, repeated
        # The last batch of an epoch may be smaller than the others.
        self._of_shape: dict[torch.Size, _OfShape] = {}

    def __call__(self, rows: Tensor, uniforms: Uniforms) -> None:
        """Train on rows (R, B) of the data, like `PlainStep`."""
        known = self._of_shape.get(rows.shape)
        if known is None:
            repeated = self._repeated() if self._repeated else self._plain
            self._plain(rows, uniforms)
            self._of_shape[rows.shape] = _OfShape(repeated, self._capture, rows, uniforms)
        else:
            known(rows, uniforms)


class _OfShape:
    """The repeated step with batches of one shape, which are copied to where a replay reads them."""

    def __init__(self, repeated: Step, capture: Capture, rows: Tensor, uniforms: Uniforms) -> None:
        self._repeated, self._capture = repeated, capture
        self._rows = rows.clone()
        self._uniforms = None if uniforms is None else uniforms.clone()
        self._n_steps = 1
        self._replay: Callable[[], None] | None = None

    def __call__(self, rows: Tensor, uniforms: Uniforms) -> None:
        self._rows.copy_(rows)
        if self._uniforms is not None and uniforms is not None:
            self._uniforms.copy_(uniforms)
        if self._n_steps < _WARM_UP:
            self._n_steps += 1
            self._repeat()
            return
        self._replay = self._replay or self._capture(self._repeat)
        self._replay()

    def _repeat(self) -> None:
        self._repeated(self._rows, self._uniforms)


class CudaCapture:
    """Captures with `torch.cuda.graph`; what is captured shares its memory, as one runs after the other.

    See https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
    """

    def __init__(self) -> None:
        self._graphs: list[torch.cuda.CUDAGraph] = []

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        """Capture the operations of a function."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._graphs[0].pool() if self._graphs else None):
            work()
        self._graphs.append(graph)
        return graph.replay


def step_for(plain: PlainStep, graphs: bool, compiled: bool = False) -> PlainStep | GraphStep:
    """Return the captured step if device, data, backbone and `graphs` allow it, else the plain one.

    What is captured is compiled before, if `compiled`.
    """
    reason = _why_not_captured(plain, graphs)
    if reason is None:
        return GraphStep(plain, CudaCapture(), partial(CompiledStep, plain) if compiled else None)
    if compiled:
        log.info("%s: the step is neither captured nor compiled", reason)
    elif graphs and plain.data.device.type == "cuda":
        log.info("%s: the step is not captured", reason)
    return plain


def _why_not_captured(plain: PlainStep, graphs: bool) -> str | None:
    if plain.data.device.type != "cuda":
        return "there is no CUDA device"
    if not graphs:
        return "trainer.cuda_graphs is off"
    if not plain.data.fixed_shapes:
        return "sparse rows have as many entries as they have"
    if not plain.model.backbone.stacked:
        # A replay would skip the Python code of the module.
        return "the backbone may be any module"
    return None
