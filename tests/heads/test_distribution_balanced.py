"""The distribution-balanced loss against the authors' formula, sample by sample and label by label."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from mlc.heads.plain import build_head

# A frequent label, a rare one, one that all rows have, and one that none has.
TRAINING = torch.zeros(20, 4, dtype=torch.bool)
TRAINING[:12, 0] = TRAINING[5:7, 1] = TRAINING[:, 2] = True
POSITIVES, NEGATIVES = (12, 2, 20, 0.5), (8, 18, 0.5, 20)
TARGETS = torch.tensor([[1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]])


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def by_the_authors(z: list[float], y: list[int], **options: float) -> float:
    total, scale = 0.0, options["tolerance"]
    repeat = sum(present / n for present, n in zip(y, POSITIVES, strict=True))
    for k, present in enumerate(y):
        share = 1 / POSITIVES[k] / repeat if repeat else math.inf
        weight = sigmoid(10 * (share - options["centre"])) + 0.1 if repeat else 1.1
        initial = -math.log(NEGATIVES[k] / POSITIVES[k]) * options["bias"] / scale
        logit = z[k] + initial
        if not present:
            logit, weight = scale * logit, weight / scale
        q = sigmoid(logit) if present else 1 - sigmoid(logit)
        total -= weight * (1 - q) ** options["gamma"] * math.log(q)
    return total


@pytest.mark.parametrize(
    "options", [{}, {"gamma": 2.0}, {"centre": 0.3, "tolerance": 5.0, "bias": 0.2, "gamma": 1.0}]
)
def test_the_loss_is_the_authors_formula(options: dict[str, Any]) -> None:
    settings = {"centre": 0.2, "tolerance": 2.0, "bias": 0.05, "gamma": 0.0} | options
    head = build_head(
        "distribution_balanced", n_features=1, n_labels=4, targets=TRAINING, **options
    )
    outputs = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = zip(outputs.tolist(), TARGETS.tolist(), strict=True)
    expected = [by_the_authors(z, y, **settings) for z, y in rows]
    # Counts are kept in float32.
    torch.testing.assert_close(
        head.double().loss(outputs, TARGETS),
        torch.tensor(expected, dtype=torch.float64),
        atol=0,
        rtol=2e-6,
    )


def test_a_label_beside_rare_ones_weighs_less_than_alone() -> None:
    head = build_head("distribution_balanced", n_features=1, n_labels=4, targets=TRAINING).head
    alone, beside = head.weights(torch.tensor([[[1.0, 0, 0, 0], [1.0, 1, 0, 0]]]))[0, :, 0]  # type: ignore[operator]
    # 1 / 12 over 1 / 12, and over 1 / 12 + 1 / 2.
    assert float(alone) == pytest.approx(0.1 + sigmoid(10 * (1 - 0.2)))
    assert float(beside) == pytest.approx(0.1 + sigmoid(10 * (1 / 7 - 0.2)))
