"""The outputs that minimise a head's expected loss, sample by sample, under a known p(y | x)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from mlc.heads.base import Head
from mlc.heads.label_sets import all_label_sets

# Numbers (samples times label sets times outputs) that one minimisation holds.
_MOST_NUMBERS = 2**25
_MOST_ITERATIONS = 400
_START_SPREAD = 0.1


class Population:
    """The minimisers of a cohort's runs, which share what does not depend on the run.

    The outputs of each sample are free, as those of a network of unlimited capacity. Where the head
    knows no closed form, they are fitted by L-BFGS in float64, and with them the parameters that all
    samples share (the links of a chain, the interactions of pairs), from the same start for all runs.
    Convex losses end in their minimum; a mixture ends in a local one.

    Args:
        head: a cohort's.
        joint: (N, 2^K), float64.
    """

    def __init__(self, head: Head, joint: Tensor) -> None:
        self._head, self._joint = head, joint
        self._fitted: dict[int, tuple[Head, Tensor]] = {}

    def representative(self, run: int) -> int:
        """A run with the same minimiser: the first, unless each run has buffers of its own."""
        own = set(self._head.state_dict()) - {name for name, _ in self._head.named_parameters()}
        return run if own else 0

    def of_run(self, run: int) -> tuple[Head, Tensor] | None:
        """A head of this run alone, and the outputs (1, N, n_outputs) with the least expected loss.

        None for a head whose scores the least expected loss does not fix.
        """
        if not self._head.identifiable:
            return None
        alone = _alone(self._head, run)
        closed = alone.minimiser(self._joint)
        if closed is not None:
            return alone, closed.unsqueeze(0)
        like = self.representative(run)
        if like not in self._fitted:
            self._fitted[like] = self._minimised(like)
        return self._fitted[like]

    def _minimised(self, run: int) -> tuple[Head, Tensor]:
        alone = _alone(self._head, run)
        for parameter in _shared(alone):
            nn.init.zeros_(parameter)
        return alone, _fit(alone, self._joint).unsqueeze(0)


def _fit(alone: Head, joint: Tensor) -> Tensor:
    """The minimiser by numbers: (N, n_outputs); the head's shared parameters are fitted too."""
    shared = _shared(alone)
    label_sets = all_label_sets(alone.n_labels).double()
    rows = len(joint)
    if not shared:
        rows = max(1, _MOST_NUMBERS // (len(label_sets) * alone.n_outputs))
    draw = torch.Generator().manual_seed(0)
    found = []
    for part in joint.split(rows):
        start = torch.randn(len(part), alone.n_outputs, generator=draw, dtype=torch.float64)
        outputs = (_START_SPREAD * start).requires_grad_()
        _minimise(alone, outputs, shared, part, label_sets)
        found.append(outputs.detach())
    return torch.cat(found)


def _minimise(
    head: Head, outputs: Tensor, shared: list[nn.Parameter], joint: Tensor, label_sets: Tensor
) -> None:
    n, n_sets = joint.shape
    targets = label_sets.repeat(n, 1).unsqueeze(0)
    optimizer = torch.optim.LBFGS(
        [outputs, *shared],
        max_iter=_MOST_ITERATIONS,
        tolerance_grad=1e-9,
        tolerance_change=1e-14,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        every = outputs.repeat_interleave(n_sets, dim=0).unsqueeze(0)
        # The sum over samples: their minima are apart, and a mean would hide far ones.
        total = (head.expected_loss(every, targets).view(n, n_sets) * joint).sum()
        total.backward()
        return total

    optimizer.step(closure)


def _shared(head: Head) -> list[nn.Parameter]:
    """Parameters beside the output layer, the same for all samples."""
    return [p for name, p in head.named_parameters() if not name.startswith("output.")]


def _alone(head: Head, run: int) -> Head:
    """A copy that holds one of the head's runs alone, in float64."""
    alone = copy.deepcopy(head).cpu()
    for module in alone.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(parameter.detach()[run : run + 1].clone())
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                module._buffers[name] = buffer[run : run + 1].clone()
    return alone.double()
