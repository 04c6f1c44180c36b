"""Smooth F1 and Jaccard losses against loops, and their limits against scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score
from torch import Tensor

from mlc.heads.plain import build_head
from tests.cases import label_matrices

CASES = label_matrices()


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def outputs_for(targets: Tensor) -> Tensor:
    draw = torch.Generator().manual_seed(5)
    return 2 * torch.randn(targets.shape, generator=draw, dtype=torch.float64)


def batch_cost(z: Tensor, y: Tensor, counted: Callable[[float], float]) -> float:
    """The authors' cost, pair by pair: the mean over labels of 1 - F1."""
    costs = []
    for column, true in zip(z.T.tolist(), y.T.int().tolist(), strict=True):
        tp = fp = fn = 0.0
        for number, positive in zip(column, true, strict=True):
            s = counted(number)
            tp, fp, fn = tp + s * positive, fp + s * (1 - positive), fn + (1 - s) * positive
        costs.append(1 - 2 * tp / (2 * tp + fn + fp + 1e-16))
    return sum(costs) / len(costs)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("twice", [False, True])
def test_sigmoid_f1_is_the_authors_cost_of_the_batch(case: str, twice: bool) -> None:
    targets = CASES[case]
    outputs = outputs_for(targets)
    for slope, offset in ((1.0, 0.0), (9.0, 0.5)):
        options = {"slope": slope, "offset": offset, "twice": twice}
        head = build_head("sigmoid_f1", n_features=1, n_labels=targets.shape[1], **options)

        def counted(z: float, slope: float = slope, offset: float = offset) -> float:
            return sigmoid(slope * ((sigmoid(z) if twice else z) + offset))

        expected = batch_cost(outputs, targets, counted)
        found = head.loss(outputs, targets)
        torch.testing.assert_close(found, torch.full_like(found, expected))
        score = counted if not twice else sigmoid
        scores = [[score(z) for z in row] for row in outputs.tolist()]
        torch.testing.assert_close(head.scores(outputs), torch.tensor(scores, dtype=torch.float64))


def test_certain_outputs_have_no_loss_unless_the_sigmoid_is_applied_twice() -> None:
    targets = torch.tensor([[1, 0, 1], [0, 1, 1]])
    outputs = 80.0 * targets.double() - 40
    once, twice = (
        build_head("sigmoid_f1", n_features=1, n_labels=3, twice=value) for value in (False, True)
    )
    assert float(once.loss(outputs, targets)[0]) == pytest.approx(0, abs=1e-12)
    # s is 0.731 for a positive and 0.5 for a negative.
    half, most = 0.5, sigmoid(1)
    costs = [1 - 2 * most / (most + half + 1)] * 2 + [1 - 4 * most / (2 * most + 2)]
    assert float(twice.loss(outputs, targets)[0]) == pytest.approx(sum(costs) / 3)


def sample_loss(z: list[float], y: list[int], form: str, smoothing: float) -> float:
    both = sum(sigmoid(a) * b for a, b in zip(z, y, strict=True))
    either = sum(sigmoid(a) + b - sigmoid(a) * b for a, b in zip(z, y, strict=True))
    index = (both + smoothing) / (either + smoothing)
    return 1 - index if form == "jaccard" else 1 - 2 * index / (1 + index)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form", ["jaccard", "f1"])
def test_soft_jaccard_is_the_index_of_each_sample(case: str, form: str) -> None:
    targets = CASES[case]
    outputs = outputs_for(targets)
    for smoothing in (1.0, 0.2):
        options = {"form": form, "smoothing": smoothing}
        head = build_head("soft_jaccard", n_features=1, n_labels=targets.shape[1], **options)
        rows = zip(outputs.tolist(), targets.int().tolist(), strict=True)
        values = [sample_loss(z, y, form, smoothing) for z, y in rows]
        expected = torch.tensor(values, dtype=torch.float64)
        torch.testing.assert_close(head.loss(outputs, targets), expected)


@pytest.mark.parametrize("form", ["jaccard", "f1"])
def test_soft_jaccard_of_decided_sets_is_that_of_scikit_learn(form: str) -> None:
    draw = torch.Generator().manual_seed(0)
    decided, targets = (torch.rand(40, 5, generator=draw) < 0.3 for _ in range(2))
    assert (~decided.any(dim=1) & ~targets.any(dim=1)).any()
    head = build_head("soft_jaccard", n_features=1, n_labels=5, form=form, smoothing=1e-9)
    loss = head.loss(80 * decided.double() - 40, targets)
    metric = jaccard_score if form == "jaccard" else f1_score
    expected = metric(targets, decided, average="samples", zero_division=1.0)
    assert 1 - float(loss.mean()) == pytest.approx(expected, abs=1e-6)
