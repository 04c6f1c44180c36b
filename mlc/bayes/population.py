"""The outputs that minimise a head's expected loss for each sample, under a known p(y | x)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from mlc.heads.base import Head
from mlc.heads.label_sets import all_label_sets

# The size (samples times label sets times outputs) of one minimisation.
_MOST_NUMBERS = 2**25
_MOST_ITERATIONS = 400
_START_SPREAD = 0.1


class Population:
    """The population minimisers of a cohort's runs; runs with the same minimiser share it.

    The outputs of each sample are free, as in a network of unlimited capacity. If the head has no
    closed form, they are fitted by L-BFGS in float64, together with the parameters that all samples
    share (the links of a chain, the interactions of pairs), from the same start for all runs. For
    convex losses this finds the minimum, for a mixture a local minimum.

    Args:
        head: the cohort's head.
        joint: (N, 2^K), float64.
    """

    def __init__(self, head: Head, joint: Tensor) -> None:
        self._head, self._joint = head, joint
        self._fitted: dict[int, tuple[Head, Tensor]] = {}

    def representative(self, run: int) -> int:
        """Return a run with the same minimiser: the first, unless the head has buffers for each run."""
        names = {name for name, _ in self._head.named_parameters()}
        return run if set(self._head.state_dict()) - names else 0

    def of_run(self, run: int) -> tuple[Head, Tensor] | None:
        """Return the head of this run and the outputs (1, N, n_outputs) with the least expected loss.

        None if the head is not identifiable.
        """
        if not self._head.identifiable:
            return None
        alone = _alone(self._head, run)
        closed = alone.minimiser(self._joint)
        if closed is not None:
            return alone, closed.unsqueeze(0)
        representative = self.representative(run)
        if representative not in self._fitted:
            self._fitted[representative] = self._minimised(representative)
        return self._fitted[representative]

    def _minimised(self, run: int) -> tuple[Head, Tensor]:
        alone = _alone(self._head, run)
        for parameter in _shared(alone):
            nn.init.zeros_(parameter)
        return alone, _fit(alone, self._joint).unsqueeze(0)


def _fit(alone: Head, joint: Tensor) -> Tensor:
    """Compute the minimiser numerically: (N, n_outputs); shared parameters are fitted in place."""
    shared = _shared(alone)
    label_sets = all_label_sets(alone.n_labels).double()
    rows = len(joint)
    if not shared:
        rows = max(1, _MOST_NUMBERS // (len(label_sets) * alone.n_outputs))
    generator = torch.Generator().manual_seed(0)
    parts = []
    for part in joint.split(rows):
        start = torch.randn(len(part), alone.n_outputs, generator=generator, dtype=torch.float64)
        outputs = (_START_SPREAD * start).requires_grad_()
        _minimise(alone, outputs, shared, part, label_sets)
        parts.append(outputs.detach())
    return torch.cat(parts)


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
        repeated = outputs.repeat_interleave(n_sets, dim=0).unsqueeze(0)
        # The sum, so that the stopping tolerance applies to each sample.
        total = (head.expected_loss(repeated, targets).view(n, n_sets) * joint).sum()
        total.backward()
        return total

    optimizer.step(closure)


def _shared(head: Head) -> list[nn.Parameter]:
    """Return the parameters outside the output layer, which all samples share."""
    return [p for name, p in head.named_parameters() if not name.startswith("output.")]


def _alone(head: Head, run: int) -> Head:
    """Return a copy of the head that holds only one of its runs, in float64."""
    alone = copy.deepcopy(head).cpu()
    for module in alone.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(parameter.detach()[run : run + 1].clone())
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                module._buffers[name] = buffer[run : run + 1].clone()
    return alone.double()
