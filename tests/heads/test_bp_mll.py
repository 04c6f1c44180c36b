"""BP-MLL against a loop over all pairs of a positive and a negative label."""

from __future__ import annotations

import math

import pytest
import torch

from mlc.heads.label_sets import all_label_sets
from mlc.heads.plain import build_head


@pytest.mark.parametrize("n_labels", [2, 3, 5])
def test_the_loss_is_the_mean_over_all_pairs(n_labels: int) -> None:
    targets = all_label_sets(n_labels)
    draw = torch.Generator().manual_seed(n_labels)
    outputs = torch.randn(targets.shape, generator=draw, dtype=torch.float64)
    expected = []
    for z, y in zip(outputs.tolist(), targets.tolist(), strict=True):
        pairs = [
            math.exp(-(math.tanh(z[k]) - math.tanh(other)))
            for k in range(n_labels)
            for other, present in zip(z, y, strict=True)
            if y[k] and not present
        ]
        expected.append(sum(pairs) / len(pairs) if pairs else 0.0)
    head = build_head("bp_mll", n_features=1, n_labels=n_labels)
    torch.testing.assert_close(
        head.loss(outputs, targets), torch.tensor(expected, dtype=torch.float64)
    )
    # Without a label, and with all: no pair.
    assert expected[0] == expected[-1] == 0
    torch.testing.assert_close(head.scores(outputs), (1 + outputs.tanh()) / 2)


def test_no_output_can_make_the_loss_overflow() -> None:
    head = build_head("bp_mll", n_features=1, n_labels=2)
    loss = head.loss(torch.tensor([[-1e30, 1e30]]), torch.tensor([[1, 0]]))
    assert float(loss) == pytest.approx(math.exp(2))
