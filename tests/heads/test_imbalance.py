"""Weights of labels that all training rows have, or none."""

from __future__ import annotations

import pytest
import torch

from mlc.heads.plain import build_head

# A label that all rows have, one that none has, one that some have.
TARGETS = torch.tensor([[1, 0, 1], [1, 0, 0], [1, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize("name", ["weighted_sigmoid", "class_balanced", "focal", "asymmetric"])
def test_a_label_that_all_rows_have_or_none_is_learned(name: str) -> None:
    torch.manual_seed(0)
    head = build_head(name, n_features=2, n_labels=3, targets=TARGETS).double()
    outputs = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    head.loss(outputs, TARGETS).sum().backward()
    assert outputs.grad is not None
    towards = outputs.grad.sum(dim=0)
    assert towards[0] < 0
    assert towards[1] > 0


def test_weights_are_the_ratio_of_the_counts_with_half_a_row_for_none() -> None:
    head = build_head("weighted_sigmoid", n_features=2, n_labels=3, targets=TARGETS, cap=6)
    # 0 of 4 negatives, 0 of 4 positives (8, capped), 3 against 1.
    assert head.head.weights.flatten().tolist() == [0.5 / 4, 6, 3]  # type: ignore[union-attr, operator]
