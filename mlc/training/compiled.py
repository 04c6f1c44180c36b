"""The training step as one function, which torch.compile turns into few kernels."""

from __future__ import annotations

import gc
import logging
import warnings
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad

from mlc.config.errors import ConfigError
from mlc.training.stacked import Gradients
from mlc.training.steps import PlainStep, Step, Uniforms

log = logging.getLogger(__name__)

# Compiled steps of a process.
_MOST = 10_000


class WholeStep:
    """A plain step whose gradients are computed by `torch.func.grad`, so that it is one graph.

    Compiled forward and backward passes would be two graphs, and the second may draw a dropout mask
    again after the counter of its random numbers has moved.

    Create it before the first step and call it after a plain one, which shows the parameters that have
    a gradient and the buffers that a step changes.
    """

    def __init__(self, plain: PlainStep) -> None:
        self._plain = plain
        self._versions = {name: b._version for name, b in plain.losses.named_buffers()}
        # The place of a parameter among those of the optimizer, by name.
        self._places: dict[str, int] = {}
        self._buffers: dict[str, Tensor] = {}

    def prepare(self) -> None:
        """Find out what the plain step has differentiated and changed."""
        losses, parameters = self._plain.losses, self._plain.optimizer.parameters
        place_of = {id(parameter): place for place, parameter in enumerate(parameters)}
        self._places = {
            name: place_of[id(value)]
            for name, value in losses.named_parameters()
            if value.grad is not None
        }
        self._buffers = {
            name: value
            for name, value in losses.named_buffers()
            if value._version != self._versions[name]
        }

    def __call__(self, rows: Tensor, uniforms: Uniforms) -> None:
        """Train on rows (R, B) of the data, like `PlainStep`."""
        plain = self._plain
        total: Gradients = [None] * len(plain.optimizer.parameters)
        for part, uniform, share in plain.parts(rows, uniforms):
            gradients, losses = self._differentiated(part, uniform, share)
            plain.total += losses.sum(dim=1)
            for name, place in self._places.items():
                before = total[place]
                total[place] = gradients[name] if before is None else before + gradients[name]
        if plain.clip_norm is not None:
            # Clipping changes them in place, and parameters with equal gradients may share one tensor.
            total = [gradient if gradient is None else gradient.clone() for gradient in total]
        plain.update(total)

    def _differentiated(
        self, rows: Tensor, uniforms: Uniforms, share: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the gradients of a share of the batch by name, and its losses; change the buffers."""

        def mean(weights: dict[str, Tensor]) -> Any:
            # Clones, since a function that is differentiated may change no tensor of its caller.
            changed = {name: value.clone() for name, value in self._buffers.items()}
            losses = functional_call(self._plain.losses, {**weights, **changed}, (rows, uniforms))
            return losses.sum() * (share / losses.shape[1]), (losses.detach(), changed)

        # Not the parameters: the optimizer changes these views of them in the same graph.
        own = self._plain.optimizer.weights
        weights = {name: own[place] for name, place in self._places.items()}
        gradients, (losses, changed) = grad(mean, has_aux=True)(weights)
        for name, value in self._buffers.items():
            value.copy_(changed[name])
        return gradients, losses


class CompiledStep:
    """A plain step that is compiled when it is called first; afterwards it should be captured."""

    def __init__(self, plain: PlainStep) -> None:
        self._whole = WholeStep(plain)
        self._compiled: Step | None = None

    def __call__(self, rows: Tensor, uniforms: Uniforms) -> None:
        """Train on rows (R, B) of the data, like `PlainStep`; call it first after a plain step.

        Raises:
            ConfigError: the step cannot be compiled.
        """
        is_first = self._compiled is None
        if self._compiled is None:
            log.info("compiling the step: it takes up to a minute for each kind of cohort")
            self._whole.prepare()
            self._compiled = torch.compile(self._whole, fullgraph=True, dynamic=False)
        # Those of other cohorts count too.
        limits = {"recompile_limit": _MOST, "accumulated_recompile_limit": _MOST}
        try:
            with torch._dynamo.config.patch(limits), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._compiled(rows, uniforms)
        except torch._dynamo.exc.TorchDynamoException as error:
            lines = [line.strip() for line in str(error).splitlines()]
            # The first line may only name the compiler.
            told = (line for line in lines if line and not line.endswith(" raised:"))
            reason = next(told, type(error).__name__)
            raise ConfigError(
                f"trainer.compile=true: torch cannot compile the step ({reason}): leave it out."
            ) from error
        if is_first:
            # Cycles that the compiler leaves would keep the cohort in the device's memory after its end.
            gc.collect()
