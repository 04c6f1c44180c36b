"""Negative sampling: its draws against their probabilities, its losses against loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from mlc.heads.base import HEADS, KnownLabels
from mlc.heads.negative_sampling import NegativeSampling, spread, steps

TRAINING = torch.zeros(40, 4, dtype=torch.bool)
TRAINING[:32, 0] = TRAINING[:9, 1] = TRAINING[5:7, 2] = True
ROOTS = [math.sqrt(n) for n in (32, 9, 2, 0.5)]
Q = [root / sum(ROOTS) for root in ROOTS]


def head_for(training: Tensor, **options: Any) -> NegativeSampling:
    known = KnownLabels(training, torch.arange(len(training))[None])
    shape = 3, training.shape[1], HEADS.options("negative_sampling", **options)
    head = HEADS["negative_sampling"](*shape, seeds=[0], known=known).double()
    assert isinstance(head, NegativeSampling)
    return head


def softplus(z: float) -> float:
    return math.log(1 + math.exp(z))


def test_further_numbers_are_those_of_splitmix64() -> None:
    def by_integers(uniform: float, n: int) -> list[float]:
        numbers, state, mask = [], int(uniform * 2**53), 2**64 - 1
        for _ in range(n):
            state = (state + 0x9E3779B97F4A7C15) & mask
            z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
            numbers.append(((z ^ (z >> 31)) >> 11) / 2**53)
        return numbers

    uniforms = torch.tensor([0.0, 0.25, 1 / 3, 1 - 2**-24, 2**-24], dtype=torch.float32)
    expected = [by_integers(uniform, 7) for uniform in uniforms.tolist()]
    assert spread(uniforms, steps(7)).tolist() == expected


@pytest.mark.parametrize("positive", range(4))
def test_negatives_are_drawn_by_the_roots_of_their_counts(positive: int) -> None:
    head = head_for(TRAINING)
    uniforms = torch.rand(1, 4000, generator=torch.Generator().manual_seed(positive))
    drawn = head.negatives(torch.full((1, 4000, 1), positive), uniforms)
    counts = torch.bincount(drawn.flatten(), minlength=4).tolist()
    assert counts.pop(positive) == 0
    others = [q for k, q in enumerate(Q) if k != positive]
    assert chisquare(counts, [20_000 * q / sum(others) for q in others]).pvalue > 0.01
    # The numbers of a sample do not depend on each other.
    pairs = (drawn[..., 0] * 4 + drawn[..., 1]).flatten()
    joint = torch.bincount(pairs, minlength=16).double().view(4, 4) / 4000
    apart = joint.sum(dim=1, keepdim=True) * joint.sum(dim=0)
    torch.testing.assert_close(joint, apart, atol=0.02, rtol=0)


def test_of_two_labels_the_other_is_the_negative() -> None:
    head = head_for(torch.tensor([[1, 0], [1, 0]]).bool(), n_negatives=3)
    outputs = torch.randn(1, 50, 2, dtype=torch.float64)
    targets = torch.tensor([1.0, 0]).double().expand(1, 50, 2)
    loss = head.loss(outputs, targets, torch.rand(1, 50))
    expected = [softplus(-z[0]) + 3 * softplus(z[1]) for z in outputs[0].tolist()]
    torch.testing.assert_close(loss[0], torch.tensor(expected, dtype=torch.float64))


def test_the_mean_of_the_loss_over_draws_is_the_expected_loss() -> None:
    head = head_for(TRAINING, n_negatives=2)
    targets = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]]).double()
    outputs = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    closed = []
    for z, y in zip(outputs.tolist(), targets.tolist(), strict=True):
        total = 0.0
        for t, present in enumerate(y):
            negatives = sum(Q[j] / (1 - Q[t]) * softplus(z[j]) for j in range(4) if j != t)
            total += present / max(1, sum(y)) * (softplus(-z[t]) + 2 * negatives)
        closed.append(total)
    expected = head.expected_loss(outputs[None], targets[None])[0]
    torch.testing.assert_close(expected, torch.tensor(closed).double(), rtol=1e-6, atol=0)
    n = 20_000
    uniforms = torch.rand(1, 4 * n, generator=torch.Generator().manual_seed(1))
    repeated = (part.repeat_interleave(n, dim=0)[None] for part in (outputs, targets))
    drawn = head.loss(*repeated, uniforms).view(4, n)
    error = drawn.std(dim=1) / n**0.5
    assert bool(((drawn.mean(dim=1) - expected).abs() <= 3 * error).all())
    assert float(drawn[3].abs().max()) == 0
