"""Time of a training step of the full powerset and a lower bound: python -m benchmarks.powerset

Only the output layer, one thread: loss, gradients of weights and features, Adam's update; batch 128,
width 256. Also the marginals of a validation batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.measuring import interleaved, spread, write
from mlc.heads.base import HEADS
from mlc.heads.label_sets import all_label_sets, fold_marginals
from mlc.reporting.tables import Table
from mlc.training.stacked import OPTIMIZERS

BATCH, WIDTH, LABELS = 128, 256, (10, 12, 14)
ROUNDS = 7


def step(head: str, n_labels: int, n_steps: int) -> Callable[[], None]:
    """Return a function that makes training steps of one head's output layer."""
    torch.manual_seed(0)
    layer = HEADS[head](WIDTH, n_labels, HEADS.options(head), seeds=[0])
    optimizer = OPTIMIZERS["adam"](list(layer.parameters()), [OPTIMIZERS.options("adam")])
    features = torch.randn(1, BATCH, WIDTH, requires_grad=True)
    targets = (torch.rand(1, BATCH, n_labels) < 0.3).float()

    def run() -> None:
        for _ in range(n_steps):
            optimizer.zero_grad()
            layer.loss(layer(features), targets).mean().backward()
            optimizer.step()

    return run


def products(n_outputs: int, n_steps: int) -> Callable[[], None]:
    """Return a function that computes the three matrix products of a step."""
    features, weights = torch.randn(BATCH, WIDTH), torch.randn(WIDTH, n_outputs)
    gradient = torch.randn(BATCH, n_outputs)

    def run() -> None:
        for _ in range(n_steps):
            features @ weights
            features.T @ gradient
            gradient @ weights.T

    return run


def update(n_outputs: int, n_steps: int) -> Callable[[], None]:
    """Return a function that makes Adam's update of the weights."""
    weights = torch.nn.Parameter(torch.randn(1, WIDTH, n_outputs))
    weights.grad = torch.randn_like(weights)
    optimizer = OPTIMIZERS["adam"]([weights], [OPTIMIZERS.options("adam")])

    def run() -> None:
        for _ in range(n_steps):
            optimizer.step()

    return run


def marginals(n_labels: int, folded: bool, n_steps: int) -> Callable[[], None]:
    """Return a function that computes marginals, folded or by the matrix of all label sets."""
    joint = torch.randn(BATCH, 2**n_labels).softmax(dim=-1)
    bits = all_label_sets(n_labels).float()

    def run() -> None:
        for _ in range(n_steps):
            fold_marginals(joint, n_labels) if folded else joint @ bits

    return run


def log_sum_exp(n_labels: int, chunks: int, n_steps: int) -> Callable[[], None]:
    """Return a function that computes the normaliser and its gradient, in one or several chunks."""
    outputs = torch.randn(BATCH, 2**n_labels, requires_grad=True)

    def at_once(z: Tensor) -> Tensor:
        return z.logsumexp(dim=-1)

    def chunked(z: Tensor) -> Tensor:
        return torch.stack([part.logsumexp(dim=-1) for part in z.chunk(chunks, dim=-1)]).logsumexp(
            0
        )

    def run() -> None:
        for _ in range(n_steps):
            outputs.grad = None
            (at_once if chunks == 1 else chunked)(outputs).sum().backward()

    return run


def main() -> None:
    """Measure and write the table."""
    torch.set_num_threads(1)
    rows, parts = [], []
    for n_labels in LABELS:
        few = max(2, 2 ** (14 - n_labels) * 2)
        contestants = {
            "sigmoid": (step("sigmoid", n_labels, 200), 200),
            "powerset": (step("powerset", n_labels, few), few),
            "products": (products(2**n_labels, few), few),
            "update": (update(2**n_labels, few), few),
            "folded": (marginals(n_labels, True, few), few),
            "bit matrix": (marginals(n_labels, False, few), few),
            "in one piece": (log_sum_exp(n_labels, 1, few), few),
            "in 8 pieces": (log_sum_exp(n_labels, 8, few), few),
        }
        seconds = interleaved({name: run for name, (run, _) in contestants.items()}, ROUNDS)
        each = {
            name: [1e3 * value / contestants[name][1] for value in values[1:]]
            for name, values in seconds.items()
        }
        median = {name: sorted(values)[len(values) // 2] for name, values in each.items()}
        floor = median["products"] + median["update"]
        rows.append(
            [
                f"{n_labels}",
                *(spread(each[name]) for name in ("sigmoid", "powerset", "products", "update")),
                f"{median['powerset'] / median['sigmoid']:.0f}",
                f"{floor / median['sigmoid']:.0f}",
            ]
        )
        names = ("folded", "bit matrix", "in one piece", "in 8 pieces")
        parts.append([f"{n_labels}", *(spread(each[name]) for name in names)])
    write(
        "powerset",
        "A step of the full powerset",
        "python -m benchmarks.powerset",
        [
            (
                "Milliseconds of a step (output layer alone, batch 128, width 256, one thread); its"
                " three matrix products and its optimiser's update are the floor. Times: the powerset's"
                " step, and its floor, over a sigmoid's step, of which 200 are timed in a row. At K = 14"
                " experiments/powerset_feasibility has a ratio of 38 for batch 64, torch's Adam and"
                " steps in turns, on another machine: a sigmoid's step takes longer there.",
                Table(
                    ["K", "sigmoid", "powerset", "products", "update", "times", "floor"], rows, 0
                ),
            ),
            (
                "Milliseconds for the marginals of a batch, folded or by the bit matrix, and for the"
                " log-sum-exp with its gradient.",
                Table(["K", *names], parts, 0),
            ),
        ],
    )


if __name__ == "__main__":
    main()
