"""Memory of one output layer, and the time of a step relative to a sigmoid's.

python -m experiments.powerset_feasibility.layer HEAD K
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import torch

from benchmarks.memory import peak_memory
from mlc.heads.base import HEADS, KnownLabels
from mlc.heads.label_sets import MOST_LABELS
from mlc.heads.memory import estimate
from mlc.heads.plain import build_head

WIDTH, BATCH = 256, 64
_ROWS = 2000  # rows whose label sets label_powerset lists, and with many labels also pairwise
_LEAST_STEPS, _MOST_STEPS, _SECONDS = 5, 40, 4.0


def label_sets(n_labels: int) -> torch.Tensor:
    """Draw rows with about three labels, some often together: (2000, K)."""
    draw = torch.Generator().manual_seed(n_labels)
    kinds = torch.rand(20, n_labels, generator=draw) < min(0.5, 3 / n_labels)
    chosen = kinds[torch.randint(20, (_ROWS,), generator=draw)]
    flips = torch.rand(_ROWS, n_labels, generator=draw) < 0.3 / n_labels
    return chosen ^ flips


def predicted(name: str, n_labels: int) -> tuple[int, int, int]:
    """Return outputs, weights and bytes by formula, with Adam and a batch of 64.

    16 bytes per weight: value, gradient and Adam's two moments. 16 per number stored for a sample:
    the outputs or, for pairwise, the energies of the label sets in the sum.
    """
    known = KnownLabels(label_sets(n_labels), torch.arange(_ROWS).unsqueeze(0))
    needed = estimate(
        HEADS[name], WIDTH, n_labels, HEADS.options(name), batch_size=BATCH, known=known
    )
    weights, held = needed.weights // 4, needed.n_outputs
    if name == "pairwise":
        weights += n_labels * (n_labels - 1) // 2
        held = 2**n_labels if n_labels <= MOST_LABELS else len(known.distinct[0])
    return needed.n_outputs, weights, 16 * (weights + BATCH * held)


def stepper(name: str, n_labels: int) -> Callable[[], None]:
    """Return a function that makes one training step: forward, loss, backward, Adam."""
    targets = label_sets(n_labels)
    head = build_head(name, n_features=WIDTH, n_labels=n_labels, targets=targets)
    optimizer = torch.optim.Adam(head.parameters())
    features = torch.randn(BATCH, WIDTH)
    batch = targets[:BATCH].float()

    def step() -> None:
        optimizer.zero_grad()
        head.loss(head(features), batch).mean().backward()
        optimizer.step()

    return step


def timed(step: Callable[[], None]) -> float:
    """Return the milliseconds of one call."""
    started = time.perf_counter()
    step()
    return 1000 * (time.perf_counter() - started)


def main() -> None:
    """Print the measurements as JSON."""
    name, n_labels = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    # Memory that the first step of a process allocates once is not counted.
    for _ in range(3):
        stepper("sigmoid", n_labels)()
    with peak_memory() as measured:
        step = stepper(name, n_labels)
        for _ in range(3):
            step()
    reference = stepper("sigmoid", n_labels)
    reference()
    pairs: list[tuple[float, float]] = []
    started = time.perf_counter()
    while len(pairs) < _LEAST_STEPS or (
        len(pairs) < _MOST_STEPS and time.perf_counter() - started < _SECONDS
    ):
        pairs.append((timed(step), timed(reference)))
    milliseconds, other = torch.tensor(pairs).T
    ratios = (milliseconds / other).quantile(torch.tensor([0.25, 0.5, 0.75]))
    n_outputs, n_parameters, n_bytes = predicted(name, n_labels)
    print(
        json.dumps(
            {
                "outputs": n_outputs,
                "parameters": n_parameters,
                "predicted_bytes": n_bytes,
                "measured_bytes": measured[0],
                "milliseconds": float(milliseconds.median()),
                "times_sigmoid": float(ratios[1]),
                "times_low": float(ratios[0]),
                "times_high": float(ratios[2]),
            }
        )
    )


if __name__ == "__main__":
    main()
