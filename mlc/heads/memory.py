"""The memory that an output layer needs, estimated before it is built."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import torch

from mlc.config.errors import CapacityError, ConfigError
from mlc.config.memory import free_bytes, readable
from mlc.heads.base import HEADS, Head, KnownLabels
from mlc.metrics.top_scores import MANY_LABELS

log = logging.getLogger(__name__)

# The backward pass holds the outputs, their softmax or sigmoid, and both gradients.
_ACTIVATION_COPIES = 4
_FOR_MANY = "sigmoid, pick_one, ova_n or negative_sampling"


@dataclass(frozen=True)
class HeadMemory:
    """The memory of a training with this output layer, in bytes."""

    n_outputs: int
    weights: int
    gradients: int
    optimizer_state: int
    activations: int

    @property
    def total(self) -> int:
        """The sum of all parts, in bytes."""
        return self.weights + self.gradients + self.optimizer_state + self.activations

    def __str__(self) -> str:
        return (
            f"{_count(self.n_outputs)} outputs need {readable(self.total)}"
            f" (weights {readable(self.weights)}, gradients {readable(self.gradients)},"
            f" optimiser state {readable(self.optimizer_state)},"
            f" activations {readable(self.activations)})"
        )


def estimate(
    head: type[Head],
    n_features: int,
    n_labels: int,
    options: Any,
    *,
    batch_size: int = 1,
    n_runs: int = 1,
    state_per_weight: int = 2,
    bytes_per_number: int = 4,
    known: KnownLabels | None = None,
) -> HeadMemory:
    """Estimate the memory of n_runs output layers; `state_per_weight` is 2 for Adam, 0 for plain SGD."""
    n_outputs = head.count_outputs(n_labels, options, known)
    weights = bytes_per_number * n_runs * (n_features + 1) * n_outputs
    activations = bytes_per_number * n_runs * batch_size * n_outputs * _ACTIVATION_COPIES
    return HeadMemory(n_outputs, weights, weights, state_per_weight * weights, activations)


def require_memory(
    head: type[Head],
    n_features: int,
    n_labels: int,
    options: Any,
    *,
    device: torch.device | None = None,
    **training: Any,
) -> HeadMemory:
    """Estimate the memory, log it, and require that it is free.

    Raises:
        CapacityError: there are at least MANY_LABELS labels and the head is not for so many; or the
            memory exceeds the free memory; the message names the sizes and other heads.
    """
    if n_labels >= MANY_LABELS and not head.many_labels:
        raise CapacityError(
            f"The head {head.name!r} cannot be trained with {n_labels:,} labels, since its memory or"
            f" time grows faster than their number: choose {_FOR_MANY}, or fewer than"
            f" {MANY_LABELS:,} labels."
        )
    device = device or torch.device("cpu")
    needed = estimate(head, n_features, n_labels, options, **training)
    free = free_bytes(device)
    # Worth a line in the log if the head has more than one output for each label.
    log.log(
        logging.INFO if needed.n_outputs > n_labels else logging.DEBUG,
        "head %s with %d labels: %s; %s free on %s",
        head.name, n_labels, needed, readable(free), device,
    )  # fmt: skip
    if needed.total > free:
        others = [HEADS[name] for name in HEADS if HEADS[name] is not head]
        others = [other for other in others if other.many_labels or n_labels < MANY_LABELS]
        smaller = [
            other.name
            for other in others
            if _total(other, n_features, n_labels, **training) <= free
        ]
        raise CapacityError(
            f"The head {head.name!r} does not fit with {n_labels} labels: its {needed}, and"
            f" {readable(free)} are free on {device}; choose a head that does"
            f" ({', '.join(smaller) or 'none of the others'}), or fewer labels."
        )
    return needed


def _total(head: type[Head], n_features: int, n_labels: int, **training: Any) -> float:
    """Bytes of the head with its default options; infinite if it cannot be built without more data."""
    try:
        return estimate(head, n_features, n_labels, HEADS.options(head.name), **training).total
    except ConfigError:
        return math.inf


def _count(n: int) -> str:
    return f"{n:,}" if n < 10**15 else f"{n:.2e}"
