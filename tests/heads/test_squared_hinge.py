"""The squared hinge loss against loops, and the minimum of its expectation."""

from __future__ import annotations

import pytest
import torch

from mlc.heads.base import HEADS
from mlc.heads.label_sets import all_label_sets
from mlc.heads.plain import build_head
from tests.cases import label_matrices

CASES = label_matrices()


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_those_of_a_loop(case: str) -> None:
    targets = CASES[case]
    draw = torch.Generator().manual_seed(1)
    outputs = 2 * torch.randn(targets.shape, generator=draw, dtype=torch.float64)
    losses, slopes = [], []
    for z, y in zip(outputs.tolist(), targets.tolist(), strict=True):
        signs = [1 if present else -1 for present in y]
        short = [max(0.0, 1 - t * a) for t, a in zip(signs, z, strict=True)]
        losses.append(sum(value**2 for value in short))
        slopes.append([-2 * t * value for t, value in zip(signs, short, strict=True)])
    head = build_head("squared_hinge", n_features=1, n_labels=targets.shape[1])
    found = head.loss(outputs.requires_grad_(), targets)
    found.sum().backward()
    torch.testing.assert_close(found, torch.tensor(losses, dtype=torch.float64))
    torch.testing.assert_close(outputs.grad, torch.tensor(slopes, dtype=torch.float64))


def test_outputs_beyond_the_margin_cost_nothing_and_have_no_gradient() -> None:
    head = build_head("squared_hinge", n_features=1, n_labels=3)
    outputs = torch.tensor([[1.0, -1.0, 7.0]], dtype=torch.float64, requires_grad=True)
    loss = head.loss(outputs, torch.tensor([[1, 0, 1]]))
    loss.sum().backward()
    assert loss.tolist() == [0]
    assert outputs.grad is not None
    assert outputs.grad.tolist() == [[0, 0, 0]]


def test_the_expected_loss_is_least_at_twice_the_marginal_minus_one() -> None:
    """Against a grid of outputs, with labels that are never, always and sometimes there."""
    joint = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 0], [1, 0, 0, 0]], dtype=torch.float64)
    built = build_head("squared_hinge", n_features=1, n_labels=2)
    outputs = built.head.minimiser(joint)
    assert outputs is not None
    torch.testing.assert_close(
        outputs, torch.tensor([[0.4, 0.2], [1, -1], [-1, -1]], dtype=torch.float64)
    )
    sets = all_label_sets(2)

    def expected(z: torch.Tensor) -> torch.Tensor:
        return sum(joint[:, m] * built.loss(z.expand(3, 2), sets[m].expand(3, 2)) for m in range(4))

    grid = torch.linspace(-2, 2, 41, dtype=torch.float64)
    least = expected(outputs)
    for first in grid:
        for second in grid:
            assert (least <= expected(torch.stack([first, second])) + 1e-12).all()


def test_the_scores_order_outputs_beyond_the_margin_and_are_no_marginals() -> None:
    head = build_head("squared_hinge", n_features=1, n_labels=5)
    scores = head.scores(torch.tensor([[-3.0, -1.0, 0.0, 1.0, 3.0]]))[0]
    assert (scores.diff() > 0).all()
    assert scores[2] == HEADS["squared_hinge"].natural_threshold(5) == 0.5
    assert HEADS["squared_hinge"].provides() == {"scores"}
