"""The sparsemax against a bisection, and its loss against the equations of the paper."""

from __future__ import annotations

import pytest
import torch

from mlc.heads.plain import build_head
from mlc.heads.sparsemax import sparsemax


def projected(z: list[float]) -> tuple[list[float], float]:
    """The projection onto the simplex and its threshold, by bisection on the sum."""
    low, high = min(z) - 1, max(z)
    for _ in range(200):
        middle = (low + high) / 2
        if sum(max(value - middle, 0) for value in z) > 1:
            low = middle
        else:
            high = middle
    return [max(value - low, 0) for value in z], low


def loss_by_the_paper(z: list[float], y: list[int]) -> float:
    p, threshold = projected(z)
    q = [value / sum(y) for value in y]
    support = sum(a**2 - threshold**2 for a, share in zip(z, p, strict=True) if share > 1e-12)
    return -sum(a * b for a, b in zip(q, z, strict=True)) + support / 2 + sum(b**2 for b in q) / 2


@pytest.mark.parametrize("n_labels", [2, 3, 7])
def test_projection_and_loss_agree_with_a_bisection(n_labels: int) -> None:
    draw = torch.Generator().manual_seed(n_labels)
    outputs = 2 * torch.randn(30, n_labels, generator=draw, dtype=torch.float64)
    targets = torch.rand(30, n_labels, generator=draw) < 0.4
    targets[0], targets[1] = False, True
    head = build_head("sparsemax", n_features=1, n_labels=n_labels)
    rows = list(zip(outputs.tolist(), targets.int().tolist(), strict=True))
    expected = [loss_by_the_paper(z, y) if any(y) else 0.0 for z, y in rows]
    torch.testing.assert_close(
        head.loss(outputs, targets), torch.tensor(expected, dtype=torch.float64)
    )
    p = torch.tensor([projected(z)[0] for z, _ in rows], dtype=torch.float64)
    torch.testing.assert_close(head.scores(outputs), p)
    torch.testing.assert_close(p.sum(dim=1), torch.ones(30).double())
    assert bool((p == 0).any())


def test_the_gradient_is_the_projection_minus_the_shares() -> None:
    outputs = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([[1, 0, 1, 0, 1], [0] * 5, [1] * 5, [1, 0, 0, 0, 0]] * 2)[:6]
    head = build_head("sparsemax", n_features=1, n_labels=5)
    head.loss(outputs, targets).sum().backward()
    shares = targets / targets.sum(dim=1, keepdim=True).clamp(min=1)
    expected = (sparsemax(outputs.detach()) - shares) * targets.any(dim=1, keepdim=True)
    assert outputs.grad is not None
    torch.testing.assert_close(outputs.grad, expected)


def test_of_two_labels_it_is_the_huber_loss_of_the_difference() -> None:
    gap = torch.linspace(-3, 3, 25, dtype=torch.float64)
    outputs = torch.stack([gap + 0.7, torch.full_like(gap, 0.7)], dim=1)
    targets = torch.tensor([[1, 0]]).expand(25, -1)
    head = build_head("sparsemax", n_features=1, n_labels=2)
    squared = (gap - 1).square() / 4
    expected = torch.where(gap >= 1, 0, torch.where(gap <= -1, -gap, squared))
    torch.testing.assert_close(head.loss(outputs, targets), expected)


def test_outputs_without_float_precision_left_are_projected() -> None:
    outputs = torch.tensor([[1e9, 1e9, -1e9], [1e4, 0.0, 0.0]])
    expected = torch.tensor([[0.5, 0.5, 0], [1, 0, 0]])
    torch.testing.assert_close(sparsemax(outputs), expected)
    torch.testing.assert_close(sparsemax(outputs.bfloat16()).float(), expected)
