"""Heads for missing labels against the formulas of Cole et al. 2021, one label after the other."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mlc.heads.base import HEADS, KnownLabels
from mlc.heads.plain import build_head

N_ROWS, N_LABELS = 9, 4


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def single_positives() -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, targets with one known positive in each row, and which labels are known: (1, N, K)."""
    draw = torch.Generator().manual_seed(1)
    outputs = 2 * torch.randn(1, N_ROWS, N_LABELS, generator=draw, dtype=torch.float64)
    chosen = torch.randint(N_LABELS, (1, N_ROWS, 1), generator=draw)
    known = torch.zeros(1, N_ROWS, N_LABELS, dtype=torch.bool).scatter_(-1, chosen, True)
    return outputs, known.double(), known


def built(name: str, known: KnownLabels | None = None, **options: Any) -> Any:
    shown = known or KnownLabels(torch.eye(N_LABELS) > 0, torch.arange(N_LABELS)[None])
    return HEADS[name](2, N_LABELS, HEADS.options(name, **options), [0], shown).double()


@pytest.mark.parametrize(
    ("options", "weight", "smoothing"),
    [({}, 1, 0), ({"weight": None}, 1 / 3, 0), ({"smoothing": 0.1}, 1, 0.1)],
    ids=["AN", "WAN", "AN-LS"],
)
def test_missing_labels_are_weak_negatives(
    options: dict[str, Any], weight: float, smoothing: float
) -> None:
    outputs, targets, known = single_positives()
    loss = built("assume_negative", **options).masked_loss(outputs, targets, known)
    for row in range(N_ROWS):
        # As loss_an, loss_wan and loss_an_ls: sums over labels, without the 1 / L of all of them.
        total = 0.0
        for z, y in zip(outputs[0, row].tolist(), targets[0, row].tolist(), strict=True):
            s = sigmoid(z)
            right, wrong = (s, 1 - s) if y else (1 - s, s)
            value = -(1 - smoothing) * math.log(right) - smoothing * math.log(wrong)
            total += value if y else weight * value
        assert loss[0, row].item() == pytest.approx(total, abs=1e-12)


def test_known_negatives_have_the_weight_one() -> None:
    outputs, targets, known = single_positives()
    known[..., 0] = True
    loss = built("assume_negative", weight=None).masked_loss(outputs, targets, known)
    z, y, k = outputs[0], targets[0], known[0]
    terms = torch.nn.functional.softplus(z) - y * z
    expected = (terms * torch.where(k, 1.0, 1 / 3)).sum(dim=1)
    torch.testing.assert_close(loss[0], expected)


def test_without_missing_labels_it_is_the_sigmoid() -> None:
    outputs, targets, _ = single_positives()
    for options in ({}, {"weight": None}):
        head, sigmoids = built("assume_negative", **options), built("sigmoid")
        assert torch.equal(head.loss(outputs, targets), sigmoids.loss(outputs, targets))


def test_one_label_has_the_weight_one() -> None:
    head = build_head("assume_negative", n_features=2, n_labels=1, weight=None).double().head
    outputs, targets = torch.tensor([[[0.7]]]).double(), torch.zeros(1, 1, 1).double()
    loss = head.masked_loss(outputs, targets, torch.zeros(1, 1, 1, dtype=torch.bool))
    assert loss.item() == pytest.approx(math.log1p(math.exp(0.7)))


@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_the_mean_number_of_positives_is_regularised(weight: float) -> None:
    outputs, targets, known = single_positives()
    head = built("expected_positive", weight=weight, positives=1.5)
    loss = head.masked_loss(outputs, targets, known)
    rows = [[sigmoid(z) for z in row] for row in outputs[0].tolist()]
    mean = sum(map(sum, rows)) / N_ROWS
    penalty = weight * ((mean - 1.5) / N_LABELS) ** 2
    for row in range(N_ROWS):
        positives = [s for s, y in zip(rows[row], targets[0, row].tolist(), strict=True) if y]
        # As loss_epr, whose mean over labels is this divided by K.
        expected = -sum(map(math.log, positives)) / N_LABELS + penalty
        assert loss[0, row].item() / N_LABELS == pytest.approx(expected, abs=1e-12)


def test_the_expected_number_is_the_sum_of_the_known_frequencies() -> None:
    rows = torch.tensor([[1, 0, -1, -1], [1, -1, 1, -1], [0, 0, 1, -1], [-1, 1, 0, -1]])
    shown = KnownLabels(rows == 1, torch.tensor([[0, 1, 2, 3], [0, 0, 1, 1]]), rows >= 0)
    options = HEADS.options("expected_positive")
    head: Any = HEADS["expected_positive"](2, 4, options, [0, 1], shown)
    # 2 of 3, 1 of 3, 2 of 3, and never known; then 4 of 4, 0 of 2, 2 of 2.
    assert head.expected.flatten().tolist() == pytest.approx([5 / 3, 2.0])
    complete = KnownLabels(rows == 1, torch.arange(4)[None])
    alone: Any = HEADS["expected_positive"](2, 4, options, [0], complete)
    assert alone.expected.item() == (rows == 1).sum().item() / 4


def test_the_penalty_vanishes_at_the_expected_number() -> None:
    outputs = torch.zeros(1, 3, N_LABELS, dtype=torch.float64)
    head = built("expected_positive", positives=2.0)
    known = torch.zeros(1, 3, N_LABELS, dtype=torch.bool)
    assert head.masked_loss(outputs, torch.zeros_like(outputs), known).abs().max() == 0
