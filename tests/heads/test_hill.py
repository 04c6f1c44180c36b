"""The Hill loss against the authors' formula."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from mlc.heads.plain import build_head
from tests.cases import label_matrices

CASES = label_matrices()


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


@pytest.mark.parametrize("options", [{}, {"gamma": 0.5, "margin": 0.3, "tolerance": 2.0}])
@pytest.mark.parametrize("case", CASES)
def test_the_loss_is_the_authors_formula(case: str, options: dict[str, Any]) -> None:
    targets = CASES[case]
    draw = torch.Generator().manual_seed(1)
    outputs = 3 * torch.randn(targets.shape, generator=draw, dtype=torch.float64)
    gamma, margin, weight = ({"gamma": 2.0, "margin": 1.0, "tolerance": 1.5} | options).values()
    expected = []
    for z, y in zip(outputs.tolist(), targets.tolist(), strict=True):
        total = 0.0
        for a, present in zip(z, y, strict=True):
            below, s = sigmoid(a - margin), sigmoid(a)
            positive = -((1 - below) ** gamma) * math.log(below)
            total += positive if present else (weight - s) * s**2
        expected.append(total)
    head = build_head("hill", n_features=1, n_labels=targets.shape[1], **options)
    torch.testing.assert_close(
        head.loss(outputs, targets), torch.tensor(expected, dtype=torch.float64)
    )


def test_a_negative_that_scores_high_has_no_gradient() -> None:
    head = build_head("hill", n_features=1, n_labels=1)
    outputs = torch.tensor([[-4.0], [0.0], [12.0]], dtype=torch.float64, requires_grad=True)
    head.loss(outputs, torch.zeros(3, 1)).sum().backward()
    assert outputs.grad is not None
    low, middle, high = outputs.grad.flatten().tolist()
    s = sigmoid(0)
    assert middle == pytest.approx((3 * s - 3 * s**2) * s * (1 - s))
    assert 0 < high < low < middle
